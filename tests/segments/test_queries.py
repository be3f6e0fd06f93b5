from collections import defaultdict

import narwhals as nw
import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from recsys.engines import connect, frame
from recsys.random import generator
from recsys.segments.queries import STRENGTHS, normal_query, query_categories, query_volumes

from .conftest import AS_OF, event_frame

MINUTE = 60_000_000
ITEMS = pd.DataFrame(
    {"item_id": ["rye", "oat", "car", "odd"], "category": ["bread", "bread", "toys", None]}
)


def did(user, minute, event, what=None, session=None):
    """An event so many minutes after the first; `what` is the query of a search, else an item."""
    searched = event == "search"
    return {
        "user_id": user,
        "event": event,
        "days": 1 - minute / (24 * 60),
        "query": what if searched else None,
        "item_id": None if searched else what,
        "session_id": session,
    }


def lazily(table):
    return nw.from_native(table).lazy()


def categories_of(rows, **options):
    found = query_categories(lazily(event_frame(rows)), lazily(ITEMS), **options)
    return {(row.query, row.category): (row.weight, row.n) for row in found.itertuples()}


def seen(rows, **options):
    """Which categories each query led to."""
    return set(categories_of(rows, **options))


def volumes(rows, **options):
    found = query_volumes(lazily(event_frame(rows)), as_of=AS_OF, window=7.0, **options)
    return found.set_index("query")


def test_a_query_is_written_one_way():
    assert normal_query("  Rye \t BREAD\n") == "rye bread"
    assert normal_query("STRASSE") == normal_query("straße")


def test_weights_are_their_formula():
    rows = [
        did("a", 0, "search", "Loaf"),
        did("a", 1, "view", "rye"),
        did("a", 2, "cart", "car"),
        did("b", 0, "search", " loaf "),
        did("b", 1, "purchase", "oat"),
        did("b", 40, "search", "wheels"),
        did("b", 41, "click", "car"),
    ]
    found = categories_of(rows, prior=20.0)
    # loaf: 1 + 5 in bread, 3 in toys; wheels: 1 in toys. In all 6 of 10 are bread.
    assert found == {
        ("loaf", "bread"): (pytest.approx((6 + 20 * 0.6) / (9 + 20)), 2),
        ("loaf", "toys"): (pytest.approx((3 + 20 * 0.4) / (9 + 20)), 1),
        ("wheels", "toys"): (pytest.approx((1 + 20 * 0.4) / (1 + 20)), 1),
    }


def test_without_a_prior_weights_are_the_shares_of_what_followed():
    rows = [
        did("a", 0, "search", "loaf"),
        did("a", 1, "view", "rye"),
        did("a", 2, "cart", "car"),
    ]
    found = categories_of(rows, prior=0.0)
    assert found == {("loaf", "bread"): (0.25, 1), ("loaf", "toys"): (0.75, 1)}


@pytest.mark.parametrize(
    ("rows", "led_to"),
    [
        pytest.param([did("a", 30, "view", "rye")], True, id="within the time"),
        pytest.param([did("a", 31, "view", "rye")], False, id="too late"),
        pytest.param([did("a", 0, "view", "rye")], True, id="at the very time"),
        pytest.param([did("a", -1, "view", "rye")], False, id="before it"),
        pytest.param([did("b", 1, "view", "rye")], False, id="somebody else"),
        pytest.param([did("a", 1, "impression", "rye")], False, id="an event that says nothing"),
        pytest.param([did("a", 1, "view", "odd")], False, id="an item without a category"),
        pytest.param([did("a", 1, "view", "new")], False, id="an item that is not in the file"),
        pytest.param([did("a", 600, "view", "rye", "s1")], True, id="the same session, much later"),
        pytest.param([did("a", 1, "view", "rye", "s2")], False, id="another session"),
    ],
)
def test_what_follows_a_search(rows, led_to):
    # Some other search that leads to toys, so that "nothing" is not the empty frame.
    other = [did("z", 0, "search", "wheels"), did("z", 1, "view", "car")]
    session = "s1" if any(row["session_id"] for row in rows) else None
    found = seen([did("a", 0, "search", "loaf", session), *rows, *other])
    assert (("loaf", "bread") in found) == led_to
    assert ("wheels", "toys") in found


def test_the_next_search_of_the_user_ends_what_follows():
    rows = [
        did("a", 0, "search", "loaf"),
        did("a", 1, "search", "wheels"),
        did("a", 2, "view", "car"),
        did("a", 3, "search", None),
        did("a", 4, "view", "rye"),
    ]
    # A search without words leads nowhere itself, and still ends the one before.
    assert seen(rows) == {("wheels", "toys")}


def test_volumes_count_searches_users_and_dead_ends():
    rows = [
        did("a", 0, "search", "Loaf"),
        did("a", 1, "view", "rye"),
        did("a", 2, "search", "loaf"),
        did("b", 0, "search", "LOAF "),
        did("b", 1, "view", "odd"),
        did("b", 2, "search", "  "),
        did("c", 0, "search", "wheels"),
    ]
    found = volumes(rows)
    assert found.index.tolist() == ["loaf", "wheels"]
    assert found["searches"].tolist() == [3, 1]
    assert found["users"].tolist() == [2, 1]
    assert found["share"].tolist() == [0.75, 0.25]
    assert found["nowhere"].tolist() == [1, 1]


def test_the_head_is_what_makes_up_four_fifths_of_the_searches():
    counts = {"most": 6, "some": 2, "even": 1, "else": 1}
    rows = [
        did(f"u{n}", 0, "search", query) for query, count in counts.items() for n in range(count)
    ]
    # most and some make up 8 of 10, so what is searched less often is tail.
    assert volumes(rows)["tail"].to_dict() == {
        "most": False,
        "some": False,
        "else": True,
        "even": True,
    }
    # With 90 % the head needs one of the two equal ones, so it holds both.
    assert not volumes(rows, head=0.9)["tail"].any()


def test_volumes_look_only_at_the_window():
    rows = [
        {"user_id": "a", "event": "search", "query": "old", "days": 7.01},
        {"user_id": "a", "event": "search", "query": "first", "days": 7},
        {"user_id": "a", "event": "search", "query": "now", "days": 0},
    ]
    assert volumes(rows).index.tolist() == ["first"]


def test_without_searches_or_times_frames_are_empty():
    unsearched = event_frame([did("a", 0, "view", "rye")])
    untimed = event_frame([did("a", 0, "search", "loaf"), did("a", 1, "view", "rye")])
    untimed["time"] = pd.array([None, None], dtype="Int64")
    for table in (unsearched, untimed, untimed.iloc[:0]):
        for events, items in both_engines(table):
            found = query_categories(events, items)
            assert found.empty and list(found) == ["query", "category", "weight", "n"]
            found = query_volumes(events, as_of=AS_OF, window=7.0)
            columns = ["query", "searches", "users", "share", "tail", "nowhere"]
            assert found.empty and list(found) == columns


def both_engines(table):
    yield lazily(table), lazily(ITEMS)
    with connect() as connection:
        connection.register("e", table)
        connection.register("i", ITEMS)
        yield frame(connection, "e"), frame(connection, "i")


EVENTS = st.lists(
    st.tuples(
        st.sampled_from("ab"),
        st.integers(0, 80),
        st.sampled_from(["search", "search", "view", "cart", "purchase", "impression"]),
        st.sampled_from(["loaf", "Wheels ", "x"]),
        st.sampled_from(["rye", "oat", "car", "odd"]),
        st.sampled_from([None, None, "s", "t"]),
    ),
    max_size=16,
)


def rows_of(drawn):
    return [
        did(user, minute, event, query if event == "search" else item, session)
        for user, minute, event, query, item, session in drawn
    ]


def slowly(rows, within=30):
    """What follows each search, by looping over a user's events in order."""
    strength, searches = defaultdict(float), defaultdict(set)
    made, nowhere = defaultdict(int), defaultdict(int)
    category = {"rye": "bread", "oat": "bread", "car": "toys", "odd": None}
    for user in {row["user_id"] for row in rows}:
        mine = [(r, round((1 - r["days"]) * 1440)) for r in rows if r["user_id"] == user]
        keys = [
            (minute, r["event"] != "search", str(r["query"]), r["session_id"] or "", n)
            for n, (r, minute) in enumerate(mine)
        ]
        last, led = None, False
        for _, _, _, _, n in sorted(keys):
            row, minute = mine[n]
            if row["event"] == "search":
                if last:
                    nowhere[normal_query(last[0]["query"])] += not led
                last, led = (row, minute), False
                made[normal_query(row["query"])] += 1
                number = object()
            elif last and STRENGTHS.get(row["event"]):
                sessions = (row["session_id"], last[0]["session_id"])
                follows = (
                    sessions[0] == sessions[1] if all(sessions) else minute - last[1] <= within
                )
                led = led or follows
                if follows and category[row["item_id"]]:
                    key = (normal_query(last[0]["query"]), category[row["item_id"]])
                    strength[key] += STRENGTHS[row["event"]]
                    searches[key].add(number)
        if last:
            nowhere[normal_query(last[0]["query"])] += not led
    return strength, searches, made, nowhere


def many(n, *, seed):
    """A longer list of the same, with many ties and many searches by one user."""
    rng = generator(seed, "queries")
    pick = [
        rng.choice(np.array(options, dtype=object), size=n)
        for options in (
            ["a", "b", "c"],
            list(range(200)),
            ["search", "view", "cart", "purchase", "impression"],
            ["loaf", "Wheels ", "LOAF", "x"],
            ["rye", "oat", "car", "odd"],
            [None, None, "s", "t"],
        )
    ]
    return list(zip(*pick, strict=True))


@settings(max_examples=6, deadline=None)
@given(EVENTS.filter(bool))
@example(many(400, seed=1))
@example(many(400, seed=2))
def test_a_slow_loop_says_the_same(drawn):
    rows = rows_of(drawn)
    strength, searches, made, nowhere = slowly(rows)
    table = event_frame(rows)
    found = query_categories(lazily(table), lazily(ITEMS), prior=0.0)
    assert len(found) == len(strength)
    for row in found.itertuples():
        key = (row.query, row.category)
        of_query = sum(s for (query, _), s in strength.items() if query == row.query)
        assert row.weight == pytest.approx(strength[key] / of_query)
        assert row.n == len(searches[key])
    counted = query_volumes(lazily(table), as_of=AS_OF, window=7.0).set_index("query")
    assert counted["searches"].to_dict() == dict(made)
    assert counted["nowhere"].to_dict() == dict(nowhere)


@settings(max_examples=6, deadline=None)
@given(EVENTS.filter(bool), st.floats(0.1, 100))
@example(many(200, seed=3), 20.0)
def test_a_querys_weights_and_its_mere_prior_make_one(drawn, prior):
    rows = rows_of(drawn)
    found = query_categories(lazily(event_frame(rows)), lazily(ITEMS), prior=prior)
    strength, *_ = slowly(rows)
    total = sum(strength.values())
    for query, own in found.groupby("query"):
        of_query = sum(s for (q, _), s in strength.items() if q == query)
        unseen = {c for _, c in strength} - set(own["category"])
        shares = [sum(s for (_, c), s in strength.items() if c == other) for other in unseen]
        rest = prior * sum(shares) / total / (of_query + prior)
        assert own["weight"].sum() + rest == pytest.approx(1)
        assert (own["weight"] > 0).all()


@pytest.mark.parametrize("seed", [4, 5])
def test_engines_and_row_order_agree(seed):
    table = event_frame(rows_of(many(300, seed=seed)))
    expected = query_categories(lazily(table), lazily(ITEMS))
    counted = query_volumes(lazily(table), as_of=AS_OF, window=7.0)
    places = generator(seed, "order").permutation(len(table))
    for events, items in both_engines(table.iloc[places].reset_index(drop=True)):
        pd.testing.assert_frame_equal(query_categories(events, items), expected, check_dtype=False)
        again = query_volumes(events, as_of=AS_OF, window=7.0)
        pd.testing.assert_frame_equal(again, counted, check_dtype=False)


def test_strengths_of_ones_own():
    rows = [did("a", 0, "search", "loaf"), did("a", 1, "view", "rye"), did("a", 2, "glance", "car")]
    assert seen(rows, strengths={"glance": 2.0, "view": 0.0}) == {("loaf", "toys")}
    assert np.isclose(categories_of(rows, strengths={"glance": 2.0})["loaf", "toys"][0], 1.0)
