from collections.abc import Callable, Iterator
from typing import Any

import duckdb
import narwhals as nw
import pandas as pd
import pytest

from recsys.engines import connect, frame

Engines = dict[str, Callable[[pd.DataFrame], nw.LazyFrame[Any]]]


@pytest.fixture(scope="session")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with connect(threads=2) as opened:
        yield opened


@pytest.fixture(scope="session")
def engines(connection: duckdb.DuckDBPyConnection) -> Engines:
    """Where training and where serving have their events: name -> events as a lazy frame."""

    def in_duckdb(events: pd.DataFrame) -> nw.LazyFrame[Any]:
        connection.register("given", events)
        connection.execute("CREATE OR REPLACE TABLE events AS SELECT * FROM given")
        return frame(connection, "events")

    def in_pandas(events: pd.DataFrame) -> nw.LazyFrame[Any]:
        return nw.from_native(events).lazy()

    return {"duckdb": in_duckdb, "pandas": in_pandas}
