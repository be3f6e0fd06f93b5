"""Read what the config names, and judge every row."""

import duckdb

from recsys.config import RecsysConfig
from recsys.engines import connect
from recsys.errors import DataError
from recsys.events import mapping
from recsys.events.readers import open_source
from recsys.events.schema import EVENT_TYPES
from recsys.events.shop import Shop, read_shop
from recsys.events.times import parse_time
from recsys.events.validation import Intake


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
    )


def open_evaluated(config: RecsysConfig) -> Shop:
    """Read the shop that is evaluated: its events are the protocol's own where it names some."""
    train = config.evaluation.train
    if train is None:
        return open_shop(config)
    data = config.data.model_copy(update={"events": train})
    return open_shop(config.model_copy(update={"data": data}))


def open_shop(config: RecsysConfig) -> Shop:
    """Read the shop's events, users and items.

    Raises
    ------
    ConfigError, DataError
        When something the config names is not there, or nothing is usable.
    """
    data = config.data
    return read_shop(connect(), data.events, intake_of(config), users=data.users, items=data.items)


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
