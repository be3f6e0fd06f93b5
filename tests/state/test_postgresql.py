"""What only a database on a server does: it goes away and comes back."""

from collections.abc import Callable

import psycopg
import pytest
from sqlalchemy import Engine, PoolProxiedConnection

from recsys.errors import StateError
from recsys.state import StateStore

END_THE_OTHERS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


def test_a_small_query_does_not_notice_a_new_start(
    new_database: Callable[[], str], open_store: Callable[[str], StateStore]
) -> None:
    url = new_database()
    store = open_store(url)
    store.create()
    before = store.pulse("u")
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(END_THE_OTHERS)
    assert store.pulse("u") == before


def test_a_server_that_goes_between_two_connections(
    new_database: Callable[[], str],
    open_store: Callable[[str], StateStore],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def gone(_engine: Engine) -> PoolProxiedConnection:
        raise psycopg.OperationalError("the server closed the connection")

    store = open_store(new_database())
    store.create()
    answers = iter((Engine.raw_connection, gone))
    with monkeypatch.context() as going:
        going.setattr(Engine, "raw_connection", lambda engine: next(answers)(engine))
        with pytest.raises(StateError, match="the server closed the connection"):
            store.pulse("u")
    assert store.pulse("u").revision == 0
