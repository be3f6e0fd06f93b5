"""Consent, links, erasing, and what a serving process asks: over every implementation."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest
from sqlalchemy import text

from recsys.errors import ConfigError, NotFoundError, StateError
from recsys.state import Exposure, Profile, StateStore, Taken

from .back_door import connected

Open = Callable[[str], StateStore]


def frame(*rows: dict[str, Any]) -> pd.DataFrame:
    full = [{"event": "view", "item_id": "i", "time": 1} | row for row in rows]
    return pd.DataFrame(full).astype({"time": "Int64"})


def event(user_id: str, event_id: str, **others: Any) -> dict[str, Any]:
    return {"user_id": user_id, "event_id": event_id, **others}


def owners(store: StateStore) -> dict[str, str]:
    found = store.all_events()
    return dict(zip(found["event_id"], found["user_id"], strict=True))


class TestTakingIn:
    def test_every_row_is_told_what_became_of_it(self, store: StateStore) -> None:
        store.add_events(frame(event("b", "old")))
        rows = frame(event("b", "new"), event("b", "old"), event("a", "x"), event("a", "x"))
        # Rows come under any index, also one that repeats itself.
        rows.index = pd.Index([5, 5, 1, 0])
        expected = [Taken.NEW, Taken.DUPLICATE, Taken.NEW, Taken.DUPLICATE]
        assert store.take_in(rows).tolist() == expected

    def test_nothing_is_taken_in_of_nobody(self, store: StateStore) -> None:
        assert store.take_in(frame(event("a", "x"))[:0]).tolist() == []


class TestPulse:
    def test_of_a_new_state(self, store: StateStore) -> None:
        assert store.pulse("u") == (0, None, 0, "full")

    def test_an_event_changes_the_user_and_nobody_else(self, store: StateStore) -> None:
        store.add_events(frame(event("u", "1"), event("v", "1")))
        before, other = store.pulse("u"), store.pulse("v")
        store.add_events(frame(event("u", "2", time=9)))
        assert store.pulse("u").revision > before.revision
        assert store.pulse("v").revision == other.revision
        assert store.pulse("v").newest_time == 9

    def test_an_event_that_was_there_changes_nothing(self, store: StateStore) -> None:
        store.add_events(frame(event("u", "1")))
        before = store.pulse("u")
        store.add_events(frame(event("u", "1")))
        assert store.pulse("u") == before

    def test_other_processes_see_it_at_once(
        self, store: StateStore, url: str, open_store: Open
    ) -> None:
        other = open_store(url)
        assert other.pulse("u").revision == 0
        store.add_events(frame(event("u", "1")))
        assert other.pulse("u").revision == store.pulse("u").revision > 0

    def test_attributes_change_the_user_only_when_they_differ(self, store: StateStore) -> None:
        put = pd.DataFrame({"user_id": ["u"], "age": [3]})
        store.put_users(put)
        before = store.pulse("u").revision
        store.put_users(put)
        assert store.pulse("u").revision == before
        store.put_users(put.assign(age=4))
        assert store.pulse("u").revision > before

    def test_items_and_keys_are_changes_of_everybody(self, store: StateStore) -> None:
        counts = [store.pulse("u").changes]
        store.items.put({"i": {"price": 1.5}})
        counts.append(store.pulse("u").changes)
        store.keys.create("web", "read", now=0)
        counts.append(store.pulse("u").changes)
        store.keys.revoke("web")
        counts.append(store.pulse("u").changes)
        assert counts == sorted(set(counts))

    def test_a_connection_that_broke_is_replaced(self, store: StateStore) -> None:
        store.add_events(frame(event("u", "1")))
        store.pulse("u")
        store._database._kept().close()
        assert store.pulse("u").revision > 0


class TestConsent:
    def test_the_default_is_full(self, store: StateStore) -> None:
        store.add_events(frame(event("u", "1")))
        assert store.person("u") == ({}, "full")
        assert store.person("nobody") is None
        assert store.consents() == {}

    def test_what_is_not_given_stays(self, store: StateStore) -> None:
        store.put_person("u", attributes={"age": 3})
        store.put_person("u", consent="segment_only")
        assert store.person("u") == ({"age": 3}, "segment_only")
        store.put_person("u", attributes={})
        assert store.person("u") == ({}, "segment_only")
        assert store.consents() == {"u": "segment_only"}
        assert store.pulse("u").consent == "segment_only"

    def test_without_consent_nothing_is_kept_but_orders(self, store: StateStore, url: str) -> None:
        store.put_person("shy", consent="none")
        rows = frame(
            event("shy", "1", event="purchase", amount=500, basket_id="b", session_id="s"),
            event("open", "1"),
        ).astype({"amount": "Int64"})
        for _ in range(2):
            assert store.take_in(rows)[0] == Taken.REFUSED
        assert owners(store) == {"1": "open"}
        with connected(url) as connection:
            kept = connection.execute(text("select event, time, amount from orders")).fetchall()
            assert kept == [("purchase", 1, 500)]
            everything = connection.execute(text("select * from orders")).fetchall()
        assert not any(word in str(everything) for word in ("shy", "'b'", "'s'"))


def told_ids(store: StateStore, **options: bool) -> set[str]:
    tables = [table.to_pandas() for table in store.event_tables(**options)]
    return {event_id for table in tables for event_id in table["event_id"]}


class TestTold:
    """What came over HTTP is told from what the shop's sources say."""

    def test_events(self, store: StateStore) -> None:
        assert list(store.event_tables()) == []
        store.take_in(frame(event("u", "file"), event("u", "both")))
        store.take_in(frame(event("u", "web"), event("u", "both"), event("v", "web")), told=True)
        store.take_in(frame(event("v", "web")))
        assert told_ids(store, told=True) == {"web"}
        assert told_ids(store) == {"file", "both", "web"}
        store.link("visitor", "v", "w")
        (table,) = store.event_tables(told=True)
        assert sorted(table["user_id"].to_pylist()) == ["u", "w"]

    def test_events_come_as_they_are(self, store: StateStore) -> None:
        rows = frame(event("ü", "1", amount=5, quantity=1.5, time=7), event("v", "2"))
        store.take_in(rows.astype({"amount": "Int64"}))
        (table,) = store.event_tables()
        expected = store.all_events()
        found = table.to_pandas().astype(expected.dtypes.to_dict())
        found = found.where(found.notna(), None).astype(expected.dtypes.to_dict())
        pd.testing.assert_frame_equal(found, expected)

    def test_attributes_told_of_a_user_outlast_what_a_file_says(self, store: StateStore) -> None:
        store.put_users(pd.DataFrame({"user_id": ["u", "v"], "age": [1, 2]}))
        store.put_person("u", attributes={"age": 9})
        store.put_person("v", consent="segment_only")
        store.put_users(pd.DataFrame({"user_id": ["u", "v"], "age": [3, 4]}))
        assert store.all_attributes().to_dict() == {"age": {"u": 9, "v": 4}}
        assert store.all_attributes(told=True).to_dict() == {"age": {"u": 9}}

    def test_links_and_erased_users_can_be_asked_for(self, store: StateStore) -> None:
        store.put_person("known")
        store.link("visitor", "v", "u")
        store.link("session", "s", "u")
        assert store.aliases().sort_values("kind").to_dict("list") == {
            "kind": ["session", "visitor"],
            "alias": ["s", "v"],
        }
        rows = pd.DataFrame(
            {"user_id": ["v", "w", "known"], "session_id": [None, "s", "s"]}, dtype=object
        )
        assert store.linked(rows)["user_id"].tolist() == ["u", "u", "known"]
        store.erase("u", erased_at=7)
        assert store.erased_among(["u", "v", "w"]) == {"u", "v"}

    def test_whether_there_is_a_state(
        self, tmp_path: Any, store: StateStore, open_store: Open
    ) -> None:
        assert store.exists()
        assert not open_store(f"sqlite:///{tmp_path}/none.db").exists()
        assert not (tmp_path / "none.db").exists()


class TestLinks:
    def test_a_visitor_becomes_a_user(self, store: StateStore) -> None:
        store.add_events(frame(event("v", "1"), event("v", "2"), event("u", "2"), event("u", "3")))
        assert store.link("visitor", "v", "u") == 1
        assert owners(store) == {"1": "u", "2": "u", "3": "u"}
        assert store.user_ids() == ["u"]

    def test_late_events_of_the_visitor_are_the_users(self, store: StateStore) -> None:
        store.link("visitor", "v", "u")
        assert store.take_in(frame(event("v", "late"))).tolist() == [Taken.NEW]
        assert owners(store) == {"late": "u"}

    def test_a_session_brings_its_strangers_and_nobody_else(self, store: StateStore) -> None:
        store.put_person("known")
        store.add_events(
            frame(
                event("v", "1", session_id="s"),
                event("v", "2", session_id="other"),
                event("known", "3", session_id="s"),
            )
        )
        assert store.link("session", "s", "u") == 2
        assert owners(store) == {"1": "u", "2": "u", "3": "known"}
        rows = frame(event("w", "4", session_id="s"), event("known", "5", session_id="s"))
        store.add_events(rows)
        assert (owners(store)["4"], owners(store)["5"]) == ("u", "known")

    def test_links_of_links(self, store: StateStore) -> None:
        store.link("visitor", "v", "w")
        store.add_events(frame(event("v", "1")))
        store.link("visitor", "w", "u")
        store.add_events(frame(event("v", "2"), event("w", "3")))
        assert set(owners(store).values()) == {"u"}

    def test_linking_oneself_or_twice_is_harmless(self, store: StateStore) -> None:
        store.add_events(frame(event("u", "1")))
        assert [store.link("visitor", "u", "u") for _ in range(2)] == [0, 0]
        assert owners(store) == {"1": "u"}

    def test_exposures_go_along(self, store: StateStore) -> None:
        store.exposures.add([exposure("r", "v")])
        store.link("visitor", "v", "u")
        assert [one.recommendation_id for one in store.exposures.of("u")] == ["r"]


def exposure(recommendation_id: str, user_id: str, time: int = 5) -> Exposure:
    return Exposure(
        *(recommendation_id, user_id, time, "segment_aware", "d" * 64, "v1", "segment", None),
        segments={"age": {"18–25": 1.0}},
        items=["i1", "ü"],
        propensities=[1.0, 0.25],
        context={"page": "start", "n": 3, "first": None},
    )


class TestErasing:
    def test_a_late_event_does_not_bring_her_back(self, store: StateStore) -> None:
        store.add_events(frame(event("u", "1"), event("stays", "1")))
        store.erase("u", erased_at=7)
        assert store.take_in(frame(event("u", "2"), event("stays", "2"))).tolist() == [
            Taken.REFUSED,
            Taken.NEW,
        ]
        store.put_users(pd.DataFrame({"user_id": ["u", "stays"], "age": [1, 2]}))
        assert store.user_ids() == ["stays"]

    def test_the_shop_can_take_her_back(self, store: StateStore) -> None:
        store.erase("u", erased_at=7)
        store.put_person("u")
        assert store.take_in(frame(event("u", "2"))).tolist() == [Taken.NEW]

    def test_her_visitors_go_along(self, store: StateStore) -> None:
        store.link("visitor", "v", "u")
        store.erase("u", erased_at=7)
        assert store.take_in(frame(event("v", "1"))).tolist() == [Taken.REFUSED]

    def test_everything_that_was_said_of_her_goes(self, store: StateStore, url: str) -> None:
        name = "somebody-special"
        store.add_events(frame(event(name, "1")))
        store.put_person(name, attributes={"age": 3}, consent="segment_only")
        store.link("visitor", "v", name)
        store.exposures.add([exposure("r", name)])
        store.profiles.put([Profile(name, 1, {"a": {"b": 1.0}})], model_version="m", as_of=1)
        receipt = store.erase(name, erased_at=7)
        expected = {"users": 1, "events": 1, "memberships": 1, "exposures": 1, "links": 1}
        assert receipt.rows == expected
        assert len(receipt.digest) == 64
        with connected(url) as connection:
            for table in ("users", "events", "memberships", "exposures", "links", "orders"):
                assert connection.execute(text(f"select * from {table}")).fetchall() == []

    def test_two_states_leave_different_digests(
        self, store: StateStore, tmp_path: Any, open_store: Open
    ) -> None:
        other = open_store(f"sqlite:///{tmp_path}/other.db")
        other.create()
        assert store.erase("u", erased_at=7).digest != other.erase("u", erased_at=7).digest


class TestProfiles:
    def test_a_changed_user_is_to_be_done_until_she_is(self, store: StateStore) -> None:
        store.add_events(frame(event("u", "1"), event("v", "1")))
        to_do = store.profiles.to_do(10)
        assert list(to_do) == ["u", "v"]
        done = [Profile("u", to_do["u"], {"age": {"young": 0.5}})]
        store.profiles.put(done, model_version="m", as_of=1)
        assert list(store.profiles.to_do(10)) == ["v"]
        assert store.profiles.of(["u", "v"]) == {"u": {"age": {"young": 0.5}}}

    def test_who_changed_meanwhile_is_to_be_done_again(self, store: StateStore) -> None:
        store.add_events(frame(event("u", "1")))
        seen = store.profiles.to_do(1)["u"]
        store.add_events(frame(event("u", "2")))
        store.profiles.put([Profile("u", seen, {})], model_version="m", as_of=1)
        assert list(store.profiles.to_do(1)) == ["u"]

    def test_new_memberships_are_noticed(self, store: StateStore) -> None:
        store.add_events(frame(event("u", "1")))
        before = store.pulse("u").revision
        store.profiles.put([Profile("u", before, {})], model_version="m", as_of=1)
        assert store.pulse("u").revision > before
        assert store.profiles.to_do(1) == {}

    def test_all_users_can_be_gone_through(self, store: StateStore) -> None:
        store.add_events(frame(*(event(f"{i}", "1") for i in range(5))))
        assert list(store.profiles.after("", 3)) == ["0", "1", "2"]
        assert list(store.profiles.after("2", 3)) == ["3", "4"]


class TestItems:
    def test_what_is_not_told_stays_and_null_takes_away(self, store: StateStore) -> None:
        first = store.items.put({"i": {"price": 1.5, "brand": "x"}, "j": {"available": False}})
        second = store.items.put({"i": {"price": 2, "brand": None}})
        assert store.items.of(["i", "k"]) == {"i": {"price": 2}}
        assert store.items.since(first) == {"i": {"price": 2}}
        assert store.items.since(second) == {}
        assert set(store.items.since(0)) == {"i", "j"}


class TestExposures:
    def test_they_come_back_as_they_were(self, store: StateStore) -> None:
        served = [exposure("r2", "u", 2), exposure("r1", "u", 1), exposure("r3", "v", 1)]
        store.exposures.add(served)
        store.exposures.add([exposure("r2", "u", 99)])
        assert store.exposures.of("u") == [served[1], served[0]]
        store.exposures.add([])


class TestKeys:
    def test_a_key_is_shown_once_and_kept_as_a_digest(self, store: StateStore, url: str) -> None:
        key = store.keys.create("web", "write", now=10)
        assert key.startswith("rk_")
        with connected(url) as connection:
            assert key not in str(connection.execute(text("select * from keys")).fetchall())
        (known,) = store.keys.all()
        allowed = [known.allows(scope, now=11) for scope in ("read", "write", "admin")]
        assert allowed == [True, True, False]

    def test_a_key_can_end(self, store: StateStore) -> None:
        store.keys.create("web", "read", now=10, expires_at=20)
        (known,) = store.keys.all()
        assert [known.allows("read", now=now) for now in (19, 20)] == [True, False]

    def test_names_are_unique_and_can_be_revoked(self, store: StateStore) -> None:
        store.keys.create("web", "read", now=10)
        with pytest.raises(ConfigError, match="'web' already"):
            store.keys.create("web", "admin", now=10)
        store.keys.revoke("web")
        assert store.keys.all() == []
        with pytest.raises(NotFoundError, match="web"):
            store.keys.revoke("web")


def test_a_lease_is_one_holders_until_it_runs_out(store: StateStore) -> None:
    assert store.hold("work", "a", now=0, until=10)
    assert not store.hold("work", "b", now=9, until=19)
    assert store.hold("work", "a", now=9, until=20)
    assert store.hold("work", "b", now=20, until=30)
    assert store.hold("other", "a", now=20, until=30)


VERSION_1 = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "CREATE TABLE users (user_id TEXT PRIMARY KEY, attributes TEXT NOT NULL)",
    "CREATE TABLE events (user_id TEXT NOT NULL, item_id TEXT, event TEXT NOT NULL, time BIGINT, "
    "quantity DOUBLE PRECISION, amount BIGINT, discount BIGINT, currency TEXT, "
    "rating DOUBLE PRECISION, sentiment DOUBLE PRECISION, query TEXT, basket_id TEXT, "
    "session_id TEXT, source TEXT, event_id TEXT NOT NULL, recommendation_id TEXT, "
    "PRIMARY KEY (user_id, event_id))",
    "INSERT INTO meta VALUES ('schema_version', '1'), ('newest_time', '7')",
    "INSERT INTO users VALUES ('u', '{\"age\": 3}')",
    "INSERT INTO events (user_id, event, event_id, time) "
    "VALUES ('u', 'view', '1', 7), ('v', 'view', '1', 5)",
)

VERSION_2: tuple[str, ...] = (
    "ALTER TABLE users ADD COLUMN consent TEXT NOT NULL DEFAULT 'full'",
    "ALTER TABLE users ADD COLUMN registered BOOLEAN NOT NULL DEFAULT false",
    "ALTER TABLE users ADD COLUMN revision BIGINT NOT NULL DEFAULT 0",
    "ALTER TABLE users ADD COLUMN profiled BIGINT NOT NULL DEFAULT -1",
    "INSERT INTO users (user_id, attributes) VALUES ('v', '{}')",
)
AN_EXPOSURE = (
    "INSERT INTO exposures (recommendation_id, user_id, time, variant, digest, model_version, "
    "segments, items, propensities) "
    "VALUES ('r1', 'u', 5, 'popularity', 'd', 'v1', '{}', '[\"i1\"]', '[1.0]')"
)


def test_a_state_of_version_1_is_brought_on(url: str, tmp_path: Any, open_store: Open) -> None:
    (tmp_path / "new").mkdir()
    with connected(url) as connection:
        for statement in VERSION_1:
            connection.execute(text(statement))
    store = open_store(url)
    with pytest.raises(StateError, match="older than 5; `recsys train` or `recsys serve`"):
        store.ping()
    store.create()
    assert store.user_ids() == ["u", "v"]
    assert store.person("u") == ({"age": 3}, "full")
    assert store.newest_time() == 7
    assert list(store.profiles.to_do(9)) == ["u", "v"]
    assert store.take_in(frame(event("v", "1"), event("v", "2"))).tolist() == [1, 0]
    store.create()
    assert len(store.all_events()) == 3


@pytest.mark.parametrize("has_context", [False, True])
def test_a_state_of_version_2_keeps_what_was_served(
    url: str, tmp_path: Any, open_store: Open, has_context: bool
) -> None:
    (tmp_path / "new").mkdir()
    served = (
        "CREATE TABLE exposures (recommendation_id TEXT PRIMARY KEY, user_id TEXT NOT NULL, "
        "time BIGINT NOT NULL, variant TEXT NOT NULL, digest TEXT NOT NULL, "
        "model_version TEXT NOT NULL, fallback TEXT, experiment TEXT, segments TEXT NOT NULL, "
        "items TEXT NOT NULL, propensities TEXT NOT NULL)"
    )
    context = served.replace("fallback TEXT", "fallback TEXT, context TEXT NOT NULL DEFAULT '{}'")
    version_1 = (statement.replace("'1'), ('n", "'2'), ('n") for statement in VERSION_1)
    with connected(url) as connection:
        for statement in (*version_1, *VERSION_2, context if has_context else served, AN_EXPOSURE):
            connection.execute(text(statement))
    store = open_store(url)
    store.create()
    (found,) = store.exposures.of("u")
    assert (found.items, found.context) == (["i1"], {})
    assert (found.session_id, found.differs, found.sides, found.milliseconds) == (None,) * 4
    store.exposures.add([exposure("r2", "u")])
    assert [one.recommendation_id for one in store.exposures.of("u")] == ["r1", "r2"]
    assert len(store.all_events()) == 2
