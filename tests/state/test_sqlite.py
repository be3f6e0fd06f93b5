"""What only the SQLite file can get wrong."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest
from sqlalchemy import select
from sqlalchemy.dialects import sqlite

from recsys.errors import StateError
from recsys.state import StateStore
from recsys.state.tables import OF_EVENT, TOLD

Open = Callable[[str], StateStore]


def one_event(user_id: str = "u") -> pd.DataFrame:
    return pd.DataFrame({"user_id": [user_id], "event": ["view"], "event_id": ["e"]})


def filled(open_store: Open, file: Path) -> StateStore:
    store = open_store(f"sqlite:///{file}?timeout=0.1")
    store.create()
    store.add_events(one_event())
    return store


def test_reading_makes_no_file(open_store: Open, tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(StateError, match="run `recsys train`"):
            open_store(f"sqlite:///{folder}/state.db").counts()
    assert list(tmp_path.iterdir()) == []


def test_an_empty_file_is_no_state(open_store: Open, tmp_path: Path) -> None:
    (tmp_path / "state.db").touch()
    with pytest.raises(StateError, match="run `recsys train`"):
        open_store(f"sqlite:///{tmp_path}/state.db").counts()


def test_a_state_emptied_while_it_is_open_is_gone_at_once(open_store: Open, tmp_path: Path) -> None:
    store = filled(open_store, tmp_path / "state.db")
    (tmp_path / "state.db").write_bytes(b"")
    # Not "locked", after as long as a writer waits.
    with pytest.raises(StateError, match="has not been created; run `recsys train`"):
        store.ping()


def test_a_relative_path_is_the_working_folders(
    open_store: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    open_store("sqlite:///store/state.db").create()
    assert (tmp_path / "store" / "state.db").is_file()


@pytest.mark.parametrize("garbage", [b"user_id,item_id\n1,2\n" * 500, b"SQLite format 3\0" * 300])
def test_a_file_of_something_else(open_store: Open, tmp_path: Path, garbage: bytes) -> None:
    file = tmp_path / "state.db"
    file.write_bytes(garbage)
    store = open_store(f"sqlite:///{file}")
    for use in (store.create, store.ping, store.all_events, store.clear):
        with pytest.raises(StateError, match=r"state\.db cannot be read.*recsys train"):
            use()
    assert file.read_bytes() == garbage


def test_a_folder_is_no_file(open_store: Open, tmp_path: Path) -> None:
    for use in (StateStore.create, StateStore.ping):
        with pytest.raises(StateError, match=r"check `url` under \[state\]"):
            use(open_store(f"sqlite:///{tmp_path}"))


def test_a_folder_that_cannot_be_made(open_store: Open, tmp_path: Path) -> None:
    (tmp_path / "store").write_text("in the way")
    with pytest.raises(StateError, match=r"check `url` under \[state\]"):
        open_store(f"sqlite:///{tmp_path}/store/state.db").create()


def test_a_damaged_file(open_store: Open, tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    filled(open_store, file).close()
    file.write_bytes(file.read_bytes()[:4096] + b"\xff" * 8192)
    with pytest.raises(StateError, match="recsys train"):
        open_store(f"sqlite:///{file}").all_events()


def test_a_file_that_vanishes_is_noticed(open_store: Open, tmp_path: Path) -> None:
    store = filled(open_store, tmp_path / "state.db")
    (tmp_path / "state.db").unlink()
    with pytest.raises(StateError, match="has not been created"):
        store.ping()


def test_a_writer_that_waits_too_long_says_why(open_store: Open, tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    store = filled(open_store, file)
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        for write in (lambda: store.add_events(one_event("v")), store.clear):
            with pytest.raises(StateError, match="another process is writing to it"):
                write()
        assert store.user_ids() == ["u"]  # readers never wait
    assert store.add_events(one_event("v")) == 1


def test_a_file_locked_for_everybody(open_store: Open, tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    filled(open_store, file).close()
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode=EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StateError, match="another process is writing to it"):
            open_store(f"sqlite:///{file}?timeout=0.1").ping()


def test_messages_show_no_statement_and_no_value(open_store: Open, tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    store = filled(open_store, file)
    with closing(sqlite3.connect(file)) as other:
        other.execute("drop table events")
    with pytest.raises(StateError) as caught:
        store.events_of(["a-person"])
    assert "no such table" in str(caught.value)
    assert "SELECT" not in str(caught.value)
    assert "a-person" not in f"{caught.value}{caught.value.__cause__}"


def test_erased_bytes_are_gone_from_every_file(open_store: Open, tmp_path: Path) -> None:
    store = filled(open_store, tmp_path / "state.db")
    person = "e4c1-very-recognisable"
    store.add_events(one_event(person))
    store.put_users(pd.DataFrame({"user_id": [person], "city": ["Recognisable-on-Sea"]}))

    def bytes_of_all() -> bytes:
        return b"".join(path.read_bytes() for path in sorted(tmp_path.iterdir()))

    assert person.encode() in bytes_of_all()
    store.erase(person, erased_at=7)
    assert person.encode() not in bytes_of_all()
    assert b"Recognisable-on-Sea" not in bytes_of_all()


def test_the_file_is_set_up_for_many_readers_and_one_writer(
    open_store: Open, tmp_path: Path
) -> None:
    file = tmp_path / "state.db"
    filled(open_store, file)
    with closing(sqlite3.connect(file)) as other:
        assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        plan = other.execute("explain query plan select * from events where user_id = 'u'")
        assert "USING PRIMARY KEY (user_id=?)" in plan.fetchone()[3]


def test_what_came_over_http_is_found_without_a_look_at_the_rest(
    open_store: Open, tmp_path: Path
) -> None:
    filled(open_store, tmp_path / "state.db").close()
    query = str(select(*OF_EVENT).where(TOLD).compile(dialect=sqlite.dialect()))
    with closing(sqlite3.connect(tmp_path / "state.db")) as other:
        plan = other.execute(f"explain query plan {query}").fetchone()[3]
    assert "USING INDEX events_told" in plan
