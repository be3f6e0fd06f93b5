"""The offline evaluation: learn, rank, and hold the lists against what users went on to do."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from recsys.config import RecsysConfig
from recsys.errors import ConfigError
from recsys.evaluation import Judged, Outcome, Run, judge, lay_out
from recsys.evaluation.leakage import Audit
from recsys.evaluation.protocols import Question
from recsys.events.schema import USER_ID
from recsys.events.shop import Shop
from recsys.pipelines.asked import Described, Learnt, counts, describe_asked, learn
from recsys.pipelines.audit import audit_question
from recsys.pipelines.lists import GivenLists
from recsys.pipelines.progress import Progress, silent
from recsys.pipelines.questions import ask, data_words
from recsys.pipelines.train import Trained
from recsys.ranking import BUILT_IN, Customers, Request, Variant
from recsys.types import Indices


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
    lists: Sequence[GivenLists] = (),
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
            learnt = learn(question, seeded, variants, trained, progress)
            parts = [describe_asked(question, asked, learnt) for asked in question.asked]
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


def _runs(
    question: Question,
    config: RecsysConfig,
    learnt: Learnt,
    parts: Sequence[Described],
    variants: Sequence[Variant],
    files: Sequence[GivenLists],
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
                    counts={**question.counts, **counts(learnt, part)},
                    listed_outside=outside,
                    background=part.background,
                    flags=part.flags,
                )
            )
    return runs


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
    request = Request(k=depth, new=depth, as_of=learnt.trained.as_of)
    rankings = learnt.trained.ranker().rank_all(customers, users, variant, request)
    for user, ranking in enumerate(rankings):
        end = depth - ranking.shortfall
        lists[user, :end] = ranking.items[:end]
        lists[user, depth : depth + len(ranking.items) - end] = ranking.items[end:]
    return lists


def _judge_file(file: GivenLists, part: Described, config: RecsysConfig) -> tuple[Judged, int]:
    ks, items = config.evaluation.k, part.items
    laid = lay_out(file.rows, part.targets, items, max(ks))
    longest = _longest(file.rows)
    deeper = longest > max(ks)
    whole = lay_out(file.rows, part.targets, items, longest) if deeper else laid
    judged = judge(laid.lists, part.targets, part.background, ks=ks, explore=whole.lists)
    return judged, laid.outside


def _longest(rows: pd.DataFrame) -> int:
    return int(rows.groupby(USER_ID).size().max()) if len(rows) else 1


def _check_lists(lists: Sequence[GivenLists], questions: Sequence[Question]) -> None:
    """Refuse one file of lists for several questions: each would need lists of its own."""
    if lists and (len(questions) > 1 or len(questions[0].asked) > 1):
        raise ConfigError(
            "one file of lists answers one question, and [evaluation] asks several (origins, "
            "reveal); set origins = 1, or one amount to reveal"
        )
