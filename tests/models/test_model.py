"""All signals fitted together, and what a bundle keeps of them."""

import io
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from recsys.interactions import HALF_LIVES, Catalogue, InteractionsConfig
from recsys.models import (
    ALS,
    HABIT,
    NEIGHBOURS,
    POPULARITY,
    PRIOR,
    TASTE,
    TREND,
    ModelConfig,
    confidence,
    model_from,
    priors,
)
from recsys.models.als import confidence_slope
from recsys.models.fit import Past, fit_model, support
from recsys.models.groups import group_means
from recsys.models.neighbours import NeighboursConfig, fit_neighbours
from recsys.models.newcomers import longer_reference
from recsys.models.popularity import TREND_HALF_LIFE, Recency, log_popularity, trend
from recsys.models.priors import Support, fit_prior
from recsys.segments import Axis, AxisFit, Memberships, Reference
from recsys.vocabulary import Vocabulary

N_USERS, N_ITEMS, D = 60, 20, 4
GROUPS = np.arange(N_ITEMS) % 3


def axis(name, *segments):
    return Axis(
        name=name,
        config={"kind": "attribute", "column": name},
        fit=AxisFit(segments=segments, definitions=segments),
    )


@pytest.fixture(scope="module")
def histories(make_histories, make_users, bought):
    users = make_users(5, N_USERS, N_ITEMS)
    for user in users:
        for rare in (17, 18, 19):
            user.pop(rare, None)
    for user in users[:3]:
        user[17] = bought((9.0,))
    for user in users[:2]:
        user[18] = bought((3.0,))
    users[2][18] = bought((), worth=-4.0)
    return make_histories(users, N_ITEMS)


@pytest.fixture(scope="module")
def memberships(histories):
    side = np.eye(2)[np.arange(N_USERS) % 2]
    taste = np.random.default_rng(1).dirichlet(np.ones(3), N_USERS) * 0.8
    matrix = sparse.csr_matrix(np.hstack([side, taste]))
    return Memberships(histories.users, (axis("side", "a", "b"), axis("taste", *"xyz")), matrix)


@pytest.fixture(scope="module")
def model(histories, memberships):
    items = Vocabulary([f"i{number:03d}" for number in range(N_ITEMS)])
    category = np.asarray(["fruit", "dairy", "pets"])[GROUPS]
    catalogue = Catalogue(items, np.arange(N_ITEMS) != 4, {"category": category})
    return fit_model(
        histories,
        memberships,
        catalogue,
        Reference(np.linspace(0, 1, N_ITEMS), np.full(N_ITEMS, np.nan), ("ours",), {"a": {"b": 1}}),
        Past(histories, histories.visits > 4),
        interactions=InteractionsConfig(),
        config=ModelConfig(factors=D, iterations=4),
        recency=Recency(40.0, trends=True),
        timed=True,
        threads=1,
    )


def positive(histories):
    matrix = histories.user_items()
    return sparse.csr_matrix(matrix.multiply(matrix > 0))


def test_signals_stand_in_the_fixed_order(model):
    sides, tastes = PRIOR + "side", PRIOR + "taste"
    assert model.signals == (ALS, POPULARITY, TREND, sides, tastes, HABIT, NEIGHBOURS, TASTE)
    assert model.own == (HABIT, NEIGHBOURS, TASTE)
    assert model.blocks == {
        ALS: slice(0, D),
        POPULARITY: slice(D + 6, D + 7),
        TREND: slice(D + 5, D + 6),
        sides: slice(D, D + 2),
        tastes: slice(D + 2, D + 5),
    }
    assert model.columns.shape == (N_ITEMS, D + 5 + 2)
    assert model.columns.dtype == np.float32


def test_popularity_fades_by_the_half_life_it_is_given(model, histories):
    visits = histories.decayed_visits[:, HALF_LIVES.index(40.0)]
    expected = log_popularity(histories.items, visits, N_ITEMS)
    np.testing.assert_array_equal(model.columns[:, -1], expected.astype(np.float32))
    np.testing.assert_array_equal(model.log_popularity, model.columns[:, -1].astype(np.float64))
    sold = np.bincount(model.catalogue.groups, weights=np.exp(model.log_popularity))
    np.testing.assert_allclose(model.category_shares, sold / sold.sum())


def test_what_rises_is_told_by_recent_days(model, histories):
    recent = histories.decayed_visits[:, HALF_LIVES.index(TREND_HALF_LIFE)]
    visits = histories.decayed_visits[:, HALF_LIVES.index(40.0)]
    expected = trend(histories.items, recent, log_popularity(histories.items, visits, N_ITEMS))
    found = model.columns[:, model.blocks[TREND]][:, 0]
    np.testing.assert_array_equal(found, expected.astype(np.float32))


def test_lifts_are_those_of_each_axis(model, histories, memberships):
    supported = model.fold_in.supported
    _, groups = np.unique(model.catalogue.category, return_inverse=True)
    for name in ("side", "taste"):
        beside = Support(supported, groups)
        prior = fit_prior(positive(histories), memberships.of(name), beside)
        block = model.columns[:, model.blocks[PRIOR + name]]
        np.testing.assert_array_equal(block, prior.lifts.T.astype(np.float32))
        assert model.kappa[name] == (prior.kappa if math.isfinite(prior.kappa) else None)


@pytest.mark.parametrize("kappa", [0.5, 20.0])
def test_a_buyer_inside_instead_of_outside_never_lowers_the_lift(histories, kappa):
    """Through the whole estimate, at a fixed κ: one purchase moves from a user to another."""
    beside = Support(np.ones(N_ITEMS, dtype=bool), GROUPS)
    inside = np.arange(N_USERS) % 3 == 0
    membership = sparse.csr_matrix(np.column_stack([inside, ~inside]).astype(np.float64))
    pairs = positive(histories).toarray() > 0

    def lifts(bought):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(priors, "_kappa", lambda *_: kappa)
            return fit_prior(sparse.csr_matrix(bought * 1.0), membership, beside).lifts

    before = lifts(pairs)
    moved = 0
    for item in range(N_ITEMS):
        outsiders = np.flatnonzero(~inside & pairs[:, item])
        insiders = np.flatnonzero(inside & ~pairs[:, item])
        if len(outsiders) and len(insiders):
            other = pairs.copy()
            other[outsiders[0], item], other[insiders[0], item] = False, True
            after = lifts(other)
            assert after[0, item] > before[0, item]
            assert after[1, item] < before[1, item]
            moved += 1
    assert moved > 10


def test_the_other_parts_are_fitted_on_the_same_histories(model, histories):
    items, config = histories.user_items(), NeighboursConfig()
    near = fit_neighbours(positive(histories), model.fold_in.supported, config, threads=1)
    np.testing.assert_array_equal(model.neighbours.indptr, near.indptr)
    np.testing.assert_array_equal(model.neighbours.indices, near.indices)
    np.testing.assert_array_equal(model.neighbours.data, near.data)
    slope = confidence_slope(items, model.fold_in.supported, model.config.alpha)
    assert model.slope == slope > 0
    assert model.kinds == ()  # nothing but purchases is known


def test_support_is_the_number_of_users_who_like_an_item(model, histories):
    worths = histories.user_items().toarray()
    counts = (worths > 0).sum(axis=0)
    np.testing.assert_array_equal(support(positive(histories)), counts)
    assert counts[17:].tolist() == [3, 2, 0]
    np.testing.assert_array_equal(model.fold_in.supported, counts >= 3)
    assert np.flatnonzero(~model.fold_in.supported).tolist() == [18, 19]


def test_unsupported_items_rank_by_the_factors_of_their_group(model):
    fold_in = model.fold_in
    _, groups = np.unique(model.catalogue.category, return_inverse=True)
    means = group_means(fold_in.item_factors.astype(np.float64), fold_in.supported, groups)
    assert not fold_in.item_factors[18:].any()
    expected = means[groups[18:]].astype(np.float32)
    np.testing.assert_array_equal(model.columns[18:, :D], expected)


def test_unsupported_items_stay_out_of_the_gram_and_the_spread(model):
    kept = model.fold_in.item_factors[:18].astype(np.float64)
    np.testing.assert_allclose(model.fold_in.gram, kept.T @ kept)
    np.testing.assert_allclose(model.fold_in.spread, np.cov(kept.T))


def test_the_shelves_hold_every_item_once(model):
    assert sorted(model.shelves.items.tolist()) == list(range(len(model.items)))


# The bundle


def through_files(model):
    """Arrays through .npy and numbers through JSON, as a bundle writes them."""
    arrays = {}
    for name, array in model.arrays().items():
        file = io.BytesIO()
        np.save(file, array, allow_pickle=False)
        arrays[name] = np.load(io.BytesIO(file.getvalue()), allow_pickle=False)
    return model_from(arrays, json.loads(json.dumps(model.learnt(), allow_nan=False)))


def test_a_model_read_back_gives_the_same_arrays_and_numbers(model):
    again = through_files(model)
    assert again.learnt() == model.learnt()
    assert again.arrays().keys() == model.arrays().keys()
    for name, array in model.arrays().items():
        np.testing.assert_array_equal(again.arrays()[name], array, strict=True, err_msg=name)
    assert again.blocks == model.blocks
    assert again.axes == model.axes


def test_a_model_read_back_folds_in_and_knows_habits_to_the_last_bit(model, histories):
    again = through_files(model)
    membership = np.asarray([1.0, 0.0, 0.2, 0.3, 0.1])
    axes = list(model.segments.values())
    history = np.arange(N_ITEMS)
    weight = confidence(np.linspace(-11, 11, N_ITEMS), model.slope)
    for around in ("segments", "mean"):
        centre = model.fold_in.centre(membership, axes, around)
        np.testing.assert_array_equal(again.fold_in.centre(membership, axes, around), centre)
        vector = model.fold_in.user_vector(history, weight, centre, around, 1.0)
        other = again.fold_in.user_vector(history, weight, centre, around, 1.0)
        np.testing.assert_array_equal(other, vector)
    np.testing.assert_array_equal(again.habit.terms(histories), model.habit.terms(histories))
    near = model.neighbours.terms(history, np.ones(N_ITEMS))
    for values, others in zip(again.neighbours.terms(history, np.ones(N_ITEMS)), near, strict=True):
        np.testing.assert_array_equal(values, others)


def test_no_decay_and_a_silent_axis_survive_json(model):
    again = through_files(replace(model, popularity_half_life=math.inf, kappa={"side": None}))
    assert again.popularity_half_life == math.inf
    assert again.kappa == {"side": None}


def test_no_user_is_in_a_model(model, histories):
    names = set(histories.users.ids.tolist())
    texts = [a.ravel().tolist() for a in model.arrays().values() if a.dtype.kind == "U"]
    assert not names & {text for values in texts for text in values}
    assert all(N_USERS not in array.shape for array in model.arrays().values())
    assert not any(name in json.dumps(model.learnt()) for name in names)


# Items that come after training


@pytest.mark.parametrize("category", ["fruit", "pets", "toys"])
def test_a_new_item_is_what_training_would_make_of_one_that_nobody_has_dealt_with(
    model, histories, memberships, category
):
    told = model.catalogue.told({"zzz": {"category": category}})
    found = model.offering(told)
    longer = replace(histories, n_items=N_ITEMS + 1)
    trained = fit_model(
        longer,
        memberships,
        told,
        longer_reference(model.reference, 1),
        Past(longer, longer.visits > 4),
        interactions=model.interactions,
        config=model.config,
        recency=Recency(40.0, trends=True),
        timed=True,
        threads=1,
    )
    row = np.asarray([N_ITEMS])
    np.testing.assert_array_equal(found.rows(np.arange(N_ITEMS)), model.columns)
    # One item more makes every other one less popular, and itself as much.
    shift = trained.columns[:N_ITEMS, -1] - model.columns[:, -1]
    expected = trained.rows(row)[0]
    expected[-1] -= shift.mean()
    np.testing.assert_allclose(found.rows(row)[0], expected, atol=2e-3)
    np.testing.assert_allclose(found.rows(row)[0, :D], expected[:D], atol=1e-5)
    for name in ("rate", "pace", "rebought"):
        mine, theirs = (getattr(one.habit, name)[N_ITEMS] for one in (found, trained))
        np.testing.assert_allclose(mine, theirs, rtol=1e-9)
    assert not found.fold_in.supported[N_ITEMS]
    assert not np.diff(found.neighbours.indptr)[N_ITEMS]


def test_every_part_knows_of_new_items(model):
    told = model.catalogue.told({"zz1": {"category": "fruit"}, "zz2": {"category": "toys"}})
    found = model.offering(told)
    everything, new = np.arange(N_ITEMS + 2), np.asarray([N_ITEMS + 1, 3, N_ITEMS])
    query = np.linspace(-1, 1, model.columns.shape[1]).astype(np.float32)
    whole = np.vstack([model.columns, found.further])
    np.testing.assert_array_equal(found.rows(everything), whole)
    np.testing.assert_array_equal(found.rows(new), whole[new])
    np.testing.assert_allclose(found.product(query), whole @ query, rtol=1e-5)
    np.testing.assert_allclose(found.product(query[np.newaxis])[0], whole @ query, rtol=1e-5)
    np.testing.assert_array_equal(found.block(POPULARITY), whole[:, [-1]])
    assert found.reach(query) >= (np.abs(whole) @ np.abs(query)).max() * (1 - 1e-6)
    assert len(found.category_shares) == 4
    # The next change starts from what was trained.
    assert len(model.offering(model.catalogue).items) == N_ITEMS
