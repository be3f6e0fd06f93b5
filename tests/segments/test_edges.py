"""Boundaries, ties, blanks and what cannot be meant, axis by axis."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from recsys.errors import ConfigError
from recsys.segments import AxisConfig, Memberships, UserFacts, assign_axes, axes_off, fit_axes
from recsys.segments.axis import grade, quantile_cuts

from .made import few_facts

MakeFacts = Callable[..., UserFacts]
CONFIG: TypeAdapter[Any] = TypeAdapter(AxisConfig)


@pytest.fixture(name="facts_of")
def few_facts_of(facts_of: MakeFacts) -> MakeFacts:
    return few_facts(facts_of)


def members(facts: UserFacts, **config: Any) -> Memberships:
    return assign_axes(fit_axes({"axis": CONFIG.validate_python(config)}, facts), facts)


def segments(memberships: Memberships) -> dict[str, str]:
    frame = memberships.frame()
    assert frame["user_id"].is_unique
    return dict(zip(frame["user_id"], frame["segment"], strict=True))


def buy(user: str, days: float | None = 1, amount: float | None = 100, **others: Any) -> Any:
    return {"user_id": user, "item_id": "x", "days": days, "amount": amount, **others}


# cut points


@given(
    st.lists(st.integers(-3, 3) | st.just(None), max_size=40),
    st.lists(st.integers(1, 99).map(lambda n: n / 100), min_size=1, max_size=4, unique=True),
)
def test_no_grade_is_empty_by_law(values: list[int | None], quantiles: list[float]) -> None:
    known = np.asarray([np.nan if value is None else value for value in values], dtype=np.float64)
    cuts = quantile_cuts(known, sorted(quantiles))
    grades = grade(known, cuts)
    assert list(cuts) == sorted(set(cuts))
    assert set(cuts) <= set(known[np.isfinite(known)].tolist())
    seen = np.isfinite(known)
    classes = len(cuts) + 1 if seen.any() else 0
    assert sorted(set(grades[seen].tolist())) == list(range(classes))
    assert (grades[np.isnan(known)] == -1).all()


def test_a_quantile_on_the_smallest_value_moves_up_to_the_next() -> None:
    values = np.asarray([1.0, 1, 1, 1, 2, 3, 5])
    # The quantiles 0.2, 0.4, 0.6 and 0.8 are 1, 1, 2 and 3.
    assert quantile_cuts(values, (0.2, 0.4, 0.6, 0.8)) == (2, 3)
    assert quantile_cuts(np.ones(5), (0.5,)) == ()
    assert quantile_cuts(np.full(3, np.nan), (0.5,)) == ()


@pytest.mark.parametrize(
    ("value", "graded"), [(0.9, 0), (1.0, 1), (1.9, 1), (2.0, 2), (9.0, 2), (np.nan, -1)]
)
def test_a_value_on_a_cut_reaches_it(value: float, graded: int) -> None:
    assert grade(np.asarray([value]), (1.0, 2.0)).tolist() == [graded]


# rfm


def test_rfm_where_most_bought_once_still_has_hibernating_customers(facts_of: MakeFacts) -> None:
    once = [buy(f"o{n}", days=200 + n, amount=100 + n) for n in range(6)]
    often = [buy(f"r{n}", days=1 + n + day, amount=5000 + n) for n in range(4) for day in range(9)]
    found = segments(members(facts_of([*once, *often]), kind="rfm"))
    assert found["o5"] == "hibernating"
    assert found["r0"] == "champions"


def test_rfm_of_customers_all_alike_is_the_middle(facts_of: MakeFacts) -> None:
    found = segments(members(facts_of([buy("a"), buy("b"), buy("c")]), kind="rfm"))
    assert found == dict.fromkeys("abc", "regular")


def test_rfm_says_nothing_of_who_bought_nothing(facts_of: MakeFacts) -> None:
    rows = [buy("a"), buy("b", days=9), buy("looked", event="view")]
    facts = facts_of(rows, users=["a", "b", "looked", "nobody"])
    assert set(segments(members(facts, kind="rfm"))) == {"a", "b"}


def test_an_axis_with_a_window_forgets_who_bought_before_it(facts_of: MakeFacts) -> None:
    rows = [buy(f"u{n}", days=10 * n, amount=100 * n) for n in range(1, 7)]
    facts = facts_of(rows, windows=(30.0,))
    for kind in ("rfm", "spending"):
        assert set(segments(members(facts, kind=kind, window="30d"))) == {"u1", "u2", "u3"}


# spending


def test_spending_where_most_spent_the_least(facts_of: MakeFacts) -> None:
    amounts = {"a": 5, "b": 5, "c": 5, "d": 9, "e": 20}
    found = segments(
        members(facts_of([buy(u, amount=x) for u, x in amounts.items()]), kind="spending")
    )
    assert found == {"a": "low", "b": "low", "c": "low", "d": "middle", "e": "high"}


def test_without_times_the_window_of_spending_is_off_and_said_to_be(facts_of: MakeFacts) -> None:
    rows = [buy(user, days=None, amount=n) for n, user in enumerate("abcdef", start=1)]
    facts = facts_of(rows, timed=False, windows=(30.0,))
    config = CONFIG.validate_python({"kind": "spending", "window": "30d"})
    (axis,) = fit_axes({"money": config}, facts)
    assert axis.fit.definitions[0] == "spent less than 0.04 ever"
    assert axes_off({"money": config}, timed=False) == [
        "no timestamps: the window of the axis 'money' is off, all that is known counts"
    ]
    assert axes_off({"money": config}, timed=True) == []


@pytest.mark.parametrize("quantiles", [(0.8, 0.5), (0.5, 0.5), (0.0, 0.5), (0.5, 1.0), (0.5, 80.0)])
def test_quantiles_that_cannot_be_meant(quantiles: tuple[float, float]) -> None:
    with pytest.raises(ValidationError, match="are not ascending between 0 and 1"):
        CONFIG.validate_python({"kind": "spending", "quantiles": quantiles})


@pytest.mark.parametrize(
    ("kind", "key"),
    [("lifecycle", "new"), ("lifecycle", "active"), ("lifecycle", "silent"),
     ("rfm", "window"), ("spending", "window")],
)  # fmt: skip
def test_a_duration_that_cannot_be_meant_is_refused_at_once(kind: str, key: str) -> None:
    with pytest.raises(ValidationError, match=f"{key} 'a month' is not a duration; write it like"):
        CONFIG.validate_python({"kind": kind, key: "a month"})


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "horoscope"},
        {"kind": "attribute"},
        {"kind": "attribute", "column": "age", "most": 0},
        {"kind": "interest", "level": 0},
        {"kind": "rfm", "windows": "30d"},
        {"kind": "rfm", "grades": 4},
        {"kind": "lifecycle", "active": "60d", "silent": "30d"},
        {"kind": "lifecycle", "silent_gaps": 5, "lapsed_gaps": 4},
        {"kind": "aipl", "loyal": "999d"},
        {"kind": "aipl", "interest_events": ["purchase"]},
        {"kind": "attribute", "column": "age", "bins": [30, 20]},
        {"kind": "attribute", "column": "age", "bins": []},
        {"kind": "attribute", "column": "age", "bins": [30], "groups": {"a": ["1"]}},
        {"kind": "attribute", "column": "age", "groups": {"a": ["1"], "b": ["1"]}},
        {"kind": "spending", "names": ["low", "high"]},
        {"kind": "spending", "names": ["low", "low", "high"]},
        {"kind": "spending", "cuts": [5, 2]},
        {"kind": "value", "window": "30d"},
        {"kind": "clusters", "features": ["spnd"]},
        {"kind": "clusters", "features": ["spend", "spend"]},
        {"kind": "clusters", "k": 1},
        {"kind": "combine", "axes": ["a"]},
        {"kind": "combine", "axes": ["a", "a"]},
    ],
)
def test_an_axis_that_cannot_be_meant_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        CONFIG.validate_python(wrong)


# attribute


def attributed(facts_of: MakeFacts, values: list[object]) -> UserFacts:
    users = [f"u{n}" for n in range(len(values))]
    file = pd.DataFrame({"city": pd.Series(values, index=users, dtype=object)})
    return facts_of([buy("u0")], users=users, attributes=file)


def test_blank_attributes_are_unknown(facts_of: MakeFacts) -> None:
    facts = attributed(facts_of, ["Bern", " Bern ", "", "  ", None, np.nan])
    assert segments(members(facts, kind="attribute", column="city")) == {"u0": "Bern", "u1": "Bern"}


def test_attributes_read_the_same_whatever_their_type(facts_of: MakeFacts) -> None:
    facts = attributed(facts_of, [56, 56.0, np.float64(56), "56", 56.5, True, "007"])
    found = segments(members(facts, kind="attribute", column="city"))
    assert list(found.values()) == ["56", "56", "56", "56", "56.5", "True", "007"]


def test_of_equally_frequent_values_the_first_by_name_are_kept(facts_of: MakeFacts) -> None:
    facts = attributed(facts_of, ["z", "b", "a", "z", "b", "a", "c"])
    found = members(facts, kind="attribute", column="city", most=2)
    assert found.axes[0].segments == ("a", "b")
    assert set(segments(found)) == {"u1", "u2", "u4", "u5"}


@pytest.mark.parametrize("values", [[None, None], ["", " "]])
def test_an_attribute_nobody_has_is_an_error_of_the_config(
    values: list[object], facts_of: MakeFacts
) -> None:
    with pytest.raises(ConfigError, match="the users' column 'city' holds no value"):
        members(attributed(facts_of, values), kind="attribute", column="city")


def test_users_without_the_column_are_unknown_to_a_fitted_axis(facts_of: MakeFacts) -> None:
    config = CONFIG.validate_python({"kind": "attribute", "column": "city"})
    axes = fit_axes({"axis": config}, attributed(facts_of, ["Bern"]))
    assert assign_axes(axes, facts_of([buy("new")])).matrix.nnz == 0


# interest


def test_of_interests_with_equally_many_users_the_first_by_name_are_kept(
    facts_of: MakeFacts,
) -> None:
    items = pd.DataFrame(
        {"available": True, "category": ["c", "b > 1", "b > 2", "a"]}, index=list("wxyz")
    )
    rows = [buy("u", item_id=item) for item in "wxyz"] + [buy("v", item_id="w")]
    found = members(facts_of(rows, items=items), kind="interest", most=2)
    # c has two users; a and b one each.
    assert found.axes[0].segments == ("a", "c")
    # Three quarters less b's two: half of what u did is known, and all of what v did.
    assert found.matrix.toarray().tolist() == pytest.approx(np.array([[0.25, 0.25], [0, 1]]))


def test_what_was_returned_is_no_interest(facts_of: MakeFacts) -> None:
    items = pd.DataFrame({"available": True, "category": ["a", "b"]}, index=["x", "y"])
    rows = [buy("u"), buy("u", event="return"), buy("u", event="return"), buy("u", item_id="y")]
    found = members(facts_of(rows, items=items), kind="interest")
    assert segments(found) == {"u": "b"}
    assert found.frame()["weight"].tolist() == [1.0]


# memberships


def test_memberships_by_axis_by_user_and_as_a_table(facts_of: MakeFacts) -> None:
    file = pd.DataFrame({"age": ["old", "young"]}, index=["b", "a"])
    facts = facts_of([buy("a"), buy("b", days=60)], users=["a", "b", "c"], attributes=file)
    configs = {
        "life": CONFIG.validate_python({"kind": "lifecycle"}),
        "age": CONFIG.validate_python({"kind": "attribute", "column": "age"}),
    }
    found = assign_axes(fit_axes(configs, facts), facts)
    assert found.matrix.shape == (3, 6 + 2)
    assert found.of("age").toarray().tolist() == [[0, 1], [1, 0], [0, 0]]
    assert found.row(1).tolist() == [0, 0, 0, 0, 1, 0, 1, 0]
    assert found.frame().to_numpy().tolist() == [
        ["a", "age", "young", 1.0],
        ["a", "life", "new", 1.0],
        ["b", "age", "old", 1.0],
        ["b", "life", "silent", 1.0],
    ]


def test_without_axes_there_are_no_memberships(facts_of: MakeFacts) -> None:
    found = assign_axes((), facts_of([buy("a")]))
    assert (found.matrix.shape, found.frame().empty) == ((1, 0), True)
