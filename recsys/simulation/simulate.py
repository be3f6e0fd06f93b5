"""A whole shop, written as Parquet in bounded memory, with the truth beside it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from recsys.errors import ConfigError, DataError
from recsys.events.schema import AMOUNT, TIMESTAMP
from recsys.simulation.behaviour import simulate_block
from recsys.simulation.config import BLOCK, SimulationConfig
from recsys.simulation.events import Events, join
from recsys.simulation.population import People, make_people
from recsys.simulation.preference import Preference
from recsys.simulation.tables import event_table, item_table, user_table
from recsys.simulation.truth import (
    Truth,
    hidden_items,
    hidden_users,
    lift_table,
    rankings,
    write_meta,
)

ROW_GROUP: Final = 250_000
"""Events are written together in about so many: this bounds memory, whatever their number."""
GROUPS_PER_FILE: Final = 40
PLAIN: Final = (TIMESTAMP, AMOUNT)
"""Columns of so many values that a dictionary would be in the way."""

CONFIG: Final = """\
# A simulated shop; truth/ says what is behind it, and no program of a shop may read that.
[data]
events = "events/*.parquet"
users = "users.parquet"
items = "items.parquet"

[segments.lifecycle]
kind = "lifecycle"
[segments.rfm]
kind = "rfm"
[segments.spending]
kind = "spending"
[segments.age]
kind = "attribute"
column = "age"
[segments.gender]
kind = "attribute"
column = "gender"
[segments.income]
kind = "attribute"
column = "income"
[segments.region]
kind = "attribute"
column = "region"
[segments.interest]
kind = "interest"
"""


class Simulated(NamedTuple):
    """How much was written."""

    events: int
    users: int
    items: int


def simulate(
    config: SimulationConfig, folder: Path, *, on_block: Callable[[], None] = lambda: None
) -> Simulated:
    """Write a shop: ``events/``, ``users.parquet``, ``items.parquet``, ``truth/``, ``recsys.toml``.

    Parameters
    ----------
    config
        The shop; the same config writes the same rows, in the same order.
    folder
        A new or an empty folder. ``recsys.toml`` is written last: without it the shop is not whole.
    on_block
        Called after each of ``config.n_blocks`` blocks of users.

    Raises
    ------
    ConfigError
        When the folder holds something already.
    DataError
        When it cannot be written.
    """
    try:
        _make(folder)
        truth = Truth(config)
        _write_catalogue(truth, folder)
        _write_users_and_events(config, truth.preference, folder, on_block)
        pq.write_table(rankings(truth), folder / "truth" / "rankings.parquet")
        (folder / "recsys.toml").write_text(CONFIG, encoding="utf-8")
    except OSError as error:
        raise DataError(f"{folder} cannot be written: {error}") from error
    return Simulated(config.events, config.n_users, config.n_items)


def _make(folder: Path) -> None:
    if folder.is_dir() and any(folder.iterdir()):
        raise ConfigError(f"{folder} is not empty; name a new folder, or empty this one")
    for name in ("events", "truth"):
        (folder / name).mkdir(parents=True, exist_ok=True)


def _write_catalogue(truth: Truth, folder: Path) -> None:
    config, preference = truth.config, truth.preference
    write_meta(config, folder / "truth")
    pq.write_table(item_table(config, preference.catalogue), folder / "items.parquet")
    pq.write_table(hidden_items(config, preference), folder / "truth" / "items.parquet")
    pq.write_table(lift_table(preference), folder / "truth" / "lifts.parquet")


def _write_users_and_events(
    config: SimulationConfig, preference: Preference, folder: Path, on_block: Callable[[], None]
) -> None:
    with (
        Rows(folder / "users.parquet") as users,
        Rows(folder / "truth" / "users.parquet") as hidden,
    ):
        for number, groups in enumerate(row_groups(config)):
            with Rows(folder / "events" / f"part-{number:04d}.parquet") as rows:
                for blocks in groups:
                    people, events = _simulate_group(config, preference, blocks, on_block)
                    users.write(pa.concat_tables(user_table(config, some) for some in people))
                    hidden.write(pa.concat_tables(hidden_users(config, some) for some in people))
                    rows.write(event_table(config, preference.catalogue, events))


def row_groups(config: SimulationConfig) -> Iterator[list[range]]:
    """Yield the row groups of each file of events; a row group is a range of blocks."""
    size = max(1, ROW_GROUP * config.n_users // (config.events * BLOCK))
    starts = range(0, config.n_blocks, size)
    groups = [range(start, min(start + size, config.n_blocks)) for start in starts]
    for first in range(0, len(groups), GROUPS_PER_FILE):
        yield groups[first : first + GROUPS_PER_FILE]


def _simulate_group(
    config: SimulationConfig, preference: Preference, blocks: range, on_block: Callable[[], None]
) -> tuple[list[People], Events]:
    people, events = [], []
    for block in blocks:
        people.append(make_people(config, block))
        found = simulate_block(config, preference, people[-1], block)
        events.append(found.of_shop(config.block_users(block).start))
        on_block()
    return people, join(events)


class Rows:
    """A Parquet file that is written a row group at a time.

    Parameters
    ----------
    path
        The file; it is made with the first rows.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: pq.ParquetWriter | None = None

    def __enter__(self) -> "Rows":
        return self

    def __exit__(self, *error: object) -> None:
        if self._writer is not None:
            self._writer.close()

    def write(self, table: "pa.Table") -> None:
        """Write a row group."""
        if self._writer is None:
            names = table.column_names
            # Bounds of ids are dear to find and skip nothing: users are spread over the period.
            # Without Arrow's own schema, ids are read as text and not as dictionaries.
            self._writer = pq.ParquetWriter(
                self._path,
                table.schema,
                compression="zstd",
                use_dictionary=[name for name in names if name not in PLAIN],
                write_statistics=[name for name in names if name == TIMESTAMP],
                store_schema=False,
            )
        self._writer.write_table(table, row_group_size=max(1, len(table)))
