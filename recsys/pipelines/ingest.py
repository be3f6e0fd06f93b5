"""Read what the config names, and judge every row."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import duckdb

from recsys.config import RecsysConfig
from recsys.engines import connect
from recsys.errors import DataError
from recsys.events import mapping
from recsys.events.queries import Query
from recsys.events.readers import files_of, open_source
from recsys.events.schema import EVENT_TYPES
from recsys.events.shop import Shop, read_shop
from recsys.events.sources import Further
from recsys.events.times import parse_time
from recsys.events.validation import Intake

LARGE: Final = 256 * 2**20
"""Bytes of event files from which a shop's tables lie on the disk: about 20 million events.

How much a query gives is not known before."""


def intake_of(config: RecsysConfig) -> Intake:
    """Return the rules by which the shop's rows are judged."""
    data = config.data
    return Intake(
        columns=data.columns,
        default_event=data.default_event,
        known_events=frozenset(EVENT_TYPES) | frozenset(config.interactions.event_weights),
        end=parse_time(data.end, what="[data] end") if data.end else None,
        time_format=data.time_format,
        where=data.where,
        event_names=data.event_names,
    )


def open_evaluated(config: RecsysConfig) -> Shop:
    """Read the shop that is evaluated: its events are the protocol's own where it names some."""
    train = config.evaluation.train
    if train is None:
        return open_shop(config)
    data = config.data.model_copy(update={"events": train})
    return open_shop(config.model_copy(update={"data": data}))


def open_shop(config: RecsysConfig) -> Shop:
    """Read the shop's events, users, items and campaigns.

    Raises
    ------
    ConfigError, DataError
        When something the config names is not there, or nothing is usable.
    """
    data = config.data
    scratch = _scratch(data.events)
    folder = None if scratch is None else Path(scratch.name)
    shop = read_shop(
        connect(folder=folder),
        data.events,
        intake_of(config),
        users=data.users,
        items=data.items,
        further=Further(**{name: getattr(data, name) for name in Further._fields}),
        imported={
            axis.column: (name, axis.file)
            for name, axis in config.segments.items()
            if axis.kind == "imported" and axis.file
        },
    )
    return replace(shop, scratch=scratch)


def _scratch(events: str | Query) -> TemporaryDirectory[str] | None:
    """Make a folder for the tables of a shop that memory may be too small for."""
    if isinstance(events, str) and _size(events) < LARGE:
        return None
    return TemporaryDirectory(prefix="recsys-", ignore_cleanup_errors=True)


def _size(events: str) -> int:
    return sum(Path(file).stat().st_size for file in files_of(events, "events"))


def open_columns(
    path: str, *names: str
) -> tuple[duckdb.DuckDBPyRelation, dict[str, mapping.Column]]:
    """Open a file that is no shop's own, such as lists or targets, with the columns it must have.

    Raises
    ------
    DataError
        When it cannot be read, or a column is missing.
    """
    relation = open_source(connect(), path, "file")
    columns = mapping.source_columns(relation.columns, relation.types)
    missing = [name for name in names if name not in columns]
    if missing:
        raise DataError(f"{path!r} has no column {', '.join(missing)}; it has {', '.join(columns)}")
    return relation, columns
