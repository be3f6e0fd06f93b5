import math

import numpy as np
import pytest

from recsys.segments.profiles.price import DISCOUNT_SHARE, DISCOUNTED_ORDERS, PRICE_POSITION

from .profiled import SPANS, assert_crowd, bought, crowd_shop, profile

NAMES = (PRICE_POSITION, DISCOUNT_SHARE, DISCOUNTED_ORDERS)


def test_the_price_position_is_a_mean_that_starts_in_the_middle():
    rows = [bought("a", "rye", 1), bought("a", "rye", 2), bought("a", "lean", 3)]
    found = profile(rows, NAMES).loc["a", PRICE_POSITION]
    assert found == pytest.approx((1 / 6 + 1 / 6 + 3 / 4 + 5 * 0.5) / (3 + 5))


def test_lines_without_a_price_say_nothing_of_it():
    rows = [bought("a", "odd", 1), bought("b", "odd", 1), bought("b", "bun", 1)]
    found = profile(rows, NAMES)[PRICE_POSITION]
    assert math.isnan(found["a"])
    assert found["b"] == pytest.approx((5 / 6 + 5 * 0.5) / (1 + 5))


def test_discounts_are_shares_of_the_list_price_and_of_orders():
    rows = [
        bought("a", "rye", 1, amount=80, discount=20, basket_id="b1"),
        bought("a", "oat", 1, amount=200, basket_id="b1"),
        bought("a", "oat", 2, amount=200, discount=0, basket_id="b2"),
        bought("b", "oat", 2, amount=200),
    ]
    found = profile(rows, NAMES)
    assert found.loc["a", DISCOUNT_SHARE] == 20 / (20 + 80 + 400)
    assert found.loc["a", DISCOUNTED_ORDERS] == 1 / 2
    assert found.loc["b", [DISCOUNT_SHARE, DISCOUNTED_ORDERS]].tolist() == [0, 0]


def test_a_shop_without_discounts_knows_nothing_of_them():
    rows = [bought("a", "rye", 1, amount=80), bought("b", "rye", 1, amount=80, discount=0)]
    assert profile(rows, NAMES)[[DISCOUNT_SHARE, DISCOUNTED_ORDERS]].isna().all(axis=None)


def test_corrections_do_not_make_a_discount_larger_than_all():
    rows = [bought("a", "rye", 1, amount=-500, discount=20), bought("b", "rye", 2)]
    found = profile(rows, NAMES)[DISCOUNT_SHARE]
    assert found["a"] == 1
    assert math.isnan(found["b"])


def slow(lines):
    if not lines:
        return [np.nan] * 3
    positions = [crowd_shop().position(line["item_id"]) for line in lines]
    positions = [position for position in positions if not math.isnan(position)]
    paid = max(sum(line["amount"] or 0 for line in lines), 0)
    saved = sum(line["discount"] or 0 for line in lines)
    orders = {}
    for line in lines:
        order = line["basket_id"] or math.floor(-line["days"])
        orders[order] = orders.get(order, False) or bool(line["discount"])
    return [
        (sum(positions) + 2.5) / (len(positions) + 5) if positions else np.nan,
        saved / (saved + paid) if saved + paid > 0 else np.nan,
        sum(orders.values()) / len(orders),
    ]


@pytest.mark.parametrize("span", SPANS)
def test_price_equals_a_slow_loop(span):
    assert_crowd(span, NAMES, slow)
