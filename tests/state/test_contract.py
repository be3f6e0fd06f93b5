"""What every implementation of the state promises; `conftest.BACKENDS` names them."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from recsys.errors import DataError, StateError
from recsys.state import StateStore
from recsys.state.tables import metadata

from .back_door import connected

COLUMNS = [
    *("user_id", "item_id", "event", "time", "quantity", "amount", "discount", "currency"),
    *("rating", "sentiment", "query", "basket_id", "session_id", "source", "event_id"),
    "recommendation_id",
]
OPTIONAL = {
    "item_id": "000123",
    "time": 1_512_086_400_123_457,
    "quantity": 2.5,
    "amount": 1_999,
    "discount": -50,
    "currency": "CHF",
    "rating": 4.5,
    "sentiment": -0.25,
    "query": "blue shoes",
    "basket_id": "0042",
    "session_id": "s-1",
    "source": "app",
    "recommendation_id": "r-1",
}
WHOLE = ("time", "amount", "discount")
STRANGE_IDS = ["007", "7", " 7", "Ä", "ä", "z", "Z", "客户", "🛒", "o'b\"; --", "%s %(a)s :b ?"]
LAST = 2**63 - 1


def event(user_id: str = "u", event_id: str = "e", **others: Any) -> dict[str, Any]:
    return {"user_id": user_id, "event": "view", "event_id": event_id, **others}


def framed(*events: dict[str, Any]) -> pd.DataFrame:
    frame = pd.DataFrame(list(events), dtype=object)
    return frame.astype({name: "Int64" for name in WHOLE if name in frame})


def history(user_id: str, n_events: int, *, first: int = 0) -> pd.DataFrame:
    numbers = range(first, first + n_events)
    return framed(*(event(user_id, f"e{i:06}", item_id=f"i{i % 7}", time=i) for i in numbers))


events_of_few = st.builds(
    event,
    st.sampled_from(["1", "01", "é"]),
    st.sampled_from(["a", "b", "c", "d"]),
    time=st.none() | st.integers(-LAST, LAST),
    quantity=st.none() | st.floats(allow_nan=False),
    item_id=st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
)


class TestStateContract:
    def test_a_new_state_is_empty(self, store: StateStore) -> None:
        assert set(store.counts().values()) == {0}
        assert store.user_ids() == []
        assert store.newest_time() is None
        assert store.all_events().empty
        assert store.attributes_of(["u"]).empty
        store.ping()

    def test_creating_twice_keeps_what_is_there(self, store: StateStore) -> None:
        store.add_events(history("u", 3))
        store.create()
        assert store.counts()["events"] == 3

    # ---- events

    def test_the_frame_has_the_columns_of_an_event(self, store: StateStore) -> None:
        store.add_events(framed(event()))
        whole, number = pd.Int64Dtype(), np.dtype(float)
        expected = {name: np.dtype(object) for name in COLUMNS}
        expected |= dict.fromkeys(WHOLE, whole)
        expected |= dict.fromkeys(("quantity", "rating", "sentiment"), number)
        for frame in (store.all_events(), store.events_of(["u"]), store.events_of([])):
            assert frame.dtypes.to_dict() == expected
            assert list(frame) == COLUMNS

    @pytest.mark.parametrize("name", OPTIONAL)
    def test_a_value_and_its_absence_come_back(self, store: StateStore, name: str) -> None:
        store.add_events(framed(event(event_id="with", **{name: OPTIONAL[name]})))
        store.add_events(framed(event(event_id="without")))
        both = [event(event_id="1", **{name: OPTIONAL[name]}), event(event_id="2", **{name: None})]
        store.add_events(framed(*both))
        found = store.events_of(["u"]).set_index("event_id")
        assert found.loc[["1", "with"], name].tolist() == [OPTIONAL[name]] * 2
        assert found.loc[["2", "without"], name].isna().all()
        assert found.drop(columns=[name, "user_id", "event"]).isna().all(axis=None)

    @pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
    def test_every_kind_of_null_is_null(self, store: StateStore, missing: object) -> None:
        nulls = pd.DataFrame({name: [missing] for name in OPTIONAL}, dtype=object)
        store.add_events(framed(event()).join(nulls))
        found = store.all_events()
        assert found[list(OPTIONAL)].isna().all(axis=None)
        assert found["item_id"].tolist() == [None]

    @pytest.mark.parametrize("time", [0, -1, 1, 2**53 + 1, LAST, -LAST])
    def test_times_are_exact(self, store: StateStore, time: int) -> None:
        store.add_events(framed(event(time=time), event("v")))
        assert store.events_of(["u"])["time"].tolist() == [time]
        assert store.newest_time() == time

    def test_strange_ids_survive(self, store: StateStore) -> None:
        rows = [event(text, text, item_id=text, query=text) for text in STRANGE_IDS]
        assert store.add_events(framed(*rows)) == len(STRANGE_IDS)
        assert store.user_ids() == sorted(STRANGE_IDS)
        assert store.all_events()["user_id"].tolist() == sorted(STRANGE_IDS)
        for text_ in STRANGE_IDS:
            found = store.events_of([text_])
            assert found[["user_id", "item_id", "query", "event_id"]].values.tolist() == [
                [text_] * 4
            ]

    def test_histories_are_sorted_by_user_time_and_event(self, store: StateStore) -> None:
        rows = [("b", 1, "x"), ("a", None, "n"), ("a", 2, "é"), ("a", 2, "Z"), ("a", 1, "y")]
        store.add_events(framed(*(event(user, name, time=time) for user, time, name in rows)))
        assert store.events_of(["b", "a"])["event_id"].tolist() == ["y", "Z", "é", "n", "x"]
        assert store.all_events()["event_id"].tolist() == ["y", "Z", "é", "n", "x"]

    @pytest.mark.parametrize("wanted", [1, 499, 500, 501, 1_200, 2_000, 2_001, 2_300])
    def test_any_number_of_users_can_be_read(self, store: StateStore, wanted: int) -> None:
        ids = [f"{i:05}" for i in range(2_300)]
        store.add_events(framed(*(event(user_id) for user_id in ids)))
        some = [*ids[-wanted:], "unknown", ids[-1]]
        found = store.events_of(some)
        assert found["user_id"].tolist() == ids[-wanted:]
        assert found.index.equals(pd.RangeIndex(wanted))

    def test_parts_with_other_columns_make_one_fill(
        self, store: StateStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("recsys.state.store._ROWS_A_STATEMENT", 2)
        monkeypatch.setattr("recsys.state.reader._ROWS_A_PART", 2)
        rows = [event(event_id=f"{i}", rating=3.0 if i == 4 else None) for i in range(5)]
        assert store.add_events(framed(*rows)) == 5
        assert store.all_events()["rating"].isna().tolist() == [True] * 4 + [False]

    def test_columns_that_are_not_an_events_are_ignored(self, store: StateStore) -> None:
        store.add_events(framed(event(row_number=7)))
        assert list(store.all_events()) == COLUMNS

    @pytest.mark.parametrize("name", ["user_id", "event", "event_id"])
    def test_what_is_required_is_asked_for(self, store: StateStore, name: str) -> None:
        whole = history("u", 2)
        for frame in (whole.drop(columns=name), whole.assign(**{name: ["x", None]})):
            with pytest.raises(DataError, match=name):
                store.add_events(frame)
        assert store.counts()["events"] == 0

    @pytest.mark.parametrize("name", ["time", "amount", "quantity"])
    def test_text_in_a_column_of_numbers_is_named(self, store: StateStore, name: str) -> None:
        with pytest.raises(DataError, match=name):
            store.add_events(framed(event()).assign(**{name: "many"}))

    def test_a_fill_is_everything_or_nothing(
        self, store: StateStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("recsys.state.store._ROWS_A_STATEMENT", 1)
        with pytest.raises(StateError, match="surrogates"):
            store.add_events(framed(event("a"), event("b", item_id="\ud800")))
        assert store.counts()["events"] == 0

    # ---- the same event again

    def test_filling_twice_changes_nothing(self, store: StateStore) -> None:
        frame = pd.concat([history("u", 50), history("v", 20)])
        assert store.add_events(frame) == 70
        before = store.all_events()
        assert store.add_events(frame.sample(frac=1, random_state=0)) == 0
        pd.testing.assert_frame_equal(store.all_events(), before)
        assert store.newest_time() == 49

    def test_the_first_of_two_equal_ids_stays(self, store: StateStore) -> None:
        assert store.add_events(framed(event(time=1), event(time=9))) == 1
        assert store.add_events(framed(event(time=5), event("v", time=3))) == 1
        assert store.events_of(["u"])["time"].tolist() == [1]
        assert store.newest_time() == 3

    def test_an_event_id_belongs_to_its_user(self, store: StateStore) -> None:
        assert store.add_events(framed(event("u"), event("v"))) == 2

    @settings(
        max_examples=40,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(rows=st.lists(events_of_few, min_size=1, max_size=12), data=st.data())
    def test_how_a_fill_is_cut_changes_nothing(
        self, store: StateStore, rows: list[dict[str, Any]], data: st.DataObject
    ) -> None:
        store.clear()
        whole = framed(*rows)
        added = store.add_events(whole)
        before = store.all_events()
        newest = store.newest_time()
        store.clear()
        cut = data.draw(st.integers(0, len(rows)))
        again = [store.add_events(part) for part in (whole[:cut], whole[cut:], whole, whole[cut:])]
        assert added == len(before) == sum(again[:2])
        assert again[2:] == [0, 0]
        pd.testing.assert_frame_equal(store.all_events(), before)
        assert store.newest_time() == newest
        assert newest == (None if before["time"].isna().all() else before["time"].max())

    # ---- users

    def test_attributes_come_back_as_they_were(self, store: StateStore) -> None:
        put = pd.DataFrame(
            {
                "user_id": ["02", "01", "03", "04"],
                "age": pd.array([35, None, 18, None], dtype="Int64"),
                "income": [1.5, np.nan, 1e300, np.nan],
                "city": ["Zürich", None, "", None],
                "member": pd.array([True, False, None, None], dtype="boolean"),
                "valid_from": [pd.Timestamp("2017-12-01"), pd.NaT, pd.NaT, pd.NaT],
            }
        )
        store.put_users(put)
        found = store.attributes_of(["01", "02", "03", "04", "05"])
        assert found.index.name == "user_id"
        assert list(found) == ["age", "city", "income", "member", "valid_from"]
        assert found.loc["02"].tolist() == [35, "Zürich", 1.5, True, "2017-12-01T00:00:00"]
        assert found.loc["01"].tolist() == [None, None, None, False, None]
        assert found.loc["03", "city"] == ""
        assert found.index.tolist() == ["01", "02", "03"]
        assert store.user_ids() == ["01", "02", "03", "04"]

    def test_a_value_is_the_same_whoever_is_read_along(self, store: StateStore) -> None:
        store.put_users(pd.DataFrame({"user_id": ["a", "b"], "age": [35, 36]}))
        store.put_users(pd.DataFrame({"user_id": ["c"], "city": ["Bern"]}))
        alone, together = store.attributes_of(["a"]), store.attributes_of(["a", "b", "c"])
        for frame in (alone, together):
            assert frame.loc["a", "age"] == 35
            assert isinstance(frame.loc["a", "age"], int)
            assert set(frame.dtypes) == {np.dtype(object)}

    def test_putting_again_replaces(self, store: StateStore) -> None:
        store.put_users(pd.DataFrame({"user_id": ["a", "b"], "age": [1, 2], "city": ["x", "y"]}))
        store.put_users(pd.DataFrame({"user_id": ["a", "a"], "age": [8, 9]}))
        assert store.attributes_of(["a"]).to_dict("index") == {"a": {"age": 9}}
        assert store.attributes_of(["b"]).to_dict("index") == {"b": {"age": 2, "city": "y"}}
        assert store.counts()["users"] == 2

    def test_users_come_from_events_and_from_attributes(self, store: StateStore) -> None:
        store.add_events(framed(event("e"), event("both")))
        store.put_users(pd.DataFrame({"user_id": ["a", "both"], "age": [1, 2]}))
        assert store.user_ids() == ["a", "both", "e"]
        assert store.attributes_of(["e"]).empty

    def test_many_users_with_attributes(self, store: StateStore) -> None:
        ids = [f"{i:04}" for i in range(1_100)]
        store.put_users(pd.DataFrame({"user_id": ids, "age": range(1_100)}))
        assert store.attributes_of(ids[::-1])["age"].tolist() == list(range(1_100))

    def test_attributes_need_a_user(self, store: StateStore) -> None:
        for frame in (pd.DataFrame({"age": [3]}), pd.DataFrame({"user_id": ["a", None]})):
            with pytest.raises(DataError, match="user_id"):
                store.put_users(frame)

    def test_empty_frames_are_nothing(self, store: StateStore) -> None:
        assert store.add_events(history("u", 1)[:0]) == 0
        store.put_users(pd.DataFrame({"user_id": []}))
        assert set(store.counts().values()) == {0}

    # ---- taking out

    def test_a_cleared_state_fills_exactly(self, store: StateStore) -> None:
        store.add_events(history("u", 10))
        store.put_users(pd.DataFrame({"user_id": ["u"], "age": [3]}))
        store.clear()
        assert set(store.counts().values()) == {0}
        assert store.newest_time() is None
        assert store.add_events(history("u", 4)) == 4
        assert store.newest_time() == 3
        store.ping()

    def test_erasing_leaves_nothing_of_the_user(self, store: StateStore, url: str) -> None:
        store.add_events(pd.concat([history("gone", 30), history("stays", 5)]))
        store.put_users(pd.DataFrame({"user_id": ["gone", "stays"], "age": [1, 2]}))
        receipt = store.erase("gone", erased_at=7)
        assert (receipt.rows["users"], receipt.rows["events"]) == (1, 30)
        assert store.user_ids() == ["stays"]
        assert store.events_of(["gone"]).empty
        assert store.attributes_of(["gone"]).empty
        assert store.newest_time() == 4
        with connected(url) as connection:
            for table in metadata.tables:
                rows = connection.execute(text(f"select * from {table}")).fetchall()
                assert not any("gone" in str(value) for row in rows for value in row)

    def test_erasing_the_last_or_an_unknown_user(self, store: StateStore) -> None:
        store.add_events(history("u", 2))
        assert set(store.erase("nobody", erased_at=7).rows.values()) == {0}
        assert store.newest_time() == 1
        assert store.erase("u", erased_at=7).rows["events"] == 2
        assert store.newest_time() is None
        assert set(store.erase("u", erased_at=8).rows.values()) == {0}

    # ---- threads

    def test_readers_see_whole_fills_while_one_writes(self, store: StateStore) -> None:
        done = threading.Event()

        def read() -> list[int]:
            seen = [0]
            while not done.is_set():
                seen.append(len(store.events_of(["u"])))
            return seen

        with ThreadPoolExecutor(4) as pool:
            readers = [pool.submit(read) for _ in range(4)]
            for part in range(10):
                store.add_events(history("u", 50, first=50 * part))
            done.set()
        for reader in readers:
            assert reader.result() == sorted(reader.result())
            assert all(n_events % 50 == 0 for n_events in reader.result())
        assert len(store.events_of(["u"])) == 500

    def test_writers_wait_for_each_other(self, store: StateStore) -> None:
        with ThreadPoolExecutor(4) as pool:
            added = pool.map(store.add_events, [history("u", 60, first=20 * i) for i in range(8)])
            assert sum(added) == store.counts()["events"] == 200
        assert store.newest_time() == 199

    def test_two_stores_share_one_state(
        self, store: StateStore, url: str, open_store: Callable[[str], StateStore]
    ) -> None:
        other = open_store(url)
        other.create()
        store.add_events(history("u", 3))
        assert other.newest_time() == 2

    def test_a_closed_store_opens_again(self, store: StateStore) -> None:
        store.close()
        assert store.counts()["events"] == 0

    # ---- what is not a state

    @pytest.mark.parametrize(
        "use",
        [
            lambda store: store.ping(),
            lambda store: store.counts(),
            lambda store: store.user_ids(),
            lambda store: store.newest_time(),
            lambda store: store.all_events(),
            lambda store: store.events_of([]),
            lambda store: store.attributes_of(["u"]),
            lambda store: store.add_events(history("u", 1)),
            lambda store: store.put_users(pd.DataFrame({"user_id": ["u"]})),
            lambda store: store.clear(),
            lambda store: store.erase("u", erased_at=7),
            lambda store: store.pulse("u"),
        ],
    )
    def test_a_state_that_was_never_created(
        self,
        url: str,
        open_store: Callable[[str], StateStore],
        use: Callable[[StateStore], object],
    ) -> None:
        with pytest.raises(StateError, match="has not been created; run `recsys train`"):
            use(open_store(url))

    def test_another_version_of_the_schema_is_named(
        self, store: StateStore, url: str, open_store: Callable[[str], StateStore]
    ) -> None:
        with connected(url) as connection:
            connection.execute(text("update meta set value = '99' where key = 'schema_version'"))
        later = open_store(url)
        for use in (later.create, later.counts, later.clear, store.ping):
            with pytest.raises(StateError, match=r"version 99 .* works with 5;.*recsys train"):
                use()

    @pytest.mark.usefixtures("store")
    def test_tables_of_another_program_are_left_alone(
        self, url: str, open_store: Callable[[str], StateStore]
    ) -> None:
        with connected(url) as connection:
            connection.execute(text("drop table meta"))
        with pytest.raises(StateError, match=r"already holds events, .*users of another program"):
            open_store(url).create()

    @pytest.mark.usefixtures("store")
    def test_a_creation_that_was_cut_short_goes_on(
        self, url: str, open_store: Callable[[str], StateStore]
    ) -> None:
        with connected(url) as connection:
            connection.execute(text("delete from meta"))
            connection.execute(text("drop table events"))
        again = open_store(url)
        again.create()
        assert set(again.counts().values()) == {0}
