"""Adjusted p values against published ones, scipy, and the definitions in slow words."""

import json
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from recsys import statistics

VECTORS = json.loads((Path(__file__).parent / "vectors.json").read_text(encoding="utf-8"))
METHODS = {
    "bonferroni": statistics.bonferroni,
    "holm": statistics.holm,
    "hommel": statistics.hommel,
    "simes-hochberg": statistics.hochberg,
    "fdr_bh": statistics.benjamini_hochberg,
    "fdr_by": statistics.benjamini_yekutieli,
}
SOME = arrays(np.float64, st.integers(1, 7), elements=st.floats(0, 1, width=16))


@pytest.mark.parametrize("name", METHODS)
def test_adjusted_p_values_are_as_published(name):
    published = VECTORS["adjusted"]["methods"][name]
    found = METHODS[name](np.array(VECTORS["adjusted"]["p"]))
    np.testing.assert_allclose(found, published["adjusted"], rtol=0, atol=1e-9)
    assert (found <= VECTORS["adjusted"]["level"]).tolist() == published["reject"]


def test_the_example_of_benjamini_and_hochberg():
    example = VECTORS["bh_1995"]
    p = np.array(example["p"])
    assert (statistics.benjamini_hochberg(p) <= example["q"]).sum() == example["n_reject"]
    assert (statistics.bonferroni(p) <= example["q"]).sum() == example["bonferroni_reject"]


@settings(max_examples=40, deadline=None)
@given(SOME)
def test_false_discovery_rates_equal_scipy(p):
    for ours, name in (
        (statistics.benjamini_hochberg, "bh"),
        (statistics.benjamini_yekutieli, "by"),
    ):
        expected = stats.false_discovery_control(p, method=name)
        np.testing.assert_allclose(ours(p), expected, rtol=1e-12)


def closed(p, test):
    """Adjust by the closure principle: the worst p of all sets that hold the hypothesis."""
    adjusted = np.zeros(len(p))
    for size in range(1, len(p) + 1):
        for chosen in combinations(range(len(p)), size):
            whole = min(1.0, test(np.sort(p[list(chosen)])))
            adjusted[list(chosen)] = np.maximum(adjusted[list(chosen)], whole)
    return adjusted


@settings(max_examples=30, deadline=None)
@given(SOME)
def test_holm_is_the_closure_of_bonferroni_and_hommel_that_of_simes(p):
    by_bonferroni = closed(p, lambda ordered: len(ordered) * ordered[0])
    np.testing.assert_allclose(statistics.holm(p), by_bonferroni, rtol=1e-12)
    by_simes = closed(
        p, lambda ordered: np.min(len(ordered) * ordered / np.arange(1, len(ordered) + 1))
    )
    np.testing.assert_allclose(statistics.hommel(p), by_simes, rtol=1e-12)


@settings(max_examples=40, deadline=None)
@given(SOME)
def test_each_method_is_at_most_as_strict_as_the_one_before(p):
    found = [METHODS[n](p) for n in ("bonferroni", "holm", "simes-hochberg", "hommel", "fdr_bh")]
    for stricter, milder in pairwise(found):
        assert (milder <= stricter + 1e-12).all()
    assert (found[-1] >= p - 1e-12).all()


@settings(max_examples=40, deadline=None)
@given(SOME, st.randoms(use_true_random=False))
def test_the_order_changes_nothing(p, random):
    order = np.array(random.sample(range(len(p)), len(p)))
    for method in METHODS.values():
        np.testing.assert_allclose(method(p[order]), method(p)[order], rtol=1e-12)


@pytest.mark.parametrize("name", METHODS)
def test_nothing_to_adjust_and_nothing_that_is_a_p(name):
    assert METHODS[name](np.zeros(0)).tolist() == []
    for p in ([1.5], [-0.1], [np.nan], [[0.5]]):
        with pytest.raises(ValueError, match="p values must be between 0 and 1"):
            METHODS[name](np.array(p))
