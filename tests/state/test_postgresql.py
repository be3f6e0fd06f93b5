"""What only a database on a server does: it goes away and comes back."""

from collections.abc import Callable

import psycopg

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
