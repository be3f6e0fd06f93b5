"""A person is only in the state: every file and every table is searched for her, byte by byte."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest
from sqlalchemy import create_engine, inspect, text

from recsys.cli import run
from recsys.config import load_config
from recsys.state import Exposure, Profile, StateStore

SAMPLE = Path(__file__).parents[2] / "data" / "sample"
MARK = "person-"
"""In every user's id, and in nothing else."""
GONE = "person-0007"
STAYS = "person-0011"
ENCODINGS = ("utf-8", "utf-16-le", "utf-32-le")
"""Arrays of text are UTF-32."""
CONFIG = """
[data]
events = "events.csv"
users = "users.csv"
items = "items.csv"
[segments.age]
kind = "attribute"
column = "age"
[segments.lifecycle]
kind = "lifecycle"
[segments.rfm]
kind = "rfm"
[segments.groups]
kind = "clusters"
features = ["orders", "spend", "recency"]
[segments.imported]
kind = "imported"
file = "imported.csv"
[model]
factors = 4
iterations = 2
"""


def found_in(content: bytes, word: str) -> bool:
    return any(word.encode(encoding) in content for encoding in ENCODINGS)


@pytest.fixture(scope="module", autouse=True)
def quickly(quick_learning: None) -> None:
    """What is left of a person is asked here."""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample's first customers, with ids that can be searched for, trained."""
    folder = tmp_path_factory.mktemp("shop")
    for name in ("events", "users"):
        frame = pd.read_csv(SAMPLE / f"{name}.csv", dtype=str)
        frame = frame[frame["user_id"] < "0030"]
        frame.assign(user_id=MARK + frame["user_id"]).to_csv(folder / f"{name}.csv", index=False)
    shutil.copy(SAMPLE / "items.csv", folder)
    (folder / "imported.csv").write_text(f"user_id,segment\n{GONE},gold\n{STAYS},gold\n")
    (folder / "recsys.toml").write_text(CONFIG, encoding="utf-8")
    assert run(["train", "-c", str(folder / "recsys.toml")]) == 0
    return folder


def test_a_bundle_holds_no_user_id(trained: Path) -> None:
    files = [path for path in (trained / "store" / "bundles").rglob("*") if path.is_file()]
    assert len(files) > 20
    assert [path.name for path in files if found_in(path.read_bytes(), MARK)] == []
    # The search can find something: the state holds her, and the bundle its items.
    state = trained / "store" / "state.db"
    assert found_in(state.read_bytes(), GONE)
    assert any(found_in(path.read_bytes(), "00100") for path in files)


@pytest.fixture(params=["sqlite", "postgresql"])
def state(request: pytest.FixtureRequest, trained: Path, tmp_path: Path) -> Iterator[StateStore]:
    """A state of its own, filled by training, in which a lot is known of her."""
    url = f"sqlite:///{tmp_path}/state.db"
    if request.param == "postgresql":
        new_database: Callable[[], str] = request.getfixturevalue("new_database")
        url = new_database()
    with (trained / "recsys.toml").open(encoding="utf-8") as config:
        (trained / "own.toml").write_text(config.read() + f'[state]\nurl = "{url}"\n', "utf-8")
    assert run(["train", "-c", str(trained / "own.toml")]) == 0
    made = StateStore(url)
    made.put_person(GONE, attributes={"mail": f"{GONE}@shop"}, consent="segment_only")
    made.link("visitor", "visitor-77", GONE)
    row = {"user_id": [GONE], "event": ["view"], "event_id": ["late"], "item_id": ["00100"]}
    made.take_in(pd.DataFrame(row), told=True)
    made.profiles.put([Profile(GONE, 1, {"age": {"60+": 1.0}})], model_version="m", as_of=1)
    made.exposures.add([exposure(GONE), exposure(STAYS)])
    yield made
    made.close()


def exposure(user_id: str) -> Exposure:
    fields = Exposure._fields
    known = {
        "recommendation_id": f"list of {user_id}",
        "user_id": user_id,
        "time": 5,
        "segments": {},
        "items": ["00100"],
        "propensities": [1.0],
        "differs": True,
        "milliseconds": 1.5,
    }
    return Exposure(**{name: known.get(name, "x") for name in fields})


def tables_of(url: str) -> dict[str, str]:
    """Every table as text, whatever its columns are."""
    engine = create_engine(url)
    with engine.connect() as connection:
        names = inspect(connection).get_table_names()
        tables = {n: str(connection.execute(text(f'SELECT * FROM "{n}"')).all()) for n in names}
    engine.dispose()
    return tables


def bytes_of(url: str) -> bytes:
    """The database's file, its log and what else lies beside them; nothing of a server's."""
    file = Path(url.removeprefix("sqlite:///"))
    beside = sorted(file.parent.glob(f"{file.name}*")) if file.exists() else []
    return b"".join(path.read_bytes() for path in beside)


def test_who_was_erased_is_nowhere(state: StateStore, trained: Path) -> None:
    url = load_config(trained / "own.toml").state.url
    assert {"users", "events", "memberships", "exposures", "links"} <= {
        name for name, content in tables_of(url).items() if GONE in content
    }
    state.erase(GONE, erased_at=7)
    for word in (GONE, "visitor-77", "@shop"):
        assert [name for name, content in tables_of(url).items() if word in content] == []
        assert not found_in(bytes_of(url), word)
    assert STAYS in tables_of(url)["events"]


def test_a_file_that_still_holds_her_does_not_bring_her_back(
    state: StateStore, trained: Path
) -> None:
    url = load_config(trained / "own.toml").state.url
    state.erase(GONE, erased_at=7)
    assert run(["train", "-c", str(trained / "own.toml")]) == 0
    assert [name for name, content in tables_of(url).items() if GONE in content] == []
    state.close()
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert not found_in(bytes_of(url), GONE)
