"""Lists for known and unknown users, from the active bundle and the state."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import narwhals as nw
import numpy as np
import pandas as pd

from recsys.config import RecsysConfig
from recsys.engines import connect
from recsys.errors import DataError
from recsys.events import mapping
from recsys.events.readers import Source, open_source
from recsys.events.schema import USER_ID
from recsys.events.shop import Shop, read_shop
from recsys.pipelines.ingest import intake_of
from recsys.pipelines.progress import Progress, silent
from recsys.ranking import Customers, Ranker, Ranking, Request, Variant, describe
from recsys.ranking.customers import on_engine
from recsys.ranking.published import Published
from recsys.state import Consent, StateStore
from recsys.vocabulary import Vocabulary

USERS_AT_ONCE = 1000
"""Users described together: bounds the memory of a run over everyone."""


@dataclass(frozen=True)
class Lists:
    """The answers for one block of users, in the order of `customers`."""

    customers: Customers
    rankings: Sequence[Ranking]


def moment(published: Published, state: StateStore) -> int:
    """Return the later of the bundle's moment and just after the state's newest event."""
    newest = state.newest_time()
    return published.as_of if newest is None else max(published.as_of, newest + 1)


def read_history(source: Source, config: RecsysConfig) -> Shop:
    """Read a file of further events by the config's rules."""
    intake = intake_of(config)._replace(where=None)
    columns = mapping.fitting(intake.columns, read_columns(source))
    return read_shop(connect(), source, intake._replace(columns=columns))


def read_columns(source: Source) -> set[str]:
    """Return the names of a source's columns."""
    return set(open_source(connect(), source, "source").columns)


def read_users(path: str, config: RecsysConfig) -> list[str]:
    """Read the ``user_id`` column of a file as text, in the file's order, without repeats.

    Raises
    ------
    DataError
        When the file has no such column.
    """
    connection = connect()
    connection.execute("SET preserve_insertion_order = true")
    relation = open_source(connection, path, "users")
    columns = mapping.source_columns(relation.columns, relation.types)
    key = mapping.require(USER_ID, config.data.columns, columns, file="users")
    ids = relation.select(f"{mapping.identifier(key)} AS {USER_ID}").df()[USER_ID]
    return list(dict.fromkeys(ids.dropna()))


def recommend(
    published: Published,
    state: StateStore,
    users: Sequence[str],
    variant: Variant,
    request: Request,
    *,
    as_of: int,
    history: Shop | None = None,
    progress: Progress = silent,
) -> Iterator[Lists]:
    """Rank for each of `users`, whether known or not, in blocks.

    Parameters
    ----------
    published
        The bundle.
    state
        Users and their histories.
    users
        Whom to rank for.
    variant, request
        The recipe, length and filters.
    as_of
        Microseconds; nothing at or after it is used.
    history
        Further events, folded in beside those of the state.
    progress
        Where to say how far it is.

    Raises
    ------
    DataError
        When `history` has no times and the model goes by them.
    """
    published.ranker.check(variant)
    if history is not None and published.ranker.model.timed and not history.timed:
        raise DataError(
            "the history has no timestamps, and this model goes by them; give every row one"
        )
    consents = state.consents()
    blocks = [users[i : i + USERS_AT_ONCE] for i in range(0, len(users), USERS_AT_ONCE)]
    with progress("ranking", len(blocks)) as advance:
        for block in blocks:
            customers = _known(published.ranker, state, block, consents, as_of, history)
            rankings = _ranked(published.ranker, customers, block, consents, variant, request)
            yield Lists(customers, rankings)
            advance()


def _known(
    ranker: Ranker,
    state: StateStore,
    users: Sequence[str],
    consents: Mapping[str, Consent],
    as_of: int,
    history: Shop | None,
) -> Customers:
    """Describe users by what they let be known of them."""
    open_ = [user for user in users if consents.get(user) != "none"]
    events = state.events_of(open_)
    if history is not None:
        # As in the service: nothing further of those who agreed to less than everything.
        events = _with_history(events, history, [user for user in users if user not in consents])
    attributes = state.attributes_of(open_)
    return describe(on_engine(events), Vocabulary(users), attributes, ranker.model, as_of=as_of)


def _ranked(
    ranker: Ranker,
    customers: Customers,
    users: Sequence[str],
    consents: Mapping[str, Consent],
    variant: Variant,
    request: Request,
) -> list[Ranking]:
    """Rank for users, without the history of those who agreed to their segments alone."""
    rows = customers.users.index_of(users).tolist()
    rankings = list(ranker.rank_all(customers, rows, variant, request))
    for place, (user, row) in enumerate(zip(users, rows, strict=True)):
        if consents.get(user) == "segment_only":
            withheld = customers.alone(row).by_segments_alone()
            (rankings[place],) = ranker.rank_all(withheld, [0], variant, request)
    return rankings


def _with_history(events: pd.DataFrame, history: Shop, users: Sequence[str]) -> pd.DataFrame:
    further = history.events().filter(nw.col(USER_ID).is_in(list(users)))
    added: pd.DataFrame = further.collect("pandas").to_native()
    joined = pd.concat([events, added.astype(events.dtypes.to_dict())], ignore_index=True)
    # An event of the file that the state already holds is the same event.
    return joined.drop_duplicates(["user_id", "event_id"], ignore_index=True)


def table_of(lists: Lists, users: Sequence[str], ranker: Ranker, *, explain: bool) -> pd.DataFrame:
    """Lay lists out as ``user_id, item_id, rank, score`` and, explained, one column a term."""
    ids = ranker.model.items.ids
    sizes = [len(ranking.items) for ranking in lists.rankings]
    columns: dict[str, object] = {
        "user_id": np.repeat(np.asarray(users, dtype=object), sizes),
        "item_id": np.concatenate([ids[r.items] for r in lists.rankings] or [ids[:0]]),
        "rank": np.concatenate([np.arange(1, size + 1) for size in sizes] or [np.arange(0)]),
        "score": np.concatenate([r.scores for r in lists.rankings] or [np.empty(0)]),
    }
    if explain:
        # A rule that does not hold for somebody adds nothing to her scores.
        for signal in dict.fromkeys(name for ranking in lists.rankings for name in ranking.terms):
            values = [r.terms.get(signal, np.zeros(len(r.items))) for r in lists.rankings]
            columns["term_" + signal.replace(":", "_")] = np.concatenate(values)
    frame = pd.DataFrame(columns)
    return frame.astype({"user_id": "str", "item_id": "str", "rank": "int64"})
