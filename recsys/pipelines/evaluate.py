"""The offline protocol: learn before the cut, rank, and hold the lists against what followed."""

from collections.abc import Sequence
from dataclasses import dataclass

import narwhals as nw
import numpy as np
import pandas as pd

from recsys.config import RecsysConfig
from recsys.engines import connect
from recsys.errors import ConfigError, DataError
from recsys.evaluation import Judged, judge, lists_from
from recsys.events import mapping
from recsys.events.readers import open_source
from recsys.events.schema import ITEM_ID, MICROSECONDS_PER_DAY, USER_ID
from recsys.events.shop import WITHOUT_TIMES, Shop
from recsys.events.times import format_time, parse_time
from recsys.interactions import Targets, bought_between, build_catalogue
from recsys.models import Model
from recsys.pipelines.progress import Progress, silent
from recsys.pipelines.train import Trained
from recsys.ranking import Customers, Request, Variant, describe
from recsys.types import Indices
from recsys.vocabulary import Vocabulary

RANK = "rank"


@dataclass(frozen=True)
class Protocol:
    """A temporal question.

    Attributes
    ----------
    cut, end
        Microseconds: what is known ends at `cut`; targets lie in ``cut <= time < end``.
    ks
        List lengths.
    """

    cut: int
    end: int
    ks: tuple[int, ...]

    def words(self) -> dict[str, object]:
        """Return the protocol for a report."""
        return {
            "protocol": "temporal",
            "cut": format_time(self.cut),
            "end": format_time(self.end),
            "k": list(self.ks),
            "targets": "distinct items of target events; every user with one",
        }


@dataclass(frozen=True)
class Evaluation:
    """What the judged variants reached.

    Attributes
    ----------
    protocol
        The question.
    judged
        Variant (or file) name -> its per-user values.
    users, new_users
        With targets; of them, without any history.
    outside
        Target pairs whose item is outside the catalogue: they cannot be found, and they count.
    notes
        What the data switched off.
    """

    protocol: Protocol
    judged: dict[str, Judged]
    users: int
    new_users: int
    outside: int
    notes: tuple[str, ...]


def protocol_of(shop: Shop, config: RecsysConfig) -> Protocol:
    """Return the cut and the window the config asks for.

    Raises
    ------
    ConfigError
        When the shop has no times.
    DataError
        When the cut leaves nothing to learn from.
    """
    span = shop.span()
    if span is None:
        raise ConfigError(f"the temporal protocol needs times; {WITHOUT_TIMES}")
    length = int(config.evaluation.window_days * MICROSECONDS_PER_DAY)
    text = config.evaluation.cut
    cut = parse_time(text, what="[evaluation] cut") if text else span[1] - length
    if not span[0] < cut <= span[1]:
        raise DataError(
            f"the cut {format_time(cut)} is outside the events, which are of "
            f"{format_time(span[0])} to {format_time(span[1])}; set [evaluation] cut"
        )
    return Protocol(cut, cut + length, config.evaluation.k)


def find_targets(
    shop: Shop, config: RecsysConfig, protocol: Protocol, items: Vocabulary
) -> Targets:
    """Return what was bought in the test window.

    Raises
    ------
    DataError
        When nobody bought anything.
    """
    events = shop.events(since=protocol.cut, before=protocol.end)
    targets = bought_between(events, config.interactions.target, items)
    if not len(targets.users):
        raise DataError(
            f"nothing was bought from {format_time(protocol.cut)} to {format_time(protocol.end)}; "
            "set [evaluation] cut or test_window"
        )
    return targets


def evaluate(
    shop: Shop,
    config: RecsysConfig,
    protocol: Protocol,
    trained: Trained,
    variants: Sequence[Variant],
    *,
    progress: Progress = silent,
) -> Evaluation:
    """Rank by each variant and judge the lists.

    Parameters
    ----------
    shop, config
        The data and the config.
    protocol
        The question.
    trained
        What was learnt before the cut.
    variants
        Whom to judge.
    progress
        Where to say how far it is.
    """
    targets = find_targets(shop, config, protocol, trained.model.items)
    customers = known_customers(shop, trained.model, targets, protocol)
    history = np.diff(customers.histories.indptr)
    n_items = len(trained.model.items)
    judged = {}
    with progress("judging variants", len(variants)) as advance:
        for variant in variants:
            lists = _lists(trained, customers, variant, max(protocol.ks))
            judged[variant.name] = judge(lists, targets, history, ks=protocol.ks, n_items=n_items)
            advance()
    return _evaluation(protocol, judged, targets, history, trained.notes)


def read_lists(path: str) -> pd.DataFrame:
    """Read another recommender's ``user_id, item_id, rank``.

    Raises
    ------
    DataError
        When a column is missing, a row lacks an id or a whole number as its rank, or a list holds
        an item twice.
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
    repeated = int(lists.duplicated([USER_ID, ITEM_ID]).sum())
    if repeated:
        raise DataError(
            f"{path!r}: {repeated:,} rows repeat an item of the same user's list; leave them out"
        )
    return lists


def evaluate_lists(
    shop: Shop,
    config: RecsysConfig,
    protocol: Protocol,
    recommendations: pd.DataFrame,
    name: str,
) -> Evaluation:
    """Judge another recommender's ``user_id, item_id, rank`` by the same protocol; no model."""
    seen = shop.events(before=protocol.cut).filter(~nw.col(ITEM_ID).is_null())
    pairs = seen.select(USER_ID, ITEM_ID).unique().collect("pandas").to_native()
    items = build_catalogue(shop.items(), pairs[ITEM_ID].unique(), ()).items
    targets = find_targets(shop, config, protocol, items)
    rows = targets.users.index_of(pairs[USER_ID])
    history = np.bincount(rows[rows >= 0], minlength=len(targets.users))
    places = {item: index for index, item in enumerate(items.ids.tolist())}
    lists = lists_from(recommendations, targets, places, max(protocol.ks))
    judged = judge(lists, targets, history, ks=protocol.ks, n_items=len(items))
    return _evaluation(protocol, {name: judged}, targets, history, ())


def known_customers(shop: Shop, model: Model, targets: Targets, protocol: Protocol) -> Customers:
    """Describe the users with targets as they were at the cut."""
    return describe(
        shop.events(before=protocol.cut),
        targets.users,
        shop.users(as_of=protocol.cut),
        model,
        as_of=protocol.cut,
    )


def _lists(trained: Trained, customers: Customers, variant: Variant, depth: int) -> Indices:
    lists = np.full((len(customers.users), depth), -1, dtype=np.int64)
    users = range(len(customers.users))
    rankings = trained.ranker().rank_all(customers, users, variant, Request(k=depth))
    for user, ranking in enumerate(rankings):
        lists[user, : len(ranking.items)] = ranking.items
    return lists


def _evaluation(
    protocol: Protocol,
    judged: dict[str, Judged],
    targets: Targets,
    history: Indices,
    notes: Sequence[str],
) -> Evaluation:
    return Evaluation(
        protocol,
        judged,
        users=len(targets.users),
        new_users=int((history == 0).sum()),
        outside=int((targets.items < 0).sum()),
        notes=tuple(notes),
    )
