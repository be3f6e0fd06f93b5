"""A shop is its sources and what its state was told: events, users, items, links, erasures."""

import pandas as pd
import pytest

from recsys.config import parse_config
from recsys.errors import DataError
from recsys.events.times import parse_time
from recsys.pipelines.ingest import open_evaluated, open_shop
from recsys.pipelines.publish import fill_state
from recsys.pipelines.train import fit
from recsys.state import StateStore

EVENTS = (
    ("u", "i", "view", "2024-01-01T00:00:00Z", "s1", "1"),
    ("u", "i", "purchase", "2024-01-02T00:00:00Z", "s1", "2"),
    ("v", "j", "purchase", "2024-01-03T00:00:00Z", "s2", "3"),
    ("w", "i", "purchase", "2024-01-04T00:00:00Z", "s3", "4"),
)
COLUMNS = ("user_id", "item_id", "event", "timestamp", "session_id", "event_id")


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/state.db"
    return request.getfixturevalue("new_database")()


@pytest.fixture
def state(url):
    made = StateStore(url)
    made.create()
    yield made
    made.close()


@pytest.fixture
def shop_of(tmp_path, url):
    """Writes the files of a shop, and reads it together with its state."""
    opened = []

    def read(events=EVENTS, users=None, items=None, *, how=open_shop, **tables):
        names = {"events": "events.csv"}
        write(tmp_path / "events.csv", events, COLUMNS)
        for name, rows in (("users", users), ("items", items)):
            if rows is not None:
                names[name] = f"{name}.csv"
                pd.DataFrame(rows).to_csv(tmp_path / f"{name}.csv", index=False)
        data = names | tables.pop("data", {})
        config = parse_config({"data": data, "state": {"url": url}, **tables}, tmp_path)
        opened.append(how(config))
        return opened[-1]

    yield read
    for shop in opened:
        shop.close()


def write(path, rows, columns):
    pd.DataFrame(list(rows), columns=list(columns)).to_csv(path, index=False)


def told(*rows):
    """Events as they come over HTTP."""
    frame = pd.DataFrame(list(rows), columns=["user_id", "item_id", "event", "time", "event_id"])
    times = [parse_time(time) for time in frame["time"]]
    return frame.assign(time=pd.array(times, dtype="Int64"))


def known(shop):
    found = shop.connection.sql("SELECT user_id, event_id FROM events ORDER BY event_id")
    return [f"{user}:{event}" for user, event in found.fetchall()]


def test_without_a_state_a_shop_is_its_sources(shop_of, tmp_path):
    shop = shop_of()
    assert known(shop) == ["u:1", "u:2", "v:3", "w:4"]
    assert not (tmp_path / "state.db").exists()


def test_what_came_over_http_is_part_of_the_shop_once(shop_of, state):
    state.take_in(
        told(
            ("u", "k", "view", "2024-02-01T00:00:00Z", "5"), ("v", "j", "view", "2024-01-03", "3")
        ),
        told=True,
    )
    shop = shop_of()
    assert known(shop) == ["u:1", "u:2", "v:3", "w:4", "u:5"]
    assert shop.reports["events"].accepted == 4
    assert (shop.reports["told"].read, shop.reports["told"].accepted) == (1, 1)
    assert shop.window()["last"] == "2024-02-01T00:00:00Z"


def test_a_corrected_file_is_all_that_counts_of_it(shop_of, state):
    first = shop_of()
    assert fill_state(first, state, as_of=first.after_all())["events"] == 4
    state.take_in(told(("u", "k", "view", "2024-02-01T00:00:00Z", "5")), told=True)
    corrected = [(*row[:2], row[2], row[3], row[4], f"{row[5]}b") for row in EVENTS[:2]]
    assert known(shop_of(corrected)) == ["u:1b", "u:2b", "u:5"]


def test_filling_the_state_again_changes_nothing(shop_of, state):
    state.take_in(told(("u", "k", "view", "2024-02-01T00:00:00Z", "5")), told=True)
    for _ in range(2):
        shop = shop_of(users=[{"user_id": "u", "age": 3}])
        assert fill_state(shop, state, as_of=shop.after_all()) == {"users": 3, "events": 5}
    (kept,) = state.event_tables(told=True)
    assert kept["event_id"].to_pylist() == ["5"]


def test_the_state_can_be_the_source(shop_of, state):
    first = shop_of(users=[{"user_id": "u", "age": 35}])
    fill_state(first, state, as_of=first.after_all())
    state.take_in(told(("x", "k", "view", "2024-02-01T00:00:00Z", "5")), told=True)
    state.put_person("x", attributes={"age": 20})
    shop = shop_of(events=(), data={"events": "state"})
    assert known(shop) == ["u:1", "u:2", "v:3", "w:4", "x:5"]
    assert shop.users(as_of=0)["age"].astype(str).to_dict() == {"u": "35", "x": "20"}
    assert shop.reports["events"].accepted == 5
    before = state.counts(), state.pulse("u")
    assert fill_state(shop, state, as_of=shop.after_all()) == before[0]
    assert state.pulse("u") == before[1]


def test_a_state_that_holds_nothing_is_no_source(shop_of, url):
    said = r'\[data\] events = "state": the state holds no event yet; name the files'
    for _ in range(2):
        with pytest.raises(DataError, match=said):
            shop_of(data={"events": "state"})
        state = StateStore(url)
        state.create()
        state.close()


def test_a_kind_of_event_without_a_weight_any_more_is_rejected(shop_of, state):
    state.take_in(
        told(
            ("u", "k", "wave", "2024-02-01T00:00:00Z", "5"),
            ("u", "k", "view", "2024-02-02T00:00:00Z", "6"),
        ),
        told=True,
    )
    shop = shop_of()
    assert shop.reports["told"].rejected == {"unknown_event": 1}
    assert "u:5" not in known(shop)
    assert shop.remedies["unknown_event"]
    weighted = shop_of(interactions={"event_weights": {"wave": 1, "purchase": 1}})
    assert "u:5" in known(weighted)


def test_without_times_in_the_sources_none_is_told_from_another(shop_of, state, tmp_path, url):
    state.take_in(told(("u", "k", "view", "2024-02-01T00:00:00Z", "5")), told=True)
    untimed = tmp_path / "untimed.csv"
    write(untimed, [row[:3] for row in EVENTS], COLUMNS[:3])
    shop = shop_of(data={"events": str(untimed)})
    assert not shop.timed
    assert len(known(shop)) == 5
    assert shop.span() is None


def test_what_visitors_did_is_put_down_to_their_users(shop_of, state):
    state.put_person("w")
    state.link("visitor", "v", "v2")
    state.link("session", "s1", "u2")
    state.link("session", "s3", "u2")
    assert known(shop_of()) == ["u2:1", "u2:2", "v2:3", "w:4"]


def test_who_was_erased_or_agreed_to_nothing_is_left_out_of_every_source(shop_of, state, url):
    users = [{"user_id": name, "age": 3} for name in ("u", "v", "w")]
    state.take_in(told(("v", "k", "view", "2024-02-01T00:00:00Z", "5")), told=True)
    state.put_person("v", consent="none")
    state.erase("u", erased_at=7)
    shop = shop_of(users=users)
    assert known(shop) == ["w:4"]
    assert shop.users(as_of=0).index.tolist() == ["w"]
    withheld = {name: report.withheld for name, report in shop.reports.items()}
    assert withheld == {"events": 3, "users": 2, "told": 1}
    assert shop.reports["events"].read == 4
    assert shop.reports["events"].rejected == {}
    left_out = "6 rows left out: of customers who were erased, or who agreed to nothing"
    assert shop.off() == [left_out]
    # What she ordered is kept without her, and nothing of who was erased.
    fill_state(shop, state, as_of=shop.after_all())
    assert state.user_ids() == ["v", "w"]
    assert state.events_of(["u", "v", "w"])["event_id"].tolist() == ["5", "4"]
    again = shop_of(events=(), data={"events": "state"})
    assert known(again) == ["w:4"]
    assert again.reports["events"].withheld == 1


def test_an_evaluation_looks_at_no_history_of_who_agreed_to_segments_alone(
    shop_of, state, tmp_path
):
    state.put_person("u", consent="segment_only")
    assert open_ids(shop_of()) == ["u:1", "u:2", "v:3", "w:4"]
    assert open_ids(shop_of(how=open_evaluated)) == ["v:3", "w:4"]
    assert shop_of().off() == [
        "1 customers agreed to segments alone: what they did counts in popularity and lifts, and "
        "in nothing else"
    ]
    # A protocol with files of its own is about them alone.
    state.take_in(told(("w", "k", "view", "2024-02-01T00:00:00Z", "5")), told=True)
    files = {"protocol": "given", "train": "events.csv", "targets": "events.csv"}
    assert open_ids(shop_of(how=open_evaluated, evaluation=files)) == ["v:3", "w:4"]


def open_ids(shop):
    events = shop.events().collect("pandas").to_native().sort_values("event_id")
    return [f"{u}:{e}" for u, e in zip(events["user_id"], events["event_id"], strict=True)]


class TestUsers:
    def test_what_was_told_of_a_user_takes_the_place_of_what_a_file_says(self, shop_of, state):
        state.put_users(pd.DataFrame({"user_id": ["v"], "age": [99]}))
        state.put_person("u", attributes={"age": 40, "City": "X", "user_id": "no"})
        state.put_person("x", attributes={"Age": "41", "city": "Y", "valid_from": "no"})
        users = [{"user_id": "u", "age": 1, "tier": "a"}, {"user_id": "v", "age": 2, "tier": "b"}]
        found = shop_of(users=users).users(as_of=0).astype(object)
        found = found.where(found.notna(), None)
        assert found.to_dict("index") == {
            "u": {"age": "40", "tier": None, "city": "X"},
            "v": {"age": "2", "tier": "b", "city": None},
            "x": {"age": "41", "tier": None, "city": "Y"},
        }

    def test_without_a_file_all_that_the_state_knows_counts(self, shop_of, state):
        state.put_users(pd.DataFrame({"user_id": ["u", "v"], "age": [35, None]}))
        state.put_person("w", attributes={"age": "old", "likes": True})
        found = shop_of().users(as_of=0)
        assert found["age"].astype(str).to_dict()["u"] in ("35", "35.0")
        assert found.loc["w", "age"] == "old"


class TestItems:
    ITEMS = (
        {"item_id": "i", "category": "food", "price": "1.50", "available": "true", "Size": "L"},
        {"item_id": "j", "category": "food", "price": "2", "available": "false", "Size": "M"},
    )

    def test_what_was_told_lies_over_what_the_file_says_field_by_field(self, shop_of, state):
        state.items.put({"i": {"available": False, "price": 2.25, "size": "XL"}})
        state.items.put({"j": {"price": 3, "brand": "b"}, "k": {"category": "toys", "price": 9}})
        found = shop_of(items=self.ITEMS).items()
        found = found.astype(object).where(found.notna(), None)
        columns = ["available", "category", "price", "Size", "brand"]
        assert found[columns].to_numpy().tolist() == [
            [False, "food", 225, "XL", None],
            [False, "food", 300, "M", "b"],
            [True, "toys", 900, None, None],
        ]

    def test_without_a_file_there_are_those_that_were_told(self, shop_of, state):
        state.items.put({"k": {"category": "toys", "title": "Top", "item_id": "no", "Title": "x"}})
        found = shop_of().items()
        assert found.loc["k", ["category", "title"]].tolist() == ["toys", "Top"]
        assert found.loc["k", "available"]


def test_training_from_the_state_is_training_from_the_files_it_was_filled_with(
    tables, trained, content, make_config, tmp_path
):
    for name in tables._fields:
        getattr(tables, name).to_csv(tmp_path / f"{name}.csv", index=False)
    state = StateStore(f"sqlite:///{tmp_path}/store/state.db")
    files = make_config(tmp_path)
    shop = open_shop(files)
    fill_state(shop, state, as_of=shop.after_all())
    shop.close()
    state.close()
    held = open_shop(make_config(tmp_path, data={"events": "state", "items": "items.csv"}))
    assert content(fit(held, files, as_of=held.after_all(), threads=1)) == content(trained)
    held.close()
