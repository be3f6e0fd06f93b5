"""The same rows give the same events, whatever their order and the number of threads."""

import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.engines import connect, rows
from recsys.events.schema import EVENT_COLUMNS
from recsys.events.shop import Shop, read_shop
from recsys.events.validation import Intake

CELLS: dict[str, list[Any]] = {
    "user_id": ["1", "01", " ", "o'b", None],
    "item_id": ["a", "b", None],
    "event": ["purchase", "view", "search", "nonsense", None],
    "timestamp": ["2017-12-01", "1512115200", "soon", None],
    "quantity": ["1", "2.5", "-1", "x", None],
    "amount": ["1.10", None],
    "event_id": ["e1", "e2", None],
}
SAFE = {**{name: cells[0] for name, cells in CELLS.items()}, "amount": "2", "event_id": "safe"}
messy = st.lists(
    st.fixed_dictionaries({name: st.sampled_from(cells) for name, cells in CELLS.items()}),
    max_size=12,
)


def accepted(shop: Shop) -> list[tuple[Any, ...]]:
    return rows(shop.connection, f"SELECT {', '.join(EVENT_COLUMNS)} FROM events ORDER BY ALL")


def outcome(connection: duckdb.DuckDBPyConnection, mess: list[dict[str, Any]]) -> tuple[Any, ...]:
    shop = read_shop(
        connection, pd.DataFrame(mess, dtype=object), Intake({}, "purchase", where="amount > 1")
    )
    return shop.reports["events"], accepted(shop)


@settings(max_examples=10, deadline=None)
@given(messy, st.randoms(use_true_random=False))
def test_any_mess_is_counted_whole_in_any_order(
    events: list[dict[str, Any]], shuffler: random.Random
) -> None:
    mess = [SAFE, *events]
    shuffled = shuffler.sample(mess, len(mess))
    with connect(threads=2) as connection:
        expected = outcome(connection, mess)
        assert outcome(connection, shuffled) == expected
    report = expected[0]
    assert report.read == len(mess)
    assert report.read == report.left_out + report.accepted + sum(report.rejected.values())


def big() -> Iterable[dict[str, Any]]:
    draw = random.Random(7)
    for _ in range(6000):
        yield {name: draw.choice(cells) for name, cells in CELLS.items()}


def test_many_rows_give_the_same_events_on_any_number_of_threads(tmp_path: Path) -> None:
    mess = pd.DataFrame(big(), dtype=object)
    mess.to_csv(tmp_path / "mess.csv", index=False)
    mess.iloc[::-1].to_csv(tmp_path / "ssem.csv", index=False)
    results = []
    for name, threads in (("mess.csv", 1), ("mess.csv", 4), ("ssem.csv", 2)):
        with connect(threads=threads) as connection:
            shop = read_shop(connection, str(tmp_path / name), Intake({}, "purchase"))
            results.append((shop.reports["events"], accepted(shop)))
    assert results[0] == results[1] == results[2]
    assert results[0][0].read == 6000
