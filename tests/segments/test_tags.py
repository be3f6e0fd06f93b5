"""The tag catalogue: one row a segment, with its size and its cross-check."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import TypeAdapter

from recsys.errors import ConfigError
from recsys.segments import AxisConfig, Memberships, assign_axes, fit_axes
from recsys.segments.tags import COLUMNS, catalogue

from .made import made_facts

CONFIG: TypeAdapter[Any] = TypeAdapter(AxisConfig)
COLUMN = {"region": ["north", "north", "south", "south", None, "north"]}
TIERS = ['{"high": 1}', '{"high": 0.75, "low": 0.25}', '{"low": 1}', '{"low": 1}', None, None]


def tagged(**region: Any) -> tuple[Memberships, pd.DataFrame]:
    facts = made_facts(attributes={**COLUMN, "tier": TIERS})
    tables: dict[str, Any] = {
        "area": {"kind": "attribute", "column": "region", **region},
        "tier": {"kind": "imported", "column": "tier", "title": "Tiers", "owner": "growth"},
        "both": {"kind": "combine", "axes": ["area", "tier"], "min_users": 1},
    }
    configs = {name: CONFIG.validate_python(table) for name, table in tables.items()}
    found = assign_axes(fit_axes(configs, facts), facts)
    return found, catalogue(found, facts.attributes)


def test_one_row_a_segment_with_what_one_has_to_know() -> None:
    found, tags = tagged()
    assert list(tags.columns) == list(COLUMNS)
    assert tags[["axis", "segment"]].to_numpy().tolist() == [
        [axis.name, segment] for axis in found.axes for segment in axis.segments
    ]
    north, _, high, low, both, _ = tags.to_dict(orient="records")
    assert (north["title"], north["owner"], north["parents"]) == ("area", "", "")
    assert (north["users"], north["weight"], north["share"]) == (3, 3, 0.5)
    assert (north["definition"], north["update"]) == (
        "region is north", "when the attribute changes"
    )  # fmt: skip
    assert (high["title"], high["owner"], high["kind"]) == ("Tiers", "growth", "imported")
    assert (high["users"], high["weight"], low["users"], low["weight"]) == (2, 1.75, 3, 2.25)
    assert (both["segment"], both["parents"]) == ("north × high", "area, tier")


def test_the_version_is_of_the_axis_and_moves_with_what_it_froze() -> None:
    found, tags = tagged()
    assert tags["version"].unique().tolist() == [axis.definition_id for axis in found.axes]
    _, fewer = tagged(most=1)
    assert fewer["version"].iloc[0] != tags["version"].iloc[0]


def test_an_axis_without_a_check_has_none() -> None:
    _, tags = tagged()
    assert (tags["check"] == "").all()
    assert tags[["association", "agreement"]].isna().all(axis=None)


@pytest.mark.parametrize(
    ("check", "agreement"),
    [
        # Of the four users known on both, in weights: north-high 1.75, north-low 0.25, south-low 2.
        ("tier", 3.75 / 4),
        ("region", 1.0),  # it is made of that column
    ],
)
def test_a_check_against_an_axis_or_a_column(check: str, agreement: float) -> None:
    _, tags = tagged(check=check)
    checked = tags[tags["axis"] == "area"]
    assert checked["check"].unique().tolist() == [check]
    assert checked["agreement"].to_numpy() == pytest.approx(np.full(2, agreement))
    assert (tags.loc[tags["axis"] != "area", "check"] == "").all()


def test_a_check_against_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"\[segments.area\] check = 'tir' .*mean 'tier'"):
        tagged(check="tir")


def test_no_axes_no_tags() -> None:
    found = assign_axes((), made_facts(attributes=COLUMN))
    assert list(catalogue(found).columns) == list(COLUMNS)
    assert catalogue(found).empty
