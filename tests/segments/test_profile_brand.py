from itertools import combinations

import numpy as np
import pytest

from recsys.segments.profiles.brand import BRAND_CONCENTRATION, BRANDS, OWN_BRAND_SHARE

from .profiled import ITEMS, SPANS, assert_crowd, bought, crowd, is_bought, on_shelf, profile

NAMES = (BRAND_CONCENTRATION, OWN_BRAND_SHARE, BRANDS)


def test_concentration_counts_pairs_within_categories():
    basket = ["rye", "rye", "oat", "whole", "whole", "lean", "bun", "odd"]
    found = profile([bought("a", item, 1) for item in basket], NAMES).loc["a"]
    # Bread with a brand: rye rye oat, one pair of three is alike; milk: one of three.
    assert found[BRAND_CONCENTRATION] == pytest.approx((2 + 5 * 2 / 6) / (6 + 5))
    assert found[OWN_BRAND_SHARE] == 4 / 6
    assert found[BRANDS] == 3


def test_few_pairs_are_drawn_to_the_customers_at_large():
    rows = [bought("a", "rye", day) for day in (1, 2)]
    rows += [bought("b", item, 1) for item in ("rye", "oat", "oat")]
    found = profile(rows, NAMES)[BRAND_CONCENTRATION]
    # Together: of the pairs of a, 1 of 1 is alike; of those of b, 1 of 3.
    assert found["a"] == pytest.approx((1 + 5 * 0.5) / (1 + 5))
    assert found["b"] == pytest.approx((1 + 5 * 0.5) / (3 + 5))


def test_without_a_pair_the_concentration_is_unknown():
    rows = [bought("a", "rye", 1), bought("a", "whole", 1), bought("b", "rye", 1)]
    rows += [bought("b", "rye", 2)]
    found = profile(rows, NAMES)
    np.testing.assert_array_equal(found.loc["a"], [np.nan, 1, 1])
    assert found.loc["b", BRAND_CONCENTRATION] == 1


def test_a_shop_without_categories_is_one_category():
    items = ITEMS.assign(category=None)
    rows = [bought("a", item, 1) for item in ("rye", "whole", "lean")]
    found = profile(rows, NAMES, items=items).loc["a", BRAND_CONCENTRATION]
    assert found == pytest.approx(1 / 3)


@pytest.mark.parametrize("brands", [(), ("nobody's",)])
def test_a_shop_that_sells_no_brand_of_its_own_has_no_share_of_it(brands):
    found = profile([bought("a", "rye", 1)], NAMES, own_brands=brands)
    assert found[OWN_BRAND_SHARE].isna().all()


def branded(lines):
    """Category and brand of each line that has one."""
    items = [line["item_id"] for line in lines]
    shelf = [(on_shelf(item, "category"), on_shelf(item, "brand")) for item in items]
    return [place for place in shelf if place[1] is not None]


def pairs(lines):
    within = [two for two in combinations(branded(lines), 2) if two[0][0] == two[1][0]]
    return sum(one[1] == other[1] for one, other in within), len(within)


def overall():
    lines = [row for row in crowd() if is_bought(row)]
    users = {line["user_id"] for line in lines}
    counts = [pairs([line for line in lines if line["user_id"] == user]) for user in users]
    return sum(same for same, _ in counts) / sum(within for _, within in counts)


@pytest.mark.parametrize("span", SPANS)
def test_brand_equals_a_slow_loop(span):
    norm = overall()

    def slow(lines):
        brands = [brand for _, brand in branded(lines)]
        same, within = pairs(lines)
        return [
            (same + 5 * norm) / (within + 5) if within else np.nan,
            brands.count("ours") / len(brands) if brands else np.nan,
            len(set(brands)) if brands else np.nan,
        ]

    assert_crowd(span, NAMES, slow)
