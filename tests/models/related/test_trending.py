"""What rises, against sums by hand; and when nothing can be said."""

import math

import narwhals as nw
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from recsys.engines import connect, frame
from recsys.events.schema import MICROSECONDS_PER_DAY
from recsys.models.related import (
    TrendCounts,
    count_trends,
    fit_trending,
    trend_table,
    trending,
    trending_from,
)
from recsys.models.related.trending import rises
from recsys.segments import Memberships
from recsys.vocabulary import Vocabulary

ITEMS = Vocabulary("abcd")
NO_AXES = []


def counts_of(before, after):
    return TrendCounts(np.atleast_2d(before).astype(float), np.atleast_2d(after).astype(float))


def slow_kappa(before, after, growth):
    expected = [b * g for b, g in zip(before, growth, strict=True)]
    excess = sum(
        (a - e) ** 2 - (a + b) * g
        for a, b, e, g in zip(after, before, expected, growth, strict=True)
    )
    return sum(e * e for e in expected) / excess if excess > 0 else math.inf


def test_the_rise_of_everyone_by_hand():
    before, after = [100, 100, 40, 0], [200, 100, 20, 40]
    growth = 360 / 240
    kappa = slow_kappa(before, after, [growth] * 4)
    assert 1 < kappa < 100
    found = rises(counts_of(before, after), NO_AXES)[0]
    expected = [
        math.log((a + kappa) / (b * growth + kappa)) for a, b in zip(after, before, strict=True)
    ]
    np.testing.assert_allclose(found, expected)


def test_a_segment_is_held_against_what_rises_for_everyone():
    before = np.asarray([[100, 100, 60, 60], [50, 50, 30, 30]])
    after = np.asarray([[200, 100, 60, 60], [90, 20, 70, 30]])
    found = rises(counts_of(before, after), [slice(0, 1)])
    tilted = before[1] * np.exp(found[0])
    growth = np.exp(found[0]) * after[1].sum() / tilted.sum()
    kappa = slow_kappa(before[1], after[1], growth)
    assert math.isfinite(kappa)
    own = np.log((after[1] + kappa) / (before[1] * growth + kappa))
    np.testing.assert_allclose(found[1], found[0] + own)
    assert found[1, 2] > found[0, 2]


def test_a_segment_that_nothing_is_known_of_follows_everyone():
    counts = counts_of([[100, 50, 60], [0, 0, 0]], [[200, 10, 60], [0, 0, 0]])
    found = rises(counts, [slice(0, 1)])
    np.testing.assert_array_equal(found[1], found[0])


def test_growth_of_the_shop_is_no_trend_and_chance_is_none():
    # Twice as many of everything; then counts that differ by less than chance makes them.
    assert not rises(counts_of([50, 20, 30], [100, 40, 60]), NO_AXES).any()
    assert not rises(counts_of([50, 20, 30], [52, 18, 31]), NO_AXES).any()


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 500))
def test_an_item_with_more_evidence_for_the_same_ratio_rises_more(seed):
    rng = np.random.default_rng(seed)
    before = np.concatenate([[4, 40, 400], rng.integers(1, 300, size=5)])
    after = np.concatenate([[12, 120, 1200], rng.integers(1, 300, size=5)])
    found = rises(counts_of(before, after), NO_AXES)[0]
    ratio = 3 / (after.sum() / before.sum())
    ordered = found[:3] * np.sign(math.log(ratio))
    assert (np.diff(ordered) >= -1e-12).all()
    assert (np.abs(found[:3]) <= abs(math.log(ratio)) + 1e-12).all()


def test_the_list_holds_what_rises_best_first_with_evidence_and_allowed():
    # Item 3 triples on two users: no evidence. Item 2 falls.
    counts = counts_of([100, 100, 100, 1, 40], [300, 150, 20, 3, 100])
    fit = fit_trending(counts, NO_AXES, np.zeros(5))
    assert fit.kind == "rising"
    assert fit.top(k=5)[0].tolist() == [0, 4]
    assert (fit.top(k=5)[1] > 0).all()
    assert fit.top(k=1)[0].tolist() == [0]
    allowed = np.asarray([False, True, True, True, True])
    assert fit.top(k=1, allowed=allowed)[0].tolist() == [4]
    assert counts.after[0, 3] < trending.LEAST_USERS


def test_without_times_the_popular_items_are_listed_and_it_says_so():
    fit = fit_trending(None, [slice(0, 2)], np.log([0.2, 0.5, 0.3]))
    assert fit.kind == "popular"
    for segment in (None, 0, 1):
        items, scores = fit.top(k=2, segment=segment)
        assert items.tolist() == [1, 2]
        np.testing.assert_allclose(np.exp(scores), [0.5, 0.3])


def test_each_segment_has_its_own_list_and_what_is_stored_gives_it_again():
    before = np.asarray([[100, 100, 100], [50, 50, 50], [50, 50, 50]])
    after = np.asarray([[150, 150, 50], [140, 10, 20], [10, 140, 30]])
    fit = fit_trending(counts_of(before, after), [slice(0, 2)], np.zeros(3))
    again = trending_from(fit.arrays(), fit.learnt())
    assert fit.top(k=1, segment=0)[0].tolist() == [0]
    assert fit.top(k=1, segment=1)[0].tolist() == [1]
    for segment in (None, 0, 1):
        np.testing.assert_array_equal(
            fit.top(k=3, segment=segment)[1], again.top(k=3, segment=segment)[1]
        )


def test_an_empty_shop_has_no_trend():
    fit = fit_trending(counts_of([0, 0], [0, 0]), NO_AXES, np.zeros(2))
    assert len(fit.top(k=3)[0]) == 0
    nothing = fit_trending(counts_of(np.empty((1, 0)), np.empty((1, 0))), NO_AXES, np.empty(0))
    assert len(nothing.top(k=3)[0]) == 0


# Counting

AS_OF = 28 * MICROSECONDS_PER_DAY
EVENTS = [
    ("u", "a", 1),
    ("u", "a", 13),
    ("u", "a", 14),
    ("u", "b", 27),
    ("v", "a", 20),
    ("v", "a", 21),
    ("w", "c", 13),
]


def events_of(rows):
    frame_ = pd.DataFrame(rows, columns=["user_id", "item_id", "day"])
    time = frame_["day"] * MICROSECONDS_PER_DAY
    return frame_.assign(time=time, event="purchase", quantity=1.0).drop(columns="day")


def in_pandas(rows):
    return nw.from_native(events_of(rows)).lazy()


def memberships(weights):
    return Memberships(Vocabulary("uv"), (), sparse.csr_matrix(np.asarray(weights)))


def test_a_user_counts_once_in_each_window_and_by_her_weight():
    table = trend_table(in_pandas(EVENTS), ["purchase"], as_of=AS_OF, days=14)
    found = count_trends(table, memberships([[1.0, 0.0], [0.25, 0.5]]), ITEMS)
    assert found.before.tolist() == [[1, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    assert found.after.tolist() == [[2, 1, 0, 0], [1.25, 1, 0, 0], [0.5, 0, 0, 0]]


def test_what_is_older_than_both_windows_is_not_counted():
    table = trend_table(in_pandas(EVENTS), ["purchase"], as_of=AS_OF, days=7)
    found = count_trends(table, memberships([[1.0], [1.0]]), ITEMS)
    assert found.before[0].tolist() == [2, 0, 0, 0]
    assert found.after[0].tolist() == [1, 1, 0, 0]


@pytest.mark.parametrize("seed", [0, 1])
def test_both_engines_and_any_order_give_the_same_bits(seed):
    rng = np.random.default_rng(seed)
    rows = [("uvw"[u], "abcd"[i], int(d)) for u, i, d in rng.integers((3, 4, 28), size=(60, 3))]
    weights = memberships(rng.dirichlet([1, 1], size=2))
    ours = count_trends(
        trend_table(in_pandas(rows), ["purchase"], as_of=AS_OF, days=10), weights, ITEMS
    )
    with connect(threads=2) as connection:
        given_ = events_of([rows[at] for at in rng.permutation(60)])
        connection.register("given_", given_)
        connection.execute("CREATE TABLE events AS SELECT * FROM given_")
        table = trend_table(frame(connection, "events"), ["purchase"], as_of=AS_OF, days=10)
    theirs = count_trends(table, weights, ITEMS)
    np.testing.assert_array_equal(ours.before, theirs.before)
    np.testing.assert_array_equal(ours.after, theirs.after)
