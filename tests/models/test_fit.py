"""A model with other memberships is the model that was fitted on them, to the last bit."""

import numpy as np
import pytest
from scipy import sparse

from recsys.interactions import HALF_LIVES, Catalogue, InteractionsConfig
from recsys.models import ModelConfig, confidence
from recsys.models.als import factorise
from recsys.models.fit import Past, fit_model, with_memberships
from recsys.models.popularity import Recency
from recsys.segments import Axis, AxisFit, Memberships, Reference
from recsys.vocabulary import Vocabulary

N_USERS, N_ITEMS = 60, 20
INTERACTIONS = InteractionsConfig(min_item_users=3)


def axis(name, *segments):
    return Axis(
        name=name,
        config={"kind": "attribute", "column": name},
        fit=AxisFit(segments=segments, definitions=segments),
    )


def memberships_of(histories, seed):
    """Two axes on which a third of the users are unknown."""
    rng = np.random.default_rng(seed)
    known = (rng.random((N_USERS, 1)) < 0.7) * 1.0
    parts = [np.eye(size)[rng.integers(size, size=N_USERS)] * known for size in (2, 3)]
    axes = (axis("side", "a", "b"), axis("taste", *"xyz"))
    return Memberships(histories.users, axes, sparse.csr_matrix(np.hstack(parts)))


@pytest.fixture(scope="module")
def histories(make_histories, make_users):
    return make_histories(make_users(11, N_USERS, N_ITEMS), N_ITEMS)


@pytest.fixture(scope="module")
def fitted(histories):
    def fit(memberships):
        items = Vocabulary([f"i{number:03d}" for number in range(N_ITEMS)])
        category = np.asarray(["fruit", "dairy", "pets"])[np.arange(N_ITEMS) % 3]
        return fit_model(
            histories,
            memberships,
            Catalogue(items, np.ones(N_ITEMS, dtype=bool), {"category": category}),
            Reference(np.full(N_ITEMS, np.nan), np.full(N_ITEMS, np.nan)),
            Past(histories, None),
            interactions=INTERACTIONS,
            config=ModelConfig(factors=4, iterations=3, kappa_scale=0.5),
            recency=Recency(HALF_LIVES[0], trends=True),
            timed=True,
        )

    return fit


@pytest.fixture(scope="module")
def factors(histories, fitted):
    model = fitted(memberships_of(histories, 0))
    weights = histories.user_items()
    weights.data = confidence(weights.data, model.slope)
    return factorise(weights, model.fold_in.supported, model.config)


def test_it_equals_a_whole_fit(histories, fitted, factors):
    before, other = memberships_of(histories, 0), memberships_of(histories, 1)
    found = with_memberships(fitted(before), other, histories, factors)
    wanted = fitted(other)
    assert found.learnt() == wanted.learnt()
    for name, array in wanted.arrays().items():
        np.testing.assert_array_equal(found.arrays()[name], array, err_msg=name)


def test_only_what_speaks_of_segments_changes(histories, fitted, factors):
    before = fitted(memberships_of(histories, 0))
    found = with_memberships(before, memberships_of(histories, 1), histories, factors)
    changed = {
        name
        for name, array in before.arrays().items()
        if not np.array_equal(found.arrays()[name], array, equal_nan=array.dtype.kind == "f")
    }
    said = {"segment_effects", "segment_shares", "precisions"}
    assert said <= changed <= said | {"item_columns"}
    d = len(before.fold_in.mean)
    np.testing.assert_array_equal(found.columns[:, :d], before.columns[:, :d])
    np.testing.assert_array_equal(found.columns[:, -1], before.columns[:, -1])


def test_nobody_in_any_segment_leaves_no_lift(histories, fitted, factors):
    before = memberships_of(histories, 0)
    nobody = Memberships(before.users, before.axes, sparse.csr_matrix(before.matrix.shape))
    found = with_memberships(fitted(before), nobody, histories, factors)
    assert found.kappa == {"side": None, "taste": None}
    for axis_name in found.kappa:
        assert not found.columns[:, found.blocks[f"prior:{axis_name}"]].any()
    assert not found.fold_in.effects.any()
