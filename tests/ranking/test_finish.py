"""What comes after the blend, worked out for one model: second aims, mixes, rules in force."""

import numpy as np
import pytest

from recsys.models import ALS, POPULARITY, PRIOR
from recsys.ranking import Recipe
from recsys.ranking.calibration import Calibration
from recsys.ranking.diversity import Mmr
from recsys.ranking.finish import Finish

NOBODY = np.empty(0, dtype=np.int64), np.empty(0)


def finish_of(small, signals=("als", "popularity"), **fields):
    return Finish(Recipe(signals=signals, **fields), small.model)


def gaps(objective, items, listed):
    """What listing an item takes from each other one, in units of the first ones' spread."""
    objective.meet(items, np.linspace(1.0, 0.0, len(items)))
    before = objective.utilities()
    objective.take(listed)
    return before - objective.utilities()


def test_without_a_second_aim_the_score_alone_counts(small):
    assert finish_of(small).objective(*NOBODY, np.zeros(5)) is None


def test_where_factors_are_listed_alike_means_alike_in_them(small):
    finish = finish_of(small, diversity={"kind": "mmr", "strength": 0.5})
    objective = finish.objective(*NOBODY, np.zeros(5))
    assert isinstance(objective, Mmr)
    items = np.asarray([3, 8, 11, 20])
    factors = small.model.columns[items, small.model.blocks[ALS]].astype(np.float64)
    lengths = np.linalg.norm(factors, axis=1)
    cosine = factors @ factors[1] / lengths / lengths[1]
    np.testing.assert_allclose(gaps(objective, items, 8), cosine)


def test_without_factors_alike_means_of_one_category(small):
    finish = finish_of(small, ("popularity",), diversity={"kind": "mmr", "strength": 0.5})
    items = np.arange(20)
    category = small.model.catalogue.category
    (listed, *_) = np.flatnonzero(category[:20] == "food")
    found = gaps(finish.objective(*NOBODY, np.zeros(5)), items, int(listed))
    np.testing.assert_allclose(found, category[items] == "food")


def test_each_list_has_an_aim_of_its_own(small):
    finish = finish_of(small, diversity={"kind": "mmr"})
    first, second = (finish.objective(*NOBODY, np.zeros(5)) for _ in range(2))
    first.meet(np.asarray([1, 2]), np.ones(2))
    first.take(1)
    second.meet(np.asarray([1, 2]), np.ones(2))
    assert second.utilities().tolist() == [1.0, 1.0]


def mix_of(objective, codes_of):
    """The mix an aim wants: where it is all of one category, listing that costs nothing."""
    assert isinstance(objective, Calibration)
    return dict(zip(codes_of, objective._mix.tolist(), strict=True))


BRANDS = ("ours", "theirs")


def calibrated(small, items, worth, membership):
    aim = {"kind": "calibration", "column": "brand"}
    objective = finish_of(small, diversity=aim).objective(items, worth, membership)
    return mix_of(objective, BRANDS)


def test_a_history_says_what_mix_is_wanted(small):
    brands = small.model.catalogue.columns["brand"]
    mine, others, unknown = (np.flatnonzero(brands == one)[0] for one in (*BRANDS, ""))
    items = np.asarray([mine, others, unknown])
    assert calibrated(small, items, np.asarray([3.0, 1.0, 9.0]), np.zeros(5)) == {
        "ours": 0.75,
        "theirs": 0.25,
    }


@pytest.mark.parametrize("membership", [[0, 0, 0, 0, 0], [1, 0, 0, 0, 0], [0.5, 0, 0, 1, 0]])
def test_without_a_history_her_segments_say_it(small, membership):
    """``log p`` plus the mean lift of the axes she is known on, over what is available."""
    model, row = small.model, np.asarray(membership, dtype=np.float64)
    popular = model.columns[:, model.blocks[POPULARITY]].astype(np.float64)[:, 0]
    known = [axis for axis, part in model.segments.items() if row[part].any()]
    lifts = [
        model.columns[:, model.blocks[PRIOR + axis]].astype(np.float64) @ row[model.segments[axis]]
        for axis in known
    ]
    weights = np.exp(popular + (np.mean(lifts, axis=0) if lifts else 0.0))
    weights[~model.catalogue.available] = 0.0
    sums = [weights[model.catalogue.columns["brand"] == one].sum() for one in BRANDS]
    expected = dict(zip(BRANDS, np.asarray(sums) / sum(sums), strict=True))
    assert calibrated(small, *NOBODY, row) == pytest.approx(expected)


def test_a_history_that_is_worth_nothing_is_none(small):
    brands = small.model.catalogue.columns["brand"]
    items = np.flatnonzero(brands == "ours")[:2]
    none = calibrated(small, *NOBODY, np.zeros(5))
    assert calibrated(small, items, np.asarray([0.0, -3.0]), np.zeros(5)) == none


def test_rules_hold_for_a_membership_and_a_moment(small):
    rule = {
        "kind": "boost",
        "amount": 1.0,
        "segments": {"place": ("place1",)},
        "until": "1970-01-01T00:00:01Z",
    }
    finish = finish_of(small, rules={"up": rule})
    inside, outside = np.zeros(5), np.zeros(5)
    inside[3], outside[2] = 1.0, 1.0
    assert [nudge.rule for nudge in finish.in_force(inside, as_of=0).nudges] == ["up"]
    assert finish.in_force(inside, as_of=1_000_000).nudges == ()
    assert finish.in_force(outside, as_of=0).nudges == ()
