"""The list against a slow float64 loop over every item, and what must hold of every list."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.errors import ConfigError
from recsys.models import ALS, HABIT, NEIGHBOURS, POPULARITY, PRIOR, Grouped, Sparse
from recsys.models.neighbours import history_weights
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
from recsys.ranking.blend import KNOTS, coordinates, own_terms
from recsys.ranking.listing import CART, CART_WEIGHT

EVERYTHING = ("als", "popularity", "trend", "priors", "habit", "neighbours", "taste")
AXES = ("prior:age", "prior:place")
NUDGES = {
    "fresh": {"kind": "boost", "where": {"category": ("food > fruit",)}, "amount": 0.75},
    "dull": {"kind": "bury", "where": {"brand": ("theirs",)}, "amount": 0.5},
    "young": {
        "kind": "boost", "where": {"brand": ("ours",)}, "amount": 2.0,
        "segments": {"age": ("age0",)},
    },
    "never": {"kind": "forbid", "where": {"category": ("foodstuff",)}},
}  # fmt: skip
"""Rules that move scores or hide items, and arrange nothing."""


def blend(signals=EVERYTHING, *, repeat="always", centre=None, **fields):
    return make_variant("mine", Recipe(signals=signals, repeat=repeat, centre=centre, **fields))


def learnt(variant, **weights):
    """A ranker's weights: the same for everybody but for habit, which grows with a history."""
    base = {
        "als": 0.4,
        "popularity": 0.1,
        "prior:age": 0.3,
        "prior:place": 0.2,
        "habit": 1.0,
        "neighbours": 0.6,
        "trend": 0.05,
        "taste": 0.3,
    }
    signals = {signal: (weight,) * len(KNOTS) for signal, weight in (base | weights).items()}
    signals["habit"] = tuple(np.linspace(1.0, 2.0, len(KNOTS)).tolist())
    return {variant.learns: Weights(signals=signals, centre=variant.recipe.centre)}


class Completion:
    """Stands for what is bought together: some items complete any cart."""

    def __init__(self, items, values):
        self.found = Sparse(np.asarray(items), np.asarray(values))
        self.carts = []

    def cart_term(self, cart):
        self.carts.append(sorted(cart.tolist()))
        return self.found


def values_of(term, n_items):
    """The value of each item that a term of the user's own speaks of."""
    if isinstance(term, Grouped):
        return {item: float(term.values[term.groups[item]]) for item in range(n_items)}
    return dict(zip(term.items.tolist(), term.values.tolist(), strict=True))


def slow_list(small, user, variant, weights, request, cart=None):
    """Score every item one by one in float64, sort by (−score, item id)."""
    model, customers = small
    parts = coordinates(model, customers, user, variant.recipe.centre)
    own = own_terms(model, customers, user)
    if cart is not None:
        own[CART], weights = cart, {**weights, CART: CART_WEIGHT}
    values = {name: values_of(term, len(model.items)) for name, term in own.items()}
    scored = []
    for item in range(len(model.items)):
        if not allowed(small, user, item, variant, request):
            continue
        score = 0.0
        for signal in (*model.signals, CART):
            if signal in weights and signal in own:
                score += weights[signal] * values[signal].get(item, 0.0)
            elif signal in weights:
                row = model.columns[item, model.blocks[signal]].astype(np.float64)
                score += weights[signal] * float((row * parts[signal]).sum())
        for nudge in nudges_of(small, user, item, variant):
            score += nudge
        scored.append((-score, str(model.items.ids[item])))
    best = sorted(scored)[: request.k]
    return [item for _, item in best], [-score for score, _ in best]


def holds(small, user, item, rule):
    """Whether a rule is about this item and this customer."""
    model, customers = small
    row = customers.memberships.row(user)
    for axis, names in rule.segments.items():
        (found,) = (one for one in model.axes if one.name == axis)
        segments = row[model.segments[axis]]
        if sum(segments[found.segments.index(name)] for name in names) < 0.5:
            return False
    for column, values in rule.where.items():
        value = str(model.catalogue.columns[column][item])
        if not any(value == one or value.startswith(one + " > ") for one in values):
            return False
    return True


def nudges_of(small, user, item, variant):
    """What rules add to a score, one after the other: boosts by name, then what is taken away."""
    for kind, sign in (("boost", 1.0), ("bury", -1.0)):
        for _, rule in sorted(variant.recipe.rules.items()):
            if rule.kind == kind and holds(small, user, item, rule):
                yield sign * rule.amount


def allowed(small, user, item, variant, request):
    model, histories = small.model, small.customers.histories
    rows = histories.rows(user)
    bought = item in histories.items[rows][histories.visits[rows] > 0]
    category = str(model.catalogue.category[item])
    wanted = [category == c or category.startswith(c + " > ") for c in request.categories - {""}]
    known = {"never": bought, "learned": bought and not model.habit.rebought[item]}
    rules = variant.recipe.rules.values()
    forbidden = any(rule.kind == "forbid" and holds(small, user, item, rule) for rule in rules)
    return (
        bool(model.catalogue.available[item])
        and not forbidden
        and str(model.items.ids[item]) not in {*request.exclude_items, *request.cart}
        and (any(wanted) or not request.categories)
        and not known.get(variant.recipe.repeat, False)
    )


def check_against_oracle(small, variant, weights, request, together=None):
    chain = Ranker(small.model, weights, together)
    cart = None if together is None else together.found
    users = range(len(small.customers.users))
    for user, ranking in enumerate(chain.rank_all(small.customers, users, variant, request)):
        used = chain.user_weights(small.customers, user, variant)
        items, scores = slow_list(small, user, variant, used, request, cart)
        assert ranking.ids(small.model.items.ids) == items
        assert ranking.scores.tolist() == scores
        assert ranking.shortfall == request.k - len(items)
        assert ranking.propensities.tolist() == [1.0] * len(items)
        assert ranking.offers == [{} for _ in items]
        assert ranking.unmet == ()


# The exact order


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([None, 1, 3, 15]), st.sampled_from([1, 7, 25, 80]))
def test_a_list_is_that_of_the_slow_loop_to_the_last_bit(make_small, seed, steps, k):
    small = make_small(seed, steps=steps)
    variant = blend()
    check_against_oracle(small, variant, learnt(variant), Request(k))


@settings(max_examples=15, deadline=None)
@given(
    st.integers(0, 10_000),
    st.sampled_from([None, 2]),
    st.sampled_from([1, 12, 80]),
    st.sets(st.sampled_from(sorted(NUDGES))),
    st.booleans(),
)
def test_rules_that_nudge_and_a_cart_are_terms_like_the_others(
    make_small, seed, steps, k, names, offered
):
    small = make_small(seed, steps=steps)
    rules = {name: NUDGES[name] for name in names}
    together = Completion([0, 5, 17, 41], [0.1, 0.02, 0.3, 0.02])
    request = Request(k, cart=("i0003", "i0009", "unheard of"))
    plain = blend(rules=rules)
    check_against_oracle(small, plain, learnt(plain), request, together)
    assert together.carts == [[3, 9]]
    if offered:
        # An offer without an amount moves nothing, and its list is arranged place by place.
        label = {"kind": "offer", "label": "new", "where": {"items": ("unheard of",)}}
        arranged = blend(rules={**rules, "label": label})
        check_against_oracle(small, arranged, learnt(arranged), request, together)


@settings(max_examples=25, deadline=None)
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


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_a_weak_signal_decides_between_equal_strong_ones(make_small, seed):
    small = make_small(seed, steps=4)
    check_against_oracle(small, make_variant("own", BUILT_IN["own_purchases"]), {}, Request(10))


@settings(max_examples=25, deadline=None)
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


def bits(ranking):
    """A ranking to the last bit."""
    terms = {signal: values.tobytes() for signal, values in ranking.terms.items()}
    arrays = [values.tobytes() for values in (ranking.scores, ranking.propensities)]
    rest = (ranking.fallback, ranking.shortfall, ranking.offers, ranking.unmet)
    return ranking.items.tolist(), arrays, terms, rest


FINISHES = {
    "plain": {},
    "rules": {"rules": {**NUDGES, "one": {"kind": "cap", "column": "brand", "at_most": 4}}},
    "mmr": {"diversity": {"kind": "mmr"}},
    "calibration": {"diversity": {"kind": "calibration", "column": "category"}},
    "lots": {"exploration": {"kind": "plackett_luce", "temperature": 1.0}},
}


@pytest.mark.parametrize("finish", FINISHES)
@pytest.mark.parametrize("users_in_a_block", [1, 3, 100])
def test_a_batch_is_the_single_requests_bit_for_bit(
    monkeypatch, make_small, users_in_a_block, finish
):
    small = make_small(2, n_items=300, d=33, sizes=(0, 3, 7, 0, 100, 20, 1))
    variant = blend(repeat="learned", **FINISHES[finish])
    chain = Ranker(small.model, learnt(variant))
    users, request = range(7), Request(20, request_id="r1", new=3)
    single = [chain.rank(small.customers, user, variant, request) for user in users]
    monkeypatch.setattr(ranker, "BLOCK_BYTES", 4 * 300 * users_in_a_block)
    batch = list(chain.rank_all(small.customers, users, variant, request))
    assert [bits(one) for one in batch] == [bits(one) for one in single]


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
        assert total(ranking).tolist() == ranking.scores.tolist()


def total(ranking):
    found = np.zeros(len(ranking.items))
    for values in ranking.terms.values():
        found += values
    return found


def test_a_cart_and_rules_have_terms_of_their_own_after_the_signals(small):
    variant = blend(rules=NUDGES)
    chain = Ranker(small.model, learnt(variant), Completion([0, 1, 2], [0.5, 0.25, 0.125]))
    (young,) = [u for u in range(5) if small.customers.memberships.row(u)[0] >= 0.5][:1]
    ranking = chain.rank(small.customers, young, variant, Request(60, cart=("i0007",)))
    order = [*small.model.signals, "cart", "rule:fresh", "rule:young", "rule:dull"]
    assert list(ranking.terms) == order
    assert total(ranking).tolist() == ranking.scores.tolist()
    amounts = {"rule:fresh": 0.75, "rule:young": 2.0, "rule:dull": -0.5}
    for name, amount in amounts.items():
        rule = variant.recipe.rules[name.removeprefix("rule:")]
        for item, value in zip(ranking.items.tolist(), ranking.terms[name], strict=True):
            assert value == (amount if holds(small, young, item, rule) else 0.0)
        assert {0.0, amount} == set(ranking.terms[name].tolist())
    cart = dict(zip(ranking.items.tolist(), ranking.terms["cart"].tolist(), strict=True))
    speaking = {item: value for item, value in cart.items() if value}
    listable = [i for i in range(3) if i in cart]
    assert speaking == {i: CART_WEIGHT * [0.5, 0.25, 0.125][i] for i in listable} != {}


def test_without_a_cart_or_what_goes_with_it_there_is_no_such_term(small):
    variant = blend()
    together = Completion([0], [1.0])
    for chain, request in (
        (Ranker(small.model, learnt(variant), together), Request(5)),
        (Ranker(small.model, learnt(variant)), Request(5, cart=("i0001",))),
    ):
        ranking = chain.rank(small.customers, 4, variant, request)
        assert CART not in ranking.terms
        assert total(ranking).tolist() == ranking.scores.tolist()
    assert together.carts == []


def test_what_is_in_the_cart_is_not_listed(small):
    before, _ = listed(small, Request(10))
    ids = tuple(map(str, small.model.items.ids[before[:3]]))
    after, shortfall = listed(small, Request(10, cart=ids))
    assert shortfall == 0
    assert after[:7] == before[3:]


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
    histories = small.customers.histories
    rows = histories.rows(4)
    items = histories.items[rows].tolist()
    habit = dict(zip(items, small.model.habit.terms(histories, rows).tolist(), strict=True))
    expected = [used[HABIT] * habit.get(item, 0.0) for item in ranking.items.tolist()]
    assert ranking.terms[HABIT].tolist() == expected
    near = slow_neighbours(small.model.neighbours, items, histories.worth[rows])
    expected = [used[NEIGHBOURS] * near.get(item, 0.0) for item in ranking.items.tolist()]
    np.testing.assert_allclose(ranking.terms[NEIGHBOURS], expected, rtol=1e-6)
    assert np.count_nonzero(expected) > 10


def slow_neighbours(neighbours, items, worth):
    """The mean of the rows of the items of a history, weighed by how much each counts."""
    weights = history_weights(worth).tolist()
    found = {}
    for item, weight in zip(items, weights, strict=True):
        for entry in range(neighbours.indptr[item], neighbours.indptr[item + 1]):
            near = int(neighbours.indices[entry])
            share = weight / sum(weights)
            found[near] = found.get(near, 0.0) + share * float(neighbours.data[entry])
    return found


def test_weights_move_with_the_activity(small):
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
        place = np.interp(np.log1p(activity), np.log1p(KNOTS), np.linspace(1.0, 2.0, len(KNOTS)))
        assert weight == pytest.approx(place)
    assert seen[-1][1] > 1.2


def test_a_signal_that_was_not_worth_learning_weighs_nothing(small):
    variant = blend()
    weights = {variant.learns: Weights(signals={"popularity": (1.0,) * len(KNOTS)})}
    chain = Ranker(small.model, weights)
    used = chain.user_weights(small.customers, 4, variant)
    assert used == {**dict.fromkeys(small.model.signals, 0.0), "popularity": 1.0}
    ranking = chain.rank(small.customers, 4, variant, Request(60))
    assert ranking.scores.tolist() == ranking.terms["popularity"].tolist()


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
    # The recipe allows it, and learning found that it earns nothing.
    (weights,) = learnt(variant).values()
    stayed = {variant.learns: weights.model_copy(update={"centre": "mean"})}
    lists = Ranker(strangers.model, stayed).rank_all(
        strangers.customers, range(40), variant, Request(5)
    )
    assert [ranking.fallback for ranking in lists] == expected(strangers)
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


def test_a_rule_about_what_is_not_there_is_refused_and_an_item_that_left_is_only_told(small):
    variant = blend(rules={"x": {"kind": "forbid", "where": {"colour": ("red",)}}})
    with pytest.raises(ConfigError, match="the rule 'x' reads the items' column 'colour'"):
        Ranker(small.model, learnt(variant)).rank(small.customers, 0, variant, Request(5))
    gone = blend(rules={"x": {"kind": "pin", "items": ("sold out",)}})
    (note,) = Ranker(small.model, learnt(gone)).check(gone)
    assert "'sold out'" in note


# After the blend, through the whole chain


def ranked(small, request=None, *, user=4, **finish):
    variant = blend(**finish)
    chain = Ranker(small.model, learnt(variant))
    return chain.rank(small.customers, user, variant, request or Request(12))


def item_ids(small, items):
    return tuple(map(str, small.model.items.ids[items]))


def test_a_pinned_item_stands_where_it_is_pinned_and_the_others_keep_their_order(small):
    plain = ranked(small).items.tolist()
    last = plain[-2:]
    pin = {"kind": "pin", "items": item_ids(small, last), "position": 3}
    found = ranked(small, rules={"first": pin})
    rest = [item for item in plain if item not in last]
    assert found.items.tolist() == [*rest[:2], *last, *rest[2:]]
    assert found.unmet == ()
    scores = dict(zip(found.items.tolist(), total(found).tolist(), strict=True))
    assert [scores[item] for item in found.items.tolist()] == found.scores.tolist()


def test_no_rule_lists_what_the_filters_leave_out(small):
    n = small.model.catalogue.available.sum()
    gone = item_ids(small, np.flatnonzero(~small.model.catalogue.available)[:1])
    plain = ranked(small).items.tolist()
    excluded = item_ids(small, plain[:1])
    pins = {
        "gone": {"kind": "pin", "items": gone},
        "out": {"kind": "pin", "items": excluded},
        "all": {"kind": "require", "where": {"items": (*gone, *excluded)}, "at_least": 2},
    }
    found = ranked(small, Request(60, exclude_items=frozenset(excluded)), rules=pins)
    assert not {*gone, *excluded} & set(item_ids(small, found.items))
    assert len(found.items) == n - 1
    assert sorted(one.rule for one in found.unmet) == ["all", "gone", "out"]


def test_a_cap_holds_and_passes_over_only_what_is_too_much(small):
    categories = small.model.catalogue.category
    plain = ranked(small, Request(60)).items.tolist()
    cap = {"kind": "cap", "column": "category", "at_most": 2}
    found = ranked(small, Request(8), rules={"two": cap})
    expected, counts = [], {}
    for item in plain:
        category = str(categories[item])
        counts[category] = counts.get(category, 0) + 1
        if category == "" or counts[category] <= 2:
            expected.append(item)
    assert found.items.tolist() == expected[:8]
    assert found.items.tolist() != plain[:8]


def test_a_boost_moves_its_items_up_and_a_forbidden_one_is_gone(small):
    where = {"brand": ("ours",)}
    ours = small.model.catalogue.columns["brand"] == "ours"
    plain = ranked(small, Request(60)).items
    boosted = ranked(small, Request(60), rules={"up": {**UP, "where": where}}).items
    assert boosted.tolist() != plain.tolist()
    # Each side keeps its own order, and with enough of it one stands above the other.
    assert boosted.tolist() == [*plain[ours[plain]].tolist(), *plain[~ours[plain]].tolist()]
    hidden = ranked(small, Request(60), rules={"no": {"kind": "forbid", "where": where}}).items
    assert hidden.tolist() == plain[~ours[plain]].tolist()


UP = {"kind": "boost", "amount": 1000.0}


def test_a_rule_holds_for_its_segment_and_in_its_time_only(small):
    segments = {"segments": {"age": ("age0",)}, "since": "1970-01-01T00:00:01Z"}
    variant = blend(rules={"up": {**UP, **segments, "until": "1970-01-01T00:00:02Z"}})
    chain = Ranker(small.model, learnt(variant))
    for user in range(5):
        inside = small.customers.memberships.row(user)[0] >= 0.5
        for moment, holds_then in ((999_999, False), (1_000_000, True), (2_000_000, False)):
            ranking = chain.rank(small.customers, user, variant, Request(5, as_of=moment))
            assert ("rule:up" in ranking.terms) == (inside and holds_then)


def test_an_offer_stands_beside_its_items(small):
    offer = {"kind": "offer", "label": "−10 %", "where": {"brand": ("ours",)}}
    plain, found = ranked(small), ranked(small, rules={"sale": offer})
    assert found.items.tolist() == plain.items.tolist()
    ours = small.model.catalogue.columns["brand"][found.items] == "ours"
    assert found.offers == [{"sale": "−10 %"} if one else {} for one in ours.tolist()]
    assert 0 < ours.sum() < len(ours)


def test_what_cannot_be_kept_is_told(small):
    require = {"kind": "require", "where": {"items": ("i0003", "unheard of")}, "at_least": 2}
    (unmet,) = ranked(small, rules={"both": require}).unmet
    assert (unmet.rule, "of the 2 items asked for" in unmet.text) == ("both", True)


def test_variants_that_differ_only_in_rules_rank_by_the_same_weights(small):
    plain, sale = blend(), blend(rules={"up": {**UP, "where": {"brand": ("ours",)}}})
    chain = Ranker(small.model, learnt(plain))
    assert plain.digest != sale.digest
    one, other = (chain.rank(small.customers, 4, v, Request(60)) for v in (plain, sale))
    assert one.items.tolist() != other.items.tolist()
    at = {item: place for place, item in enumerate(other.items.tolist())}
    order = [at[item] for item in one.items.tolist()]
    for signal, values in one.terms.items():
        assert values.tolist() == other.terms[signal][order].tolist()


def test_the_list_after_the_list_is_the_best_of_what_is_new_to_the_user(small):
    histories = small.customers.histories
    everything = ranked(small, Request(60)).items.tolist()
    for k, new in ((3, 4), (12, 60)):
        found = ranked(small, Request(k, new=new))
        known = {*everything[:k], *histories.items[histories.rows(4)].tolist()}
        rest = [item for item in everything[k:] if item not in known][:new]
        assert found.items.tolist() == [*everything[:k], *rest]
        assert (found.shortfall, len(found.offers)) == (0, len(found.items))
        assert total(found).tolist() == found.scores.tolist()
        assert found.propensities.tolist() == [1.0] * len(found.items)


# A second aim, and places filled by lot


def alike(small, items):
    """The mean cosine of the factors of all pairs of a list."""
    factors = small.model.columns[items, small.model.blocks[ALS]].astype(np.float64)
    factors /= np.linalg.norm(factors, axis=1, keepdims=True)
    cosines = factors @ factors.T
    return (cosines.sum() - len(items)) / (len(items) * (len(items) - 1))


def test_diversity_makes_a_list_less_alike_and_of_strength_0_nothing(small):
    plain = ranked(small)
    none = ranked(small, diversity={"kind": "mmr", "strength": 0.0})
    assert none.items.tolist() == plain.items.tolist()
    some = ranked(small, diversity={"kind": "mmr", "strength": 0.6})
    assert alike(small, some.items) < alike(small, plain.items) - 0.05
    assert some.items[0] == plain.items[0]
    assert total(some).tolist() == some.scores.tolist()


@pytest.mark.parametrize(("wanted", "other"), [("ours", "theirs"), ("theirs", "ours")])
def test_a_calibrated_list_holds_what_the_history_holds(small, wanted, other):
    brands, histories = small.model.catalogue.columns["brand"], small.customers.histories
    worth = np.where(brands[histories.items] == wanted, 5.0, 0.0)
    customers = replace(small.customers, histories=replace(histories, worth=worth))
    aim = {"kind": "calibration", "column": "brand", "strength": 0.95}
    plain, found = (
        ranked(small._replace(customers=customers), **finish) for finish in ({}, {"diversity": aim})
    )
    assert other in brands[plain.items]
    # An item of no brand disturbs no mix.
    assert {wanted} == {*brands[found.items].tolist()} - {""}
    assert total(found).tolist() == found.scores.tolist()


def test_luck_comes_from_the_seed_the_user_and_the_request_alone(small):
    lots = {"exploration": {"kind": "plackett_luce", "temperature": 2.0, "depth": 20}}

    def items(user=4, **request):
        return ranked(small, Request(10, **request), user=user, **lots).items.tolist()

    assert items(request_id="a") == items(request_id="a")
    assert items(request_id="a") != items(request_id="b")
    assert items(seed=1) != items(seed=2)
    variant = blend(**lots)
    chain = Ranker(small.model, learnt(variant))
    batch = chain.rank_all(small.customers, [3, 4], variant, Request(10, request_id="a"))
    assert [r.items.tolist() for r in batch] == [items(3, request_id="a"), items(request_id="a")]


def test_propensities_are_those_of_the_scores_that_are_told(small):
    """Plackett–Luce over everything: each place by e^(score / T), of what is not yet listed."""
    config = {"kind": "plackett_luce", "temperature": 1.5, "depth": 100}
    everything = ranked(small, Request(60))
    scores = dict(zip(everything.items.tolist(), everything.scores.tolist(), strict=True))
    found = ranked(small, Request(8, request_id="z"), exploration=config)
    assert found.items.tolist() != everything.items[:8].tolist()
    left = dict(scores)
    for item, propensity in zip(found.items.tolist(), found.propensities.tolist(), strict=True):
        chances = {one: np.exp(score / 1.5) for one, score in left.items()}
        assert propensity == pytest.approx(chances[item] / sum(chances.values()))
        left.pop(item)


def test_swaps_without_a_chance_list_the_best(small):
    still = ranked(small, exploration={"kind": "swaps", "chance": 0.0})
    assert still.items.tolist() == ranked(small).items.tolist()
    assert still.propensities.tolist() == [1.0] * 12


def test_a_pinned_item_is_never_drawn_away(small):
    pin = {"kind": "pin", "items": ("i0003",), "position": 2}
    for number in range(5):
        request = Request(6, request_id=str(number))
        found = ranked(
            small, request, rules={"p": pin}, exploration={"kind": "swaps", "chance": 1.0}
        )
        assert item_ids(small, found.items[1:2]) == ("i0003",)
        assert found.propensities[1] == 1.0
        assert (found.propensities[[0, 2, 3, 4, 5]] < 1.0).all()


@pytest.mark.parametrize("user", range(5))
def test_a_users_side_may_be_kept_and_answers_like_a_new_one(small, user):
    variant = blend()
    chain = Ranker(small.model, learnt(variant))
    kept = chain.scorer(small.customers, user, variant)
    for request in (Request(5), Request(60), Request(3, cart=("i0003",)), Request(5)):
        found = chain.answer(kept, request)
        expected = chain.rank(small.customers, user, variant, request)
        assert found.items.tolist() == expected.items.tolist()
        assert found.scores.tolist() == expected.scores.tolist()
        assert list(found.terms) == list(expected.terms)
