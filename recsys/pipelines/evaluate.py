"""The offline evaluation: learn, rank, and hold the lists against what users went on to do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from recsys.config import RecsysConfig
from recsys.engines import connect
from recsys.errors import ConfigError, DataError
from recsys.evaluation import Background, Judged, Outcome, Run, judge, lay_out
from recsys.evaluation.leakage import Audit
from recsys.evaluation.protocols import Asked, Question
from recsys.events import mapping
from recsys.events.readers import open_source
from recsys.events.schema import CATEGORY, ITEM_ID, USER_ID
from recsys.events.shop import Shop
from recsys.interactions import Catalogue, Histories, InteractionsConfig, Targets, targets_of
from recsys.interactions.catalogue import UNKNOWN
from recsys.pipelines.audit import audit_question
from recsys.pipelines.progress import Progress, silent
from recsys.pipelines.questions import ask, data_words
from recsys.pipelines.snapshot import take_snapshot
from recsys.pipelines.train import Trained, fit
from recsys.ranking import BUILT_IN, Customers, Request, Variant, Yardstick, describe
from recsys.segments import Axis, axes_off, fit_axes
from recsys.types import Indices

RANK = "rank"


@dataclass(frozen=True)
class Lists:
    """Another recommender's lists.

    Attributes
    ----------
    name
        What to call it.
    rows
        ``user_id, item_id, rank``.
    """

    name: str
    rows: pd.DataFrame


@dataclass(frozen=True)
class Axes:
    """What describing users needs where no model is fitted; see `recsys.ranking.Yardstick`."""

    catalogue: Catalogue
    axes: tuple[Axis, ...]
    interactions: InteractionsConfig
    timed: bool


@dataclass(frozen=True)
class Learnt:
    """What was learnt for one question, with or without a model.

    Attributes
    ----------
    yardstick
        Catalogue and cut points.
    histories
        Of the users that were learnt from.
    trained
        None where only files are judged.
    notes
        What the data switched off.
    """

    yardstick: Yardstick
    histories: Histories
    trained: Trained | None
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Described:
    """The users of one part of a question, and what they went on to do.

    Attributes
    ----------
    asked
        The part.
    targets
        Indexed by the catalogue.
    catalogue
        The items.
    customers
        The same users, as they were known.
    background
        For the measures beyond accuracy.
    """

    asked: Asked
    catalogue: Catalogue
    targets: Targets
    customers: Customers
    background: Background

    @property
    def items(self) -> Mapping[str, int]:
        """Item id -> index."""
        return {item: index for index, item in enumerate(self.catalogue.items.ids.tolist())}


def with_baselines(config: RecsysConfig, names: Sequence[str]) -> list[Variant]:
    """Return the named variants (or all) and the built-in ones, which stand in every table.

    Raises
    ------
    ConfigError
        When a name is not known.
    """
    every = config.every_variant()
    chosen = {variant.name for variant in config.chosen(list(names))}
    return [every[name] for name in every if name in chosen or name in BUILT_IN]


def evaluate(
    shop: Shop,
    config: RecsysConfig,
    variants: Sequence[Variant],
    *,
    lists: Sequence[Lists] = (),
    trained: Trained | None = None,
    progress: Progress = silent,
) -> Outcome:
    """Learn what the protocol allows, rank by each variant, and judge the lists.

    Parameters
    ----------
    shop, config
        The data and the config.
    variants
        Whom to judge; without any nothing is trained.
    lists
        Other recommenders' lists, judged beside them.
    trained
        What was learnt already from exactly what the first question allows.
    progress
        Where to say how far it is.

    Raises
    ------
    ConfigError, DataError
        When the data do not allow the protocol.
    CheckError
        When something that is learnt or ranked by knows what it may not.
    """
    questions = ask(shop, config)
    _check_lists(lists, questions)
    seeds = config.evaluation.seeds or (config.model.seed,)
    runs: list[Run] = []
    audits: list[Audit] = []
    notes: list[str] = []
    for question in questions:
        for seed in seeds if variants else seeds[:1]:
            seeded = config.with_seed(seed)
            learnt = _learn(question, seeded, variants, trained, progress)
            parts = [_describe(question, asked, learnt) for asked in question.asked]
            runs += _runs(question, seeded, learnt, parts, variants, lists, progress)
            if seed == seeds[0] and learnt.trained is not None:
                customers = [part.customers for part in parts]
                found = audit_question(
                    question, seeded, learnt.trained, customers, progress=progress
                )
                audits.append(found)
            notes += learnt.notes
            trained = None
    return _outcome(shop, config, questions, runs, variants, audits, notes)


def _outcome(
    shop: Shop,
    config: RecsysConfig,
    questions: Sequence[Question],
    runs: Sequence[Run],
    variants: Sequence[Variant],
    audits: Sequence[Audit],
    notes: Sequence[str],
) -> Outcome:
    evaluation = config.evaluation
    words = {**questions[0].words, "k": list(evaluation.k)}
    if len(questions) > 1:
        words["origins"] = [question.name for question in questions]
    return Outcome(
        protocol=words,
        runs=runs,
        digests={variant.name: variant.digest for variant in variants},
        ks=evaluation.k,
        reveal_unit=evaluation.reveal_unit if evaluation.protocol == "warm_up" else None,
        data=data_words(shop),
        audits=audits,
        notes=tuple(dict.fromkeys(notes)),
    )


def _learn(
    question: Question,
    config: RecsysConfig,
    variants: Sequence[Variant],
    trained: Trained | None,
    progress: Progress,
) -> Learnt:
    shop, as_of = question.training, question.as_of
    if variants:
        found = trained or fit(shop, config, as_of=as_of, variants=variants, progress=progress)
        return Learnt(found.model, found.learning.now.histories, found, found.notes)
    snapshot = take_snapshot(shop, shop.events(before=as_of), config, as_of=as_of)
    axes = fit_axes(config.segments, snapshot.facts)
    yardstick = Axes(snapshot.catalogue, axes, config.interactions, shop.timed)
    off = axes_off(config.segments, timed=shop.timed)
    return Learnt(yardstick, snapshot.histories, None, (*shop.off(), *off))


def _describe(question: Question, asked: Asked, learnt: Learnt) -> Described:
    """Work out who the asked users are from what is revealed of them, and from nothing else."""
    catalogue = learnt.yardstick.catalogue
    targets = targets_of(asked.targets, catalogue.items)
    customers = describe(
        asked.known.events(before=question.as_of),
        targets.users,
        asked.known.users(as_of=question.as_of),
        learnt.yardstick,
        as_of=question.as_of,
    )
    return Described(asked, catalogue, targets, customers, _background(learnt, customers.histories))


def _background(learnt: Learnt, known: Histories) -> Background:
    catalogue, training = learnt.yardstick.catalogue, learnt.histories
    liked = training.worth > 0
    return Background(
        n_items=len(catalogue.items),
        item_users=np.bincount(training.items[liked], minlength=len(catalogue.items)),
        n_users=len(np.unique(training.user_index[liked])),
        category=_categories(catalogue),
        known_indptr=known.indptr,
        known_items=known.items,
        offered=catalogue.available,
    )


def _categories(catalogue: Catalogue) -> Indices | None:
    """Return the code of each item's category, -1 unknown; None where the shop has none."""
    if CATEGORY not in catalogue.columns:
        return None
    codes, names = catalogue.codes(CATEGORY)
    return np.where(names[codes] == UNKNOWN, -1, codes)


def _runs(
    question: Question,
    config: RecsysConfig,
    learnt: Learnt,
    parts: Sequence[Described],
    variants: Sequence[Variant],
    files: Sequence[Lists],
    progress: Progress,
) -> list[Run]:
    """Judge every recommender on every part of a question."""
    runs = []
    with progress("judging", len(parts) * (len(variants) + len(files))) as advance:
        for part in parts:
            judged, outside = {}, {}
            for variant in variants:
                judged[variant.name] = _judge_variant(learnt, part, variant, config)
                advance()
            for file in files:
                judged[file.name], outside[file.name] = _judge_file(file, part, config)
                advance()
            runs.append(
                Run(
                    origin=question.name,
                    seed=config.model.seed if variants else None,
                    reveal=part.asked.reveal,
                    judged=judged,
                    memberships=part.customers.memberships.frame(),
                    items=learnt.yardstick.catalogue.items.ids,
                    counts={**question.counts, **_counts(learnt, part)},
                    listed_outside=outside,
                )
            )
    return runs


def _counts(learnt: Learnt, part: Described) -> dict[str, int]:
    catalogue, targets = learnt.yardstick.catalogue, part.targets
    sold = (targets.items >= 0) & catalogue.available[targets.items]
    known = learnt.histories.users
    return {
        "users": len(targets.users),
        "users_without_history": int((np.diff(part.customers.histories.indptr) == 0).sum()),
        "users_learnt_from": len(known),
        "users_without_targets": int((targets.users.index_of(known.ids) < 0).sum()),
        "targets": len(targets.items),
        "targets_outside_catalogue": int((~sold).sum()),
        "catalogue": int(catalogue.available.sum()),
    }


def _judge_variant(
    learnt: Learnt, part: Described, variant: Variant, config: RecsysConfig
) -> Judged:
    depth, ks = max(config.evaluation.k), config.evaluation.k
    lists = _lists(learnt, part.customers, variant, depth)
    return judge(lists[:, :depth], part.targets, part.background, ks=ks, explore=lists)


def _lists(learnt: Learnt, customers: Customers, variant: Variant, depth: int) -> Indices:
    """Rank for everybody: the list, and from `depth` on the best of what is new to the user."""
    if learnt.trained is None:
        raise ValueError(f"nothing was trained to rank {variant.name!r} by")
    lists = np.full((len(customers.users), 2 * depth), -1, dtype=np.int64)
    users = range(len(customers.users))
    request = Request(k=depth, new=depth)
    rankings = learnt.trained.ranker().rank_all(customers, users, variant, request)
    for user, ranking in enumerate(rankings):
        end = depth - ranking.shortfall
        lists[user, :end] = ranking.items[:end]
        lists[user, depth : depth + len(ranking.items) - end] = ranking.items[end:]
    return lists


def _judge_file(file: Lists, part: Described, config: RecsysConfig) -> tuple[Judged, int]:
    ks, items = config.evaluation.k, part.items
    laid = lay_out(file.rows, part.targets, items, max(ks))
    whole = lay_out(file.rows, part.targets, items, _longest(file.rows))
    judged = judge(laid.lists, part.targets, part.background, ks=ks, explore=whole.lists)
    return judged, laid.outside


def _longest(rows: pd.DataFrame) -> int:
    return int(rows.groupby(USER_ID).size().max()) if len(rows) else 1


def _check_lists(lists: Sequence[Lists], questions: Sequence[Question]) -> None:
    """Refuse one file of lists for several questions: each would need lists of its own."""
    if lists and (len(questions) > 1 or len(questions[0].asked) > 1):
        raise ConfigError(
            "one file of lists answers one question, and [evaluation] asks several (origins, "
            "reveal); set origins = 1, or one amount to reveal"
        )


def read_lists(path: str) -> Lists:
    """Read another recommender's ``user_id, item_id, rank``.

    Raises
    ------
    DataError
        When a column is missing, a row lacks an id or a whole number as its rank, or a list holds
        an item or a rank twice.
    """
    relation = open_source(connect(), path, "recommendations")
    columns = mapping.source_columns(relation.columns, relation.types)
    missing = [name for name in (USER_ID, ITEM_ID, RANK) if name not in columns]
    if missing:
        raise DataError(f"{path!r} has no column {', '.join(missing)}; it has {', '.join(columns)}")
    ids = [f"{mapping.identifier(columns[name])} AS {name}" for name in (USER_ID, ITEM_ID)]
    rank = f"TRY_CAST({RANK} AS BIGINT) AS {RANK}"
    lists: pd.DataFrame = relation.select(", ".join([*ids, rank])).df()
    incomplete = int(lists.isna().any(axis=1).sum())
    if incomplete:
        raise DataError(
            f"{path!r}: {incomplete:,} rows lack a {USER_ID}, an {ITEM_ID} or a whole number as "
            f"{RANK}; correct them, or leave them out"
        )
    for other in (ITEM_ID, RANK):
        repeated = int(lists.duplicated([USER_ID, other]).sum())
        if repeated:
            raise DataError(
                f"{path!r}: {repeated:,} rows repeat {other} in the same user's list; "
                "leave them out"
            )
    return Lists(Path(path).stem, lists)
