"""Calibrated lists against Steck's objective, worked out list by list."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from recsys.metrics import calibration_kl, category_shares
from recsys.ranking.arrangement import arrange, candidates_of
from recsys.ranking.calibration import (
    ALPHA,
    Calibration,
    CalibrationConfig,
    category_mix,
    expected_mix,
)

N = 12


def arranged(scores, objective, *, k):
    return arrange(candidates_of(scores, np.ones(len(scores), np.bool_)), k=k, objective=objective)


def divergence(listed, codes, mix):
    """As the metric of evaluation has it; where nothing of the list is known, at its most."""
    items = np.asarray(listed)
    users = np.zeros(len(items), dtype=np.int64)
    shares = category_shares(users, items, codes, n_users=1, n_categories=len(mix))
    if not shares.nnz:
        return -np.log(ALPHA)
    return float(calibration_kl(sparse.csr_matrix(mix[np.newaxis]), shares, alpha=ALPHA)[0])


def slow_list(scores, codes, mix, strength, k):
    """Greedily raise ``(1−s)·Σ z − s·KL`` of the whole list."""
    z = (scores - scores.min()) / (scores.max() - scores.min())
    listed, left = [], list(range(len(scores)))
    while len(listed) < k:
        values = [
            (1 - strength) * z[[*listed, i]].sum() - strength * divergence([*listed, i], codes, mix)
            for i in left
        ]
        listed.append(left.pop(int(np.argmax(values))))
    return listed


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 10_000),
    st.sampled_from([0.0, 0.1, 0.5, 0.9]),
    st.sampled_from([(0.7, 0.2, 0.1), (0.5, 0.5, 0.0), (1.0, 0.0, 0.0)]),
)
def test_a_list_is_that_of_the_definition(seed, strength, mix):
    rng = np.random.default_rng(seed)
    scores, codes = rng.normal(size=N) * 7, rng.integers(-1, 3, size=N)
    found = arranged(scores, Calibration(strength, codes, np.asarray(mix)), k=5)
    assert found.items.tolist() == slow_list(scores, codes, np.asarray(mix), strength, 5)


def test_a_strong_aim_gives_every_category_its_share():
    codes = np.repeat([0, 1, 2], 10)
    scores = -np.arange(30.0)
    mix = np.asarray([0.5, 0.3, 0.2])
    listed = arranged(scores, Calibration(0.99, codes, mix), k=10).items
    assert np.bincount(codes[listed]).tolist() == [5, 3, 2]
    plain = arranged(scores, Calibration(0.0, codes, mix), k=10).items
    assert np.bincount(codes[plain], minlength=3).tolist() == [10, 0, 0]


def test_the_score_decides_where_no_mix_is_known():
    scores = np.asarray([1.0, 3.0, 2.0])
    objective = Calibration(0.9, np.asarray([0, 1, -1]), np.zeros(2))
    assert arranged(scores, objective, k=3).items.tolist() == [1, 2, 0]


def test_items_without_a_category_change_no_share():
    objective = Calibration(0.5, np.asarray([-1, 0]), np.asarray([0.5, 0.5]))
    objective.meet(np.asarray([0, 1]), np.asarray([1.0, 0.0]))
    before = objective.utilities()
    objective.take(0)
    assert objective.utilities().tolist() == before.tolist()


def test_a_mix_is_of_what_is_worth_something_and_known():
    weights, codes = np.asarray([1.0, 3.0, -4.0, 0.0, 9.0]), np.asarray([1, 0, 1, 1, -1])
    assert category_mix(weights, codes, 3).tolist() == [0.75, 0.25, 0.0]
    assert category_mix(np.asarray([-1.0]), np.asarray([0]), 2).tolist() == [0.0, 0.0]
    assert category_mix(np.empty(0), np.empty(0, dtype=np.int64), 2).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("shift", [0.0, -5000.0, 5000.0])
def test_an_expected_mix_adds_up_probabilities(shift):
    log_weights = np.log([0.1, 0.2, 0.3, 0.4]) + shift
    codes = np.asarray([0, 1, 0, -1])
    assert expected_mix(log_weights, codes, 2) == pytest.approx([4 / 6, 2 / 6])
    left_out = np.where([True, False, True, True], log_weights, -np.inf)
    assert expected_mix(left_out, codes, 2) == pytest.approx([1.0, 0.0])
    assert expected_mix(np.full(4, -np.inf), codes, 2).tolist() == [0.0, 0.0]


def test_what_the_config_leaves_open():
    config = CalibrationConfig(kind="calibration")
    assert (config.column, config.level) == ("category", 1)
