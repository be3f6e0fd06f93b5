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
from recsys.events.config import STATE
from recsys.events.queries import Query
from recsys.events.readers import files_of, open_source
from recsys.events.shop import NOTHING, Shop, read_shop
from recsys.events.sources import Further
from recsys.events.times import parse_time
from recsys.events.validation import Intake
from recsys.pipelines.told import hear, read_events
from recsys.state import StateStore

LARGE: Final = 256 * 2**20
"""Bytes of event files from which a shop's tables lie on the disk: about 20 million events.

How much a query or a state gives is not known before."""


def intake_of(config: RecsysConfig) -> Intake:
    """Return the rules by which the shop's rows are judged."""
    data = config.data
    return Intake(
        columns=data.columns,
        default_event=data.default_event,
        known_events=config.interactions.known_events,
        end=parse_time(data.end, what="[data] end") if data.end else None,
        time_format=data.time_format,
        where=data.where,
        event_names=data.event_names,
    )


def open_evaluated(config: RecsysConfig) -> Shop:
    """Read the shop that is evaluated: its events are the protocol's own where it names some.

    Who agreed to segments alone has no part in it: an evaluation looks at histories.
    """
    train = config.evaluation.train
    if train is None:
        return open_shop(config).learnable()
    data = config.data.model_copy(update={"events": train})
    return open_shop(config.model_copy(update={"data": data}), told=False).learnable()


def open_shop(config: RecsysConfig, *, told: bool = True) -> Shop:
    """Read the shop: its sources, and what its state knows beside them.

    Parameters
    ----------
    config
        What the config says.
    told
        Whether events that came over HTTP belong to it.

    Raises
    ------
    ConfigError, DataError
        When something the config names is not there, or nothing is usable.
    StateError
        When there is a state that cannot be read.
    """
    state = StateStore(config.state.url)
    scratch = _scratch(config.data.events)
    connection = connect(folder=None if scratch is None else Path(scratch.name))
    try:
        return replace(_read(config, connection, state, told=told), scratch=scratch)
    except BaseException:
        Shop(connection, timed=False, scratch=scratch).close()
        raise
    finally:
        state.close()


def _read(
    config: RecsysConfig, connection: duckdb.DuckDBPyConnection, state: StateStore, *, told: bool
) -> Shop:
    intake = intake_of(config)
    if config.data.events != STATE:
        return hear(_read_sources(config, connection, intake), state, intake, events=told)
    report = read_events(connection, state, intake)
    shop = _read_sources(config, connection, intake)
    shop = replace(shop, reports={"events": report, **shop.reports})
    return replace(hear(shop, state, intake, events=False), to_keep=NOTHING)


def _read_sources(
    config: RecsysConfig, connection: duckdb.DuckDBPyConnection, intake: Intake
) -> Shop:
    data = config.data
    return read_shop(
        connection,
        None if data.events == STATE else data.events,
        intake,
        users=data.users,
        items=data.items,
        further=Further(**{name: getattr(data, name) for name in Further._fields}),
        imported={
            axis.column: (name, axis.file)
            for name, axis in config.segments.items()
            if axis.kind == "imported" and axis.file
        },
    )


def _scratch(events: str | Query) -> TemporaryDirectory[str] | None:
    """Make a folder for the tables of a shop that memory may be too small for."""
    if isinstance(events, str) and events != STATE and _size(events) < LARGE:
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
