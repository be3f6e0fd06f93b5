"""The list against a slow float64 loop over every item, and what must hold of every list."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.errors import ConfigError
from recsys.models import ALS, HABIT, POPULARITY, PRIOR
from recsys.ranking import (
    BUILT_IN,
    Ranker,
    Recipe,
    Request,
    Weights,
    make_variant,
    ranker,
    variants,
)
from recsys.ranking.blend import coordinates, own_terms

EVERYTHING = ("als", "popularity", "priors", "habit")
AXES = ("prior:age", "prior:place")


def blend(signals=EVERYTHING, *, repeat="always", centre=None):
    return make_variant("mine", Recipe(signals=signals, repeat=repeat, centre=centre))


def learnt(variant, **weights):
    """A ranker's weights: the same at both ends but for habit."""
    cold = {"als": 0.4, "popularity": 0.1, "prior:age": 0.3, "prior:place": 0.2, "habit": 1.0}
    cold |= weights
    return {variant.digest: Weights(cold=cold, warm={**cold, "habit": 2.0}, half=5.0)}


def slow_list(small, user, variant, weights, request):
    """Score every item one by one in float64, sort by (−score, item id)."""
    model, customers = small
    parts = coordinates(model, customers, user, variant.recipe.centre)
    rows = customers.histories.rows(user)
    own = dict(
        zip(
            customers.histories.items[rows].tolist(),
            own_terms(model, customers, user)[HABIT].tolist(),
            strict=True,
        )
    )
    scored = []
    for item in range(len(model.items)):
        if not allowed(small, user, item, variant, request):
            continue
        score = 0.0
        for signal in model.signals:
            if signal in weights and signal == HABIT:
                score += weights[signal] * own.get(item, 0.0)
            elif signal in weights:
                row = model.columns[item, model.blocks[signal]].astype(np.float64)
                score += weights[signal] * float((row * parts[signal]).sum())
        scored.append((-score, str(model.items.ids[item])))
    best = sorted(scored)[: request.k]
    return [item for _, item in best], [-score for score, _ in best]


def allowed(small, user, item, variant, request):
    model, histories = small.model, small.customers.histories
    rows = histories.rows(user)
    bought = item in histories.items[rows][histories.visits[rows] > 0]
    category = str(model.catalogue.category[item])
    wanted = [category == c or category.startswith(c + " > ") for c in request.categories - {""}]
    known = {"never": bought, "learned": bought and not model.habit.rebought[item]}
    return (
        bool(model.catalogue.available[item])
        and str(model.items.ids[item]) not in request.exclude_items
        and (any(wanted) or not request.categories)
        and not known.get(variant.recipe.repeat, False)
    )


def check_against_oracle(small, variant, weights, request):
    chain = Ranker(small.model, weights)
    users = range(len(small.customers.users))
    for user, ranking in enumerate(chain.rank_all(small.customers, users, variant, request)):
        used = chain.user_weights(small.customers, user, variant)
        items, scores = slow_list(small, user, variant, used, request)
        assert ranking.ids(small.model.items.ids) == items
        assert ranking.scores.tolist() == scores
        assert ranking.shortfall == request.k - len(items)


# The exact order


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([None, 1, 3, 15]), st.sampled_from([1, 7, 25, 80]))
def test_a_list_is_that_of_the_slow_loop_to_the_last_bit(make_small, seed, steps, k):
    small = make_small(seed, steps=steps)
    variant = blend()
    check_against_oracle(small, variant, learnt(variant), Request(k))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([1, 5, 20]), st.sampled_from([1e-6, 1.0, 1e6]))
def test_float32_never_loses_what_it_cannot_tell_apart(make_small, seed, k, size):
    # Factors differ in the last bits of float32, far below what a score near −4 can show.
    small = make_small(seed, d=9)
    rng = np.random.default_rng(seed)
    columns = small.model.columns
    tiny = rng.integers(-3, 4, size=columns.shape).astype(np.float32)
    columns[:] = columns[0] * (1 + tiny * np.finfo(np.float32).eps)
    variant = blend()
    weights = learnt(variant, als=size, popularity=1.0)
    check_against_oracle(small, variant, weights, Request(k))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_a_weak_signal_decides_between_equal_strong_ones(make_small, seed):
    small = make_small(seed, steps=4)
    check_against_oracle(small, make_variant("own", BUILT_IN["own_purchases"]), {}, Request(10))


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 10_000),
    st.sampled_from(["never", "learned", "always"]),
    st.frozensets(st.sampled_from(["food", "food > fruit", "foodstuff", "pets", ""])),
    st.sampled_from([1, 10, 60]),
)
def test_filters_act_before_the_best_are_taken(make_small, seed, repeat, categories, k):
    small = make_small(seed)
    excluded = frozenset({"i0003", "i0007", "i0050", "unheard of"})
    variant = blend(repeat=repeat)
    check_against_oracle(small, variant, learnt(variant), Request(k, categories, excluded))


def test_equal_scores_stand_in_the_order_of_their_ids(make_small):
    small = make_small(1, steps=1, sizes=(0,))
    variant = make_variant("popular", BUILT_IN["popular"])
    ranking = Ranker(small.model, {}).rank(small.customers, 0, variant, Request(7))
    assert ranking.items.tolist() == np.flatnonzero(small.model.catalogue.available)[:7].tolist()


# One by one and in blocks


@pytest.mark.parametrize("users_in_a_block", [1, 2, 3, 100])
def test_a_batch_is_the_single_requests_bit_for_bit(monkeypatch, make_small, users_in_a_block):
    small = make_small(2, n_items=300, d=33, sizes=(0, 3, 7, 0, 100, 20, 1))
    variant = blend(repeat="learned")
    chain = Ranker(small.model, learnt(variant))
    users = range(7)
    single = [chain.rank(small.customers, user, variant, Request(20)) for user in users]
    monkeypatch.setattr(ranker, "BLOCK_BYTES", 4 * 300 * users_in_a_block)
    batch = list(chain.rank_all(small.customers, users, variant, Request(20)))
    for one, other in zip(single, batch, strict=True):
        assert one.items.tolist() == other.items.tolist()
        assert one.scores.tolist() == other.scores.tolist()
        assert one.terms.keys() == other.terms.keys()
        for signal in one.terms:
            assert one.terms[signal].tolist() == other.terms[signal].tolist()
        assert (one.fallback, one.shortfall) == (other.fallback, other.shortfall)


def test_the_longer_list_begins_with_the_shorter_one(small):
    variant = blend()
    chain = Ranker(small.model, learnt(variant))
    long = chain.rank(small.customers, 4, variant, Request(40))
    for k in (1, 5, 39):
        short = chain.rank(small.customers, 4, variant, Request(k))
        assert short.items.tolist() == long.items[:k].tolist()
        assert short.scores.tolist() == long.scores[:k].tolist()


def test_the_order_of_the_users_is_kept(small):
    variant = blend()
    chain = Ranker(small.model, learnt(variant))
    forth = list(chain.rank_all(small.customers, [0, 2, 4], variant, Request(5)))
    back = list(chain.rank_all(small.customers, [4, 2, 0], variant, Request(5)))
    assert [r.scores.tolist() for r in forth] == [r.scores.tolist() for r in back[::-1]]
    assert list(chain.rank_all(small.customers, [], variant, Request(5))) == []


# Terms


@pytest.mark.parametrize("name", BUILT_IN)
def test_terms_add_up_to_the_score_in_the_fixed_order(small, name):
    variant = variants({})[name]
    chain = Ranker(small.model, learnt(variant))
    listed = variant.signals(small.model.segments)
    for ranking in chain.rank_all(small.customers, range(5), variant, Request(60)):
        assert list(ranking.terms) == [s for s in small.model.signals if s in listed]
        total = np.zeros(len(ranking.items))
        for values in ranking.terms.values():
            total += values
        assert total.tolist() == ranking.scores.tolist()


def test_a_term_is_the_weight_times_the_signal(small):
    variant = blend()
    chain = Ranker(small.model, learnt(variant))
    ranking = chain.rank(small.customers, 4, variant, Request(60))
    used = chain.user_weights(small.customers, 4, variant)
    parts = coordinates(small.model, small.customers, 4, "segments")
    for signal in (ALS, POPULARITY, *AXES):
        columns = small.model.columns[ranking.items, small.model.blocks[signal]]
        expected = used[signal] * (columns @ parts[signal])
        np.testing.assert_allclose(ranking.terms[signal], expected, rtol=1e-6, atol=1e-9)
    rows = small.customers.histories.rows(4)
    habit = dict(
        zip(
            small.customers.histories.items[rows].tolist(),
            small.model.habit.terms(small.customers.histories, rows).tolist(),
            strict=True,
        )
    )
    expected = [used[HABIT] * habit.get(item, 0.0) for item in ranking.items.tolist()]
    assert ranking.terms[HABIT].tolist() == expected


def test_weights_move_from_cold_to_warm_with_the_activity(small):
    variant = blend()
    chain = Ranker(small.model, learnt(variant))
    seen = [
        (
            small.customers.activity(user, 5.0),
            chain.user_weights(small.customers, user, variant)[HABIT],
        )
        for user in range(5)
    ]
    assert seen[0] == (0.0, 1.0)
    for activity, weight in seen:
        assert weight == pytest.approx(1.0 + activity / (activity + 5.0))


def test_activity_counts_an_item_at_most_once(small):
    for user in range(5):
        rows = small.customers.histories.rows(user)
        worths = small.customers.histories.worth[rows]
        expected = sum(min(abs(worth) / 5.0, 1.0) for worth in worths.tolist())
        assert small.customers.activity(user, 5.0) == pytest.approx(expected)


# Filters


def listed(small, request, *, user=4, repeat="always"):
    variant = blend(repeat=repeat)
    ranking = Ranker(small.model, learnt(variant)).rank(small.customers, user, variant, request)
    return ranking.items.tolist(), ranking.shortfall


def test_a_category_takes_in_what_is_below_it_and_no_namesake(small):
    category = small.model.catalogue.category
    items, _ = listed(small, Request(60, frozenset({"food > fruit"})))
    assert {str(c) for c in category[items]} == {"food > fruit", "food > fruit > citrus"}
    items, _ = listed(small, Request(60, frozenset({"food"})))
    assert "foodstuff" not in category[items]
    assert "" not in category[items]


def test_categories_are_alternatives(small):
    both, _ = listed(small, Request(60, frozenset({"foodstuff", "food > fruit > citrus"})))
    one, _ = listed(small, Request(60, frozenset({"foodstuff"})))
    other, _ = listed(small, Request(60, frozenset({"food > fruit > citrus"})))
    assert set(both) == {*one, *other}


def test_no_item_is_in_an_unknown_category_or_the_unnamed_one(small):
    assert listed(small, Request(5, frozenset({"pets"}))) == ([], 5)
    assert listed(small, Request(5, frozenset({""}))) == ([], 5)


def test_a_list_is_full_while_the_catalogue_has_items(small):
    n_available = int(small.model.catalogue.available.sum())
    assert n_available < 60
    items, shortfall = listed(small, Request(n_available))
    assert (len(set(items)), shortfall) == (n_available, 0)
    items, shortfall = listed(small, Request(n_available + 3))
    assert (len(items), shortfall) == (n_available, 3)


def test_an_item_that_left_the_catalogue_is_never_ranked(small):
    gone = set(np.flatnonzero(~small.model.catalogue.available).tolist())
    histories = small.customers.histories
    assert gone & set(histories.items[histories.rows(4)].tolist())
    for repeat in ("never", "learned", "always"):
        items, _ = listed(small, Request(60), repeat=repeat)
        assert not gone & set(items)


def test_excluded_items_make_room_for_the_next(small):
    before, _ = listed(small, Request(10))
    ids = small.model.items.ids
    without = Request(10, exclude_items=frozenset(map(str, ids[before[::2]])))
    after, shortfall = listed(small, without)
    assert shortfall == 0
    assert after[:5] == before[1::2]


def test_the_repeat_policy_hides_what_was_bought(small):
    histories, rebought = small.customers.histories, small.model.habit.rebought
    rows = histories.rows(4)
    items = histories.items[rows]
    available = small.model.catalogue.available[items]
    bought = set(items[(histories.visits[rows] > 0) & available].tolist())
    looked = set(items[(histories.visits[rows] == 0) & available].tolist())
    staples = {item for item in bought if rebought[item]}
    assert staples and bought - staples and looked
    ranked = {
        r: set(listed(small, Request(60), repeat=r)[0]) for r in ("never", "learned", "always")
    }
    assert not ranked["never"] & bought
    assert ranked["learned"] & bought == staples
    assert ranked["always"] >= bought
    assert all(items >= looked for items in ranked.values())


def test_learned_hides_everything_known_in_a_shop_without_repeats(make_small):
    small = make_small(3)
    small.model.habit.rebought[:] = False
    assert listed(small, Request(60), repeat="learned") == listed(
        small, Request(60), repeat="never"
    )


# Users without a history


def known_on(small, user, axis):
    return bool(small.customers.memberships.row(user)[small.model.segments[axis]].any())


@pytest.fixture(scope="module")
def strangers(make_small):
    """Forty users without any history; some are known on one axis, some on both, some on none."""
    return make_small(4, sizes=(0,) * 40)


def labels(small, variant, **weights):
    chain = Ranker(small.model, learnt(variant, **weights))
    users = range(len(small.customers.users))
    rankings = list(chain.rank_all(small.customers, users, variant, Request(10)))
    for ranking in rankings:
        assert len(ranking.items) == 10
        assert np.isfinite(ranking.scores).all()
    return [ranking.fallback for ranking in rankings]


def expected(small, *axes):
    users = range(len(small.customers.users))
    spoken = [any(known_on(small, user, axis) for axis in axes) for user in users]
    assert len(axes) == 0 or {True, False} == set(spoken)
    return ["segment" if known else "popular" for known in spoken]


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_user_without_history_gets_a_full_labelled_list(strangers, name):
    uses_segments = name in ("popular_by_segment", "segment_aware")
    axes = ("age", "place") if uses_segments else ()
    assert labels(strangers, variants({})[name]) == expected(strangers, *axes)


def test_only_an_axis_that_is_listed_makes_a_segment_list(strangers):
    assert labels(strangers, blend(("popularity", "prior:age"))) == expected(strangers, "age")


def test_an_axis_of_weight_zero_makes_no_segment_list(strangers):
    variant = blend(("popularity", "priors"))
    silent = {"prior:place": 0.0}
    assert labels(strangers, variant, **silent) == expected(strangers, "age")
    silent |= {"prior:age": 0.0}
    assert labels(strangers, variant, **silent) == expected(strangers)


def test_the_centre_of_the_segments_makes_a_segment_list(strangers):
    variant = blend(("als", "popularity"), centre="segments")
    assert labels(strangers, variant) == expected(strangers, "age", "place")
    assert labels(strangers, variant, als=0.0) == expected(strangers)
    assert labels(strangers, blend(("als", "popularity"))) == expected(strangers)


def test_a_user_with_a_history_has_no_fallback(small):
    assert labels(small, blend())[2:] == [None, None, None]


# Built-in recipes


def test_popular_by_segment_is_log_p_and_the_mean_of_the_lifts_of_known_axes(strangers):
    model, customers = strangers
    variant = variants({})["popular_by_segment"]
    seen = set()
    for user in range(40):
        known = [axis for axis in model.segments if known_on(strangers, user, axis)]
        seen.add(len(known))
        row = customers.memberships.row(user)
        lifts = [
            model.columns[:, model.blocks[PRIOR + axis]].astype(np.float64)
            @ row[model.segments[axis]]
            for axis in known
        ]
        scores = model.columns[:, -1] + (np.mean(lifts, axis=0) if lifts else 0.0)
        scores[~model.catalogue.available] = -np.inf
        ranking = Ranker(model, {}).rank(customers, user, variant, Request(10))
        np.testing.assert_allclose(ranking.scores, np.sort(scores)[::-1][:10], rtol=1e-6)
        assert ranking.items.tolist() == np.argsort(-scores, kind="stable")[:10].tolist()
    assert seen == {0, 1, 2}


def test_own_purchases_come_by_habit_and_then_what_is_popular(small):
    variant = variants({})["own_purchases"]
    ranking = Ranker(small.model, {}).rank(small.customers, 4, variant, Request(60))
    histories = small.customers.histories
    rows = histories.rows(4)
    habits = dict(
        zip(
            histories.items[rows].tolist(),
            small.model.habit.terms(histories, rows).tolist(),
            strict=True,
        )
    )
    popular = small.model.columns[:, -1].tolist()
    keys = [(-habits.get(item, 0.0), -popular[item]) for item in ranking.items.tolist()]
    assert keys == sorted(keys)


def test_what_was_not_learnt_is_refused(small):
    with pytest.raises(ConfigError, match="has not learnt the weights of the variant 'mine'"):
        Ranker(small.model, {}).rank(small.customers, 0, blend(), Request(5))


def test_an_axis_the_model_does_not_have_is_refused(small):
    variant = blend(("popularity", "prior:income"))
    with pytest.raises(ConfigError, match="no such axis; axes are age, place"):
        Ranker(small.model, learnt(variant)).rank(small.customers, 0, variant, Request(5))
