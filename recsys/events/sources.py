"""A shop's sources, opened, and whether what the config says of them fits."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import duckdb

from recsys.engines import literal, rows
from recsys.errors import ConfigError, nearest
from recsys.events import mapping, properties
from recsys.events.readers import PREFIX, Source, open_source
from recsys.events.schema import CAMPAIGN_FIELDS, EVENT_FIELDS, ITEM_FIELDS, PARENT, VALID_FROM
from recsys.events.validation import Intake, names_of_events

WORDS = tuple(
    dict.fromkeys(
        (*(f.name for f in EVENT_FIELDS), *ITEM_FIELDS, PARENT, VALID_FROM, *CAMPAIGN_FIELDS)
    )
)
"""What ``[data.columns]`` may map."""
FOLDED = "folded_items"
"""The table of a long file of items, one row an item."""


class Further(NamedTuple):
    """Sources beside events, users and items; all optional.

    Attributes
    ----------
    category_tree
        ``category, parent``: items get their category's path.
    campaigns
        ``campaign_id, starts, ends`` and perhaps ``kind``.
    campaign_users
        ``campaign_id, user_id``: whom a campaign was sent to.
    redemptions
        ``campaign_id, user_id, timestamp`` and perhaps ``coupon_id``.
    """

    category_tree: Source | None = None
    campaigns: Source | None = None
    campaign_users: Source | None = None
    redemptions: Source | None = None


NOTHING_FURTHER = Further()


def open_sources(
    connection: duckdb.DuckDBPyConnection, given: Mapping[str, Source], intake: Intake
) -> dict[str, str]:
    """Open every source, a long file of items as one row an item.

    Returns
    -------
    dict
        Source name -> the view or table of its rows.

    Raises
    ------
    ConfigError
        When a mapped column, an event's name or ``time_format`` does not fit.
    DataError
        When a source cannot be read.
    """
    _check_event_names(intake)
    _check_time_format(connection, intake)
    opened = {name: PREFIX + name for name in given}
    present: set[str] = set()
    for name, source in given.items():
        relation = open_source(
            connection, source, opened[name], forgiving=True, needed=_needed(name, intake)
        )
        present.update(relation.columns)
    if "items" in given and _is_long(connection, intake):
        opened["items"] = FOLDED
        source = PREFIX + "items"
        properties.fold(connection, source, FOLDED, intake.columns, intake.time_format)
        present.update(connection.table(FOLDED).columns)
    _check_mapping(present, intake)
    return opened


def _needed(name: str, intake: Intake) -> Callable[[Sequence[str]], str] | None:
    return (lambda names: properties.needed(names, intake.columns)) if name == "items" else None


def _is_long(connection: duckdb.DuckDBPyConnection, intake: Intake) -> bool:
    return properties.is_long(connection.table(PREFIX + "items").columns, intake.columns)


def _check_mapping(present: Iterable[str], intake: Intake) -> None:
    known = {column.lower() for column in present}
    for ours in intake.columns:
        if ours not in WORDS:
            raise ConfigError(
                f"[data.columns] {ours!r} is none of our words; they are {', '.join(WORDS)}"
            )
        for column in mapping.names_of(ours, intake.columns):
            if column.lower() not in known:
                raise ConfigError(
                    f"[data.columns] {ours} = {column!r}: no file has that column; "
                    f"there are {', '.join(sorted(present))}"
                )


def _check_event_names(intake: Intake) -> None:
    known = sorted(intake.known_events)
    claimed: dict[str, str] = {}
    for ours, theirs in names_of_events(intake.event_names):
        if ours not in known:
            raise ConfigError(f"[data.event_names] {ours!r} is no event{nearest(ours, known)}")
        if claimed.setdefault(theirs.lower(), ours) != ours:
            raise ConfigError(
                f"[data.event_names] {theirs!r} is both {claimed[theirs.lower()]!r} and {ours!r}; "
                "name it once"
            )


def _check_time_format(connection: duckdb.DuckDBPyConnection, intake: Intake) -> None:
    if not intake.time_format:
        return
    try:
        rows(connection, f"SELECT try_strptime('', {literal(intake.time_format)})")
    except duckdb.Error as error:
        raise ConfigError(
            f"[data] time_format = {intake.time_format!r} is no strptime format; "
            "write it like %d.%m.%Y %H:%M"
        ) from error
