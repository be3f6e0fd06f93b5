import math
from collections import Counter

import numpy as np
import pytest

from recsys.segments.profiles.breadth import CATEGORIES, CATEGORY_ENTROPY, ITEMS

from .profiled import SPANS, assert_crowd, bought, on_shelf, profile

NAMES = (ITEMS, CATEGORIES, CATEGORY_ENTROPY)


def test_items_and_categories_are_distinct_and_entropy_is_of_lines():
    basket = ["rye", "rye", "oat", "whole", "odd"]
    rows = [bought("a", item, day + 1) for day, item in enumerate(basket)]
    found = profile(rows, NAMES).loc["a"]
    assert (found[ITEMS], found[CATEGORIES]) == (4, 2)
    # Of the four lines with a known category three are bread.
    assert found[CATEGORY_ENTROPY] == pytest.approx(
        -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    )


def test_one_category_has_no_entropy_and_none_has_an_unknown_one():
    rows = [bought("a", "rye", 1), bought("a", "oat", 1), bought("b", "odd", 1)]
    found = profile(rows, NAMES)
    assert found.loc["a"].tolist() == [2, 1, 0]
    np.testing.assert_array_equal(found.loc["b"], [1, 0, np.nan])


def test_entropy_over_equal_shares_is_the_logarithm_of_their_number():
    rows = [bought("a", item, 1) for item in ("rye", "whole") for _ in range(1000)]
    assert profile(rows, NAMES).loc["a", CATEGORY_ENTROPY] == pytest.approx(math.log(2), rel=1e-9)


def slow(lines):
    if not lines:
        return [np.nan] * 3
    categories = [on_shelf(line["item_id"], "category") for line in lines]
    counts = Counter(category for category in categories if category is not None)
    total = counts.total()
    entropy = -sum(n / total * math.log(n / total) for n in counts.values())
    return [len({line["item_id"] for line in lines}), len(counts), entropy if total else np.nan]


@pytest.mark.parametrize("span", SPANS)
def test_breadth_equals_a_slow_loop(span):
    assert_crowd(span, NAMES, slow)
