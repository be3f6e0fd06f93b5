"""What one event is worth."""

import math

import narwhals as nw
import pandas as pd
import pytest
from pydantic import ValidationError

from recsys.events.schema import MICROSECONDS_PER_DAY as DAY
from recsys.interactions import InteractionsConfig
from recsys.interactions.weights import fixed, from_fixed, worth


def worths(
    events: list[tuple[str, float | None, float]], *, timed: bool = True, half_life: str = "30d"
) -> list[float]:
    """Events as (kind, quantity, age in days)."""
    config = InteractionsConfig(half_life=half_life)
    frame = pd.DataFrame(events, columns=["event", "quantity", "age"])
    frame["time"] = (100 * DAY - frame["age"] * DAY).astype("Int64")
    value = worth(config, as_of=100 * DAY, timed=timed).alias("worth")
    native: pd.DataFrame = nw.from_native(frame).select(value).to_native()
    return [float(x) for x in native["worth"]]


@pytest.mark.parametrize(
    ("event", "quantity", "age", "value"),
    [
        ("purchase", 1, 0, 5.0),
        ("purchase", None, 0, 5.0),
        ("purchase", 3, 0, 5 * 2.0),
        ("purchase", 0, 0, 0.0),
        ("purchase", 1, 30, 5 / 2),
        ("purchase", 1, 60, 5 / 4),
        ("purchase", 7, 15, 5 * 3 / math.sqrt(2)),
        ("view", 1, 0, 1.0),
        ("favorite", 1, 0, 2.0),
        ("cart", 1, 0, 3.0),
        ("return", 1, 0, -5.0),
        ("rating", 1, 0, 0.0),
    ],
)
def test_weight_times_decay_times_log_of_quantity(
    event: str, quantity: float | None, age: float, value: float
) -> None:
    assert worths([(event, quantity, age)]) == pytest.approx([value], rel=1e-14)


def test_one_line_of_85055_counts_as_16_single_lines() -> None:
    (huge,) = worths([("purchase", 85_055, 0)])
    (single,) = worths([("purchase", 1, 0)])
    assert huge / single == pytest.approx(math.log2(85_056))
    assert 16.3 < huge / single < 16.4
    # In the confidence 1 + α log(1 + r), α = 10, it is less than two and a half of them.
    assert math.log1p(huge) / math.log1p(single) < 2.5


def test_without_times_or_a_half_life_nothing_fades() -> None:
    assert worths([("purchase", 1, 50)], timed=False) == [5.0]
    assert worths([("purchase", 1, 50)], half_life="none") == [5.0]
    assert InteractionsConfig(half_life="none").half_life_days == math.inf


def test_the_largest_weight_ignores_the_sign() -> None:
    assert InteractionsConfig().largest_weight == 5
    assert InteractionsConfig(event_weights={"view": 1, "return": -7}).largest_weight == 7
    assert InteractionsConfig(event_weights={"view": 0}).largest_weight == 1
    assert InteractionsConfig(event_weights={}).largest_weight == 1


def test_without_weights_every_event_is_worth_nothing() -> None:
    frame = nw.from_native(pd.DataFrame({"event": ["view", "purchase"], "quantity": [1.0, None]}))
    value = worth(InteractionsConfig(event_weights={}), as_of=0, timed=False)
    assert frame.select(value.alias("w"))["w"].to_list() == [0.0, 0.0]


def test_sums_in_fixed_point_do_not_depend_on_their_order() -> None:
    values = pd.DataFrame({"x": [0.1, 0.2, 0.3, 1e6, -1e6] * 7})
    forwards = nw.from_native(values).select(fixed(nw.col("x")).sum()).select(from_fixed("x"))
    backwards = (
        nw.from_native(values[::-1]).select(fixed(nw.col("x")).sum()).select(from_fixed("x"))
    )
    assert forwards["x"].to_list() == backwards["x"].to_list()
    assert forwards["x"][0] == pytest.approx(7 * 0.6, abs=35 * 2**-33)


@pytest.mark.parametrize("wrong", [{"target": []}, {"min_item_users": 0}, {"weights": {}}])
def test_a_config_that_cannot_be_meant_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        InteractionsConfig.model_validate(wrong)
