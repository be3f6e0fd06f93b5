"""Lists against slow loops, and what must hold of every list whatever the rules say."""

from collections import Counter
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.ranking import arrangement
from recsys.ranking.arrangement import Candidates, arrange, candidates_of
from recsys.ranking.calibration import Calibration
from recsys.ranking.diversity import Mmr, by_category, by_factors
from recsys.ranking.exploration import PlackettLuceConfig, SwapsConfig, draws
from recsys.ranking.in_force import Cap, Forbidden, InForce, Offer, Pins, Requirement

N = 12
VALUES = np.asarray(["a", "b", "c"])


def flags(*items):
    return np.isin(np.arange(N), items)


def pins(*items, position=1, rule="pin"):
    return Pins(rule, tuple(f"i{item}" for item in items), np.asarray(items), position)


def cap(codes, at_most=1, within=None, rule="cap"):
    return Cap(rule, np.asarray(codes), VALUES, at_most, within)


def need(*items, at_least=1, within=None, rule="need"):
    return Requirement(rule, flags(*items), at_least, within)


def falling(n=N):
    """Item 0 is the best, item 1 the second, and so on."""
    return -np.arange(n, dtype=np.float64)


def items_of(in_force, *, k=5, scores=None, allowed=None, **how):
    scores = falling() if scores is None else scores
    allowed = np.ones(len(scores), dtype=np.bool_) if allowed is None else allowed
    return arrange(candidates_of(scores, allowed), in_force, k=k, **how)


def rules_unmet(found):
    return [problem.rule for problem in found.unmet]


# Shops drawn at random

codes = st.lists(st.integers(-1, 2), min_size=N, max_size=N).map(np.asarray)
some = st.sets(st.integers(0, N - 1), max_size=N)
few = st.sets(st.integers(4, N - 1), min_size=1, max_size=3)
within = st.one_of(st.none(), st.integers(1, 8))


@st.composite
def orders(draw):
    """Rules that may contradict each other in every way."""
    pinned = st.lists(st.integers(-1, N - 1), min_size=1, max_size=4, unique=True)
    return InForce(
        tuple(Forbidden("no", flags(*draw(some))) for _ in range(draw(st.integers(0, 1)))),
        tuple(
            pins(*draw(pinned), position=draw(st.integers(1, 9)), rule=f"pin{number}")
            for number in range(draw(st.integers(0, 2)))
        ),
        tuple(
            cap(draw(codes), draw(st.integers(1, 3)), draw(within), f"cap{number}")
            for number in range(draw(st.integers(0, 2)))
        ),
        tuple(
            need(
                *draw(some),
                at_least=draw(st.integers(1, 4)),
                within=draw(within),
                rule=f"need{number}",
            )
            for number in range(draw(st.integers(0, 3)))
        ),
    )


@st.composite
def shops(draw):
    """Scores with many ties, and what may be listed."""
    scores = np.asarray(draw(st.lists(st.integers(-3, 3), min_size=N, max_size=N)), dtype=float)
    return scores, flags(*draw(some))


@st.composite
def aims(draw):
    """How an item is chosen: makers of an objective, and of draws."""
    factors = np.random.default_rng(draw(st.integers(0, 9))).normal(size=(N, 3)).astype(np.float32)
    category, mix = draw(codes), np.asarray([0.5, 0.3, 0.2])
    objective = draw(
        st.sampled_from(
            [
                lambda: None,
                lambda: Mmr(0.4, by_factors(factors.__getitem__)),
                lambda: Mmr(0.4, by_category(category)),
                lambda: Calibration(0.5, category, mix),
            ]
        )
    )
    config = draw(
        st.sampled_from(
            [
                None,
                PlackettLuceConfig(kind="plackett_luce", temperature=1.0, depth=4),
                SwapsConfig(kind="swaps", chance=0.5, depth=3),
            ]
        )
    )
    return objective, config


def luck(config, k, user="u"):
    return config and draws(config, seed=1, user_id=user, request_id="r", k=k)


@settings(max_examples=120, deadline=None)
@given(shops(), orders(), aims(), st.integers(1, N + 2))
def test_what_holds_of_every_list(shop, in_force, aim, k):
    scores, allowed = shop
    forbidden = in_force.forbids()
    allowed = allowed if forbidden is None else allowed & ~forbidden
    objective, config = aim
    found = items_of(
        in_force, k=k, scores=scores, allowed=allowed, objective=objective(), draws=luck(config, k)
    )
    listed = found.items.tolist()
    unmet = rules_unmet(found)
    assert len(listed) == min(k, allowed.sum())
    assert len({*listed}) == len(listed)
    assert allowed[listed].all()
    assert found.scores.tolist() == scores[listed].tolist()
    assert ((found.propensities > 0) & (found.propensities <= 1)).all()
    assert config or (found.propensities == 1).all()
    for rule in in_force.caps:
        head = [rule.codes[item] for item in listed[: rule.within] if rule.codes[item] >= 0]
        worst = max(Counter(head).values(), default=0)
        assert (rule.rule in unmet) == (worst > rule.at_most)
    for rule in in_force.requirements:
        met = rule.items[listed[: rule.within]].sum() >= rule.at_least
        assert (rule.rule in unmet) == (not met)
    for rule in in_force.pins:
        asked = rule.items.tolist()
        start = rule.position - 1
        assert rule.rule in unmet or listed[start : start + len(asked)] == asked
    assert {*unmet} <= {r.rule for r in (*in_force.pins, *in_force.caps, *in_force.requirements)}


@settings(max_examples=60, deadline=None)
@given(shops(), orders(), aims(), st.integers(1, 8), st.randoms(use_true_random=False))
def test_the_order_in_which_candidates_come_plays_no_part(shop, in_force, aim, k, random):
    scores, allowed = shop
    straight = candidates_of(scores, allowed)

    def shuffled(wanted, n):
        items, values = straight.best(wanted, n)
        order = random.sample(range(len(items)), len(items))
        return items[order], values[order]

    objective, config = aim
    one, other = (
        arrange(candidates, in_force, k=k, objective=objective(), draws=luck(config, k))
        for candidates in (straight, Candidates(allowed, shuffled))
    )
    assert one.items.tolist() == other.items.tolist()
    assert one.propensities.tolist() == other.propensities.tolist()


@settings(max_examples=60, deadline=None)
@given(shops(), orders(), aims(), st.integers(1, 8))
def test_how_many_candidates_are_fetched_at_once_plays_no_part(shop, in_force, aim, k):
    _, config = aim
    found = []
    for size in (1, 3, N):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(arrangement, "SPARE", size - k - (config.depth if config else 1))
            found.append(items_of(in_force, k=k, scores=shop[0], draws=luck(config, k)))
    assert found[0].items.tolist() == found[1].items.tolist() == found[2].items.tolist()
    assert found[0].propensities.tolist() == found[2].propensities.tolist()


@settings(max_examples=60, deadline=None)
@given(shops(), st.integers(1, N + 2))
def test_without_anything_asked_it_is_the_plain_top_k(shop, k):
    scores, allowed = shop
    expected = [
        item for _, item in sorted((-score, i) for i, score in enumerate(scores)) if allowed[item]
    ]
    nothing = Mmr(0.0, by_category(np.zeros(N, dtype=np.int64)))
    for objective in (None, nothing):
        found = items_of(InForce(), k=k, scores=scores, allowed=allowed, objective=objective)
        assert found.items.tolist() == expected[:k]
        assert found.log_probability == 0.0
        assert found.unmet == ()


# Pins


def test_pins_stand_where_they_are_put_and_the_others_around_them():
    found = items_of(InForce(pins=(pins(9, 11, position=2),)))
    assert found.items.tolist() == [0, 9, 11, 1, 2]
    assert found.scores.tolist() == [0, -9, -11, -1, -2]
    assert found.unmet == ()


def test_a_pin_that_cannot_be_listed_is_told_and_the_next_moves_up():
    in_force = InForce((Forbidden("no", flags(8)),), (pins(-1, 8, 7, 6),))
    found = items_of(in_force, allowed=~flags(7, 8))
    assert found.items.tolist() == [6, 0, 1, 2, 3]
    texts = [problem.text for problem in found.unmet]
    assert texts[0] == "'i-1' is not in the catalogue"
    assert texts[1] == "'i8' is forbidden by the rule 'no'"
    assert texts[2].startswith("'i7' is not available")
    assert len(texts) == 3


def test_of_two_pins_for_one_place_the_weaker_goes_to_the_next_free_one():
    rules = (pins(5, position=1, rule="a"), pins(5, 6, 7, position=1, rule="b"))
    found = items_of(InForce(pins=rules), k=4)
    assert found.items.tolist() == [5, 6, 7, 0]
    assert found.unmet == ()
    rules = (pins(5, position=2, rule="a"), pins(6, 5, position=2, rule="b"))
    found = items_of(InForce(pins=rules), k=4)
    assert found.items.tolist() == [0, 5, 6, 1]
    assert [(p.rule, p.text) for p in found.unmet] == [
        ("b", "'i6' stands at place 3 instead of 2"),
        ("b", "'i5' is pinned by the rule 'a'"),
    ]


def test_a_pin_beyond_the_list_is_told_and_beyond_the_catalogue_moves_up():
    late = InForce(pins=(pins(9, position=7),))
    found = items_of(late)
    assert found.items.tolist() == [0, 1, 2, 3, 4]
    assert "no free place from 7 on" in found.unmet[0].text
    found = items_of(late, k=10, allowed=flags(0, 1, 9))
    assert found.items.tolist() == [0, 1, 9]
    assert "at place 3 instead of 7" in found.unmet[0].text


# Caps


@settings(max_examples=60, deadline=None)
@given(shops(), codes, st.integers(1, 3), within, st.integers(1, 8))
def test_a_cap_passes_over_what_would_be_too_many(shop, category, at_most, within, k):
    scores, allowed = shop
    found = items_of(
        InForce(caps=(cap(category, at_most, within),)), k=k, scores=scores, allowed=allowed
    )
    left = [i for _, i in sorted((-s, i) for i, s in enumerate(scores)) if allowed[i]]
    listed, counts = [], Counter()
    while left and len(listed) < k:
        capped = len(listed) < (within or k)
        fits = [i for i in left if category[i] < 0 or counts[category[i]] < at_most or not capped]
        chosen = (fits or left)[0]
        left.remove(chosen)
        listed.append(chosen)
        counts[category[chosen]] += capped
    assert found.items.tolist() == listed


def test_a_pin_uses_up_the_room_before_the_places_above_it_are_filled():
    category = np.where(flags(0, 1, 9), 0, -1)
    found = items_of(InForce(pins=(pins(9, position=4),), caps=(cap(category),)))
    assert found.items.tolist() == [2, 3, 4, 9, 5]
    assert found.unmet == ()


def test_pins_beat_a_cap_and_the_cap_is_told():
    found = items_of(InForce(pins=(pins(3, 4),), caps=(cap(np.where(flags(3, 4, 0), 1, -1)),)))
    assert found.items.tolist() == [3, 4, 1, 2, 5]
    assert [(p.rule, p.text[:20]) for p in found.unmet] == [("cap", "'b' stands 2 times w")]


def test_the_weakest_cap_gives_way_first():
    first, second = np.where(flags(1, 2, 3), 0, -1), np.where(flags(2), 1, 0)
    in_force = InForce(caps=(cap(first, rule="a"), cap(second, at_most=1, rule="b")))
    found = items_of(in_force, k=3, allowed=flags(0, 1, 2))
    assert found.items.tolist() == [0, 2, 1]
    assert sorted(rules_unmet(found)) == ["a", "b"]
    found = items_of(in_force, k=3, allowed=flags(0, 4, 2))
    assert found.items.tolist() == [0, 2, 4]
    assert rules_unmet(found) == ["b"]
    one, all_alike = np.where(flags(0, 1), 0, -1), np.zeros(N, dtype=np.int64)
    in_force = InForce(caps=(cap(one, rule="a"), cap(all_alike, rule="b")))
    found = items_of(in_force, k=2)
    assert found.items.tolist() == [0, 2]
    assert rules_unmet(found) == ["b"]


# Requirements


@settings(max_examples=60, deadline=None)
@given(shops(), some, st.integers(1, 4), within, st.integers(1, 7))
def test_a_requirement_costs_as_little_as_it_can(shop, wanted, at_least, within, k):
    scores, allowed = shop
    length = min(k, int(allowed.sum()))
    first = min(within or k, k)
    matches = flags(*wanted)
    found = items_of(
        InForce(requirements=(need(*wanted, at_least=at_least, within=within),)),
        k=k,
        scores=scores,
        allowed=allowed,
    )
    # The first places hold the best items with enough that match; then come the best of the rest.
    owed = min(at_least, first, int((matches & allowed).sum()))
    head = best_with(scores, np.flatnonzero(allowed), matches, owed, min(first, length))
    rest = [i for i in np.flatnonzero(allowed).tolist() if i not in head]
    tail = sorted(rest, key=lambda i: (-scores[i], i))[: length - len(head)]
    assert sorted(found.items[:first].tolist()) == sorted(head)
    assert found.items[first:].tolist() == tail
    assert found.scores[:first].tolist() == sorted(scores[head], reverse=True)
    assert (rules_unmet(found) == []) == (owed >= at_least)


def best_with(scores, items, matches, owed, n):
    """The `n` best items of which `owed` match: the best that match, then the best of the rest."""
    ranked = sorted(items.tolist(), key=lambda i: (-scores[i], i))
    sure = [i for i in ranked if matches[i]][:owed]
    return sure + [i for i in ranked if i not in sure][: n - owed]


@settings(max_examples=60, deadline=None)
@given(few, st.integers(1, 4), within, codes, st.integers(1, 2), st.integers(1, 7))
def test_a_requirement_that_a_cap_leaves_possible_is_met(
    wanted, at_least, within, category, at_most, k
):
    in_force = InForce(
        caps=(cap(category, at_most),),
        requirements=(need(*wanted, at_least=at_least, within=within),),
    )
    found = items_of(in_force, k=k)
    matching = Counter(category[sorted(wanted)].tolist())
    free = matching.pop(-1, 0)
    room = free + sum(min(count, at_most) for count in matching.values())
    if at_least <= min(room, within or k, k):
        assert "need" not in rules_unmet(found)
    else:
        # Where nothing else is left a cap gives way, and what it kept out may be listed after all.
        assert rules_unmet(found)


def test_what_a_requirement_needs_of_a_cap_is_kept_for_it():
    # Item 0 would use up the room of item 5, and item 1 leaves room for item 6.
    category = np.select([flags(0, 5), flags(1, 6)], [0, 1], -1)
    rules = InForce(caps=(cap(category),), requirements=(need(5),))
    assert items_of(rules, k=3).items.tolist() == [1, 2, 5]
    wide = InForce(caps=(cap(category, at_most=2),), requirements=(need(5, 6),))
    assert items_of(wide, k=3).items.tolist() == [0, 1, 5]
    passing = InForce(caps=(cap(category, within=1),), requirements=(need(5),))
    assert items_of(passing, k=3).items.tolist() == [0, 1, 5]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 6)), min_size=1, max_size=3))
def test_requirements_that_fit_together_are_all_met(asked):
    parts = [range(number * 4, number * 4 + 4) for number in range(3)]
    rules = tuple(
        need(*parts[number], at_least=at_least, within=within, rule=f"need{number}")
        for number, (at_least, within) in enumerate(asked)
    )
    found = items_of(InForce(requirements=rules), k=6)
    # Items that meet one rule each: they fit if by every deadline there are as many places.
    fit = all(sum(n for n, other in asked if other <= end) <= end for _, end in asked)
    assert (found.unmet == ()) == fit
    strongest = asked[0][0] <= asked[0][1]
    assert ("need0" not in rules_unmet(found)) == strongest


def test_one_item_that_meets_two_rules_saves_a_list_too_short_for_both():
    rules = (need(5, 6, 7, at_least=2, rule="a"), need(6, 7, 8, at_least=2, rule="b"))
    found = items_of(InForce(requirements=rules), k=2)
    assert found.items.tolist() == [6, 7]
    assert found.unmet == ()


def test_a_pinned_item_counts_for_what_is_required_within_reach():
    early = InForce(pins=(pins(9, position=2),), requirements=(need(9, 10, within=2),))
    assert items_of(early).items.tolist() == [0, 9, 1, 2, 3]
    late = InForce(pins=(pins(9, position=4),), requirements=(need(9, 10, within=2),))
    assert items_of(late).items.tolist() == [0, 10, 1, 9, 2]


def test_what_is_required_of_few_is_met_as_far_as_there_are_any():
    found = items_of(InForce(requirements=(need(9, 10, at_least=4),)))
    assert found.items.tolist() == [0, 1, 2, 9, 10]
    assert found.unmet[0].text.startswith("2 of the 4 items")
    # What there is nothing for keeps no place from what there is something for.
    rules = (need(5, at_least=3, rule="a"), need(6, rule="b"))
    found = items_of(InForce(requirements=rules), k=3)
    assert found.items.tolist() == [0, 5, 6]
    assert rules_unmet(found) == ["a"]


@settings(max_examples=60, deadline=None)
@given(some, some, st.integers(1, 2), st.integers(1, 2), codes, st.integers(1, 3))
def test_a_met_rule_is_never_told_as_unmet_nor_the_other_way(one, two, n_one, n_two, category, k):
    in_force = InForce(
        caps=(cap(category, 1),),
        requirements=(need(*one, at_least=n_one, rule="a"), need(*two, at_least=n_two, rule="b")),
    )
    found = items_of(in_force, k=k)
    if not any(keeps_all(in_force, order) for order in permutations(range(N), k)):
        assert found.unmet != ()


def keeps_all(in_force, order):
    listed = list(order)
    enough = all(rule.items[listed].sum() >= rule.at_least for rule in in_force.requirements)
    counts = Counter(c for c in in_force.caps[0].codes[listed].tolist() if c >= 0)
    return enough and max(counts.values(), default=0) <= in_force.caps[0].at_most


# The edges


def test_no_item_gives_no_list():
    found = items_of(InForce(pins=(pins(1),)), allowed=flags())
    assert found.items.tolist() == []
    assert found.log_probability == 0.0
    assert rules_unmet(found) == ["pin"]


@pytest.mark.parametrize("scores", [np.zeros(N), np.full(N, -1e9)])
def test_equal_scores_are_listed_by_item_index(scores):
    for objective in (None, Mmr(0.9, by_factors(np.zeros((N, 2), dtype=np.float32).__getitem__))):
        found = items_of(InForce(), scores=scores, objective=objective)
        assert found.items.tolist() == [0, 1, 2, 3, 4]


def test_labels_stand_beside_the_items_they_are_for():
    offers = (Offer("sale", flags(0, 2), "-10 %"), Offer("new", flags(2), "new"))
    found = items_of(InForce(offers=offers), k=3)
    assert found.items.tolist() == [0, 1, 2]
    assert found.offers == [{"sale": "-10 %"}, {}, {"sale": "-10 %", "new": "new"}]
