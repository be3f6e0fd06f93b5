"""The regression against an independent optimum."""

import numpy as np
import pytest
from scipy import optimize, special

from recsys.models.logistic import RIDGE, log_loss, logistic


@pytest.fixture(scope="module")
def problem():
    rng = np.random.default_rng(2)
    features = rng.normal(size=(300, 4)) * [1.0, 5.0, 0.1, 30.0] + [0.0, 3.0, -2.0, 100.0]
    odds = (features - [0.0, 3.0, -2.0, 100.0]) @ [1.0, -0.3, 4.0, 0.02] - 0.5
    label = (rng.random(300) < special.expit(odds)).astype(np.float64)
    return features, label


def penalised(coefficients, features, label, weight=1.0, ridge=RIDGE):
    """−log likelihood + ½ ridge Σ (β_j · spread_j)²: the ridge is on standardised features."""
    odds = coefficients[0] + features @ coefficients[1:]
    likelihood = -(weight * np.log(special.expit(np.where(label > 0, odds, -odds)))).sum()
    return likelihood + 0.5 * ridge * ((coefficients[1:] * features.std(axis=0)) ** 2).sum()


def test_the_gradient_is_zero_at_the_solution(problem):
    features, label = problem
    found = logistic(features, label)
    surplus = special.expit(found[0] + features @ found[1:]) - label
    spread = features.std(axis=0)
    slopes = ((features - features.mean(axis=0)) / spread).T @ surplus + RIDGE * found[1:] * spread
    assert surplus.sum() == pytest.approx(0.0, abs=1e-3)
    np.testing.assert_allclose(slopes, 0.0, atol=1e-3)


@pytest.mark.parametrize("ridge", [RIDGE, 20.0])
@pytest.mark.parametrize("weighted", [False, True])
def test_another_optimiser_from_another_start_finds_the_same(problem, weighted, ridge):
    features, label = problem
    weight = np.random.default_rng(4).uniform(0.0, 3.0, size=300) if weighted else 1.0
    scale = np.asarray([1.0, *features.std(axis=0)])
    other = optimize.minimize(
        lambda scaled: penalised(scaled / scale, features, label, weight, ridge),
        np.full(5, 0.3),
        method="Powell",
        options={"xtol": 1e-10, "ftol": 1e-14},
    )
    found = logistic(features, label, weight, ridge=ridge)
    best = penalised(found, features, label, weight, ridge)
    assert best == pytest.approx(other.fun, rel=1e-8)
    np.testing.assert_allclose(found[1:] * scale[1:], other.x[1:], atol=1e-3)


def test_perturbed_coefficients_are_worse(problem):
    features, label = problem
    found = logistic(features, label)
    best = penalised(found, features, label)
    spread = np.asarray([1.0, *features.std(axis=0)])
    rng = np.random.default_rng(3)
    for step in rng.normal(scale=0.05, size=(50, 5)) / spread:
        assert penalised(found + step, features, label) > best


def test_a_weight_counts_as_that_many_examples(problem):
    features, label = problem
    # Whole copies of everything, so that centre and spread stay.
    thrice = [np.repeat(values, 3, axis=0) for values in problem]
    weighted = logistic(features, label, np.full(300, 3.0))
    np.testing.assert_allclose(weighted, logistic(*thrice), rtol=1e-4, atol=1e-6)


def test_losses_are_those_of_the_chances():
    odds, label = np.array([-2.0, 0.0, 3.0, 800.0]), np.array([1.0, 0.0, 1.0, 1.0])
    chance = special.expit(odds)
    expected = -np.log(np.where(label > 0, chance, 1 - chance))
    np.testing.assert_allclose(log_loss(odds, label), expected, atol=1e-15)
