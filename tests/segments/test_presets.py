"""Presets: which there are, what they become, and what of them a shop may change."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from recsys.errors import ConfigError
from recsys.segments import AxisConfig, assign_axes, fit_axes
from recsys.segments.presets import FOLDER, expand, preset_names, read_preset

from .made import made_facts

CONFIG: TypeAdapter[Any] = TypeAdapter(AxisConfig)
NAMES = ("eight_groups", "fashion_case", "jd", "pdd", "taobao_groups", "taobao_tiers")


def test_which_presets_there_are() -> None:
    assert preset_names() == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_preset_is_a_config_that_goes_by_its_own_axes_alone(name: str) -> None:
    found = expand({"shop": {"preset": name}})
    assert list(found.tables) == [f"shop_{axis}" for axis in read_preset(name)]
    assert list(found.places.values()) == [f"shop.{axis}" for axis in read_preset(name)]
    configs = {axis: CONFIG.validate_python(table) for axis, table in found.tables.items()}
    assert all(config.title for config in configs.values())
    assert {parent for config in configs.values() for parent in config.parents} <= {*configs}


@pytest.mark.parametrize("name", NAMES)
def test_every_preset_says_where_it_is_from_and_when(name: str) -> None:
    head = (FOLDER / f"{name}.toml").read_text(encoding="utf-8").partition("\n\n")[0]
    assert all(line.startswith("#") for line in head.splitlines())
    assert "ource" in head
    assert "20" in head


def test_presets_are_part_of_the_package() -> None:
    package = Path(__file__).parents[2] / "recsys"
    assert FOLDER.resolve().is_relative_to(package.resolve())


def test_plain_axes_stay_as_they_are() -> None:
    tables = {"life": {"kind": "lifecycle"}, "odd": 3}
    assert expand(tables) == (tables, {})


def test_a_table_within_changes_keys_of_one_axis() -> None:
    tables = {"t": {"preset": "taobao_tiers", "spending": {"quantiles": [0.2, 0.4],
              "calm": {"confirm": 3}}}}  # fmt: skip
    changed = expand(tables).tables["t_spending"]
    plain = expand({"t": {"preset": "taobao_tiers"}}).tables["t_spending"]
    assert changed == {
        **plain, "quantiles": [0.2, 0.4], "calm": {"every": "month", "confirm": 3}
    }  # fmt: skip


def test_axes_of_a_preset_that_name_each_other_keep_doing_so() -> None:
    found = expand({"a": {"preset": "taobao_tiers"}, "b": {"preset": "taobao_tiers"}})
    for name in "ab":
        config = CONFIG.validate_python(found.tables[f"{name}_tier"])
        assert config.parents == (f"{name}_spending", f"{name}_frequency")


def test_an_axis_may_be_left_out_and_columns_have_the_shops_names() -> None:
    found = expand({"t": {"preset": "taobao_groups", "without": ["interest"]}})
    assert list(found.tables) == ["t_lifecycle", "t_spending"]
    renamed = expand({"e": {"preset": "eight_groups", "columns": {"birth_year": "yob"}}})
    text = str(renamed.tables)
    assert "'yob'" in text
    assert "'birth_year'" not in text
    assert "'city_tier'" in text


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        ({"x": {"preset": "taobao"}}, r"\[segments.x\] preset = 'taobao' is no preset; did you"),
        ({"x": {"preset": 3}}, r"\[segments.x\] preset = 3 is no preset; known are eight_groups, "),
        ({"x": {"preset": "jd", "foura": {}}}, "'foura' is no axis of the preset; .* 'four_a'"),
        ({"x": {"preset": "jd", "colums": {}}}, "'colums' is no axis .*; did you mean 'columns'"),
        ({"x": {"preset": "jd", "four_a": 3}}, r"\[segments.x\] four_a = 3 is no table"),
        ({"x": {"preset": "jd", "without": ["foura"]}}, "without = 'foura' is no axis .* 'four_a'"),
        ({"x": {"preset": "jd", "without": "four_a"}}, "without = 'four_a' is no list"),
        ({"x": {"preset": "jd", "columns": {"a": 1}}}, "columns = {'a': 1}: write it like"),
        ({"x": {"preset": "jd"}, "x_four_a": {"kind": "rfm"}}, "two axes are named 'x_four_a'"),
    ],
)  # fmt: skip
def test_a_preset_that_cannot_be_meant(tables: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        expand(tables)


def test_the_eight_groups_of_people_made_by_hand() -> None:
    people = [
        (1999, 1, "male", "yes", "office", "generation_z"),
        (1999, 4, "male", "yes", "office", "town_youth"),
        (1988, 2, "female", True, "office", "refined_mother"),
        (1988, 2, "female", "no", "office", "new_white_collar"),
        (1988, 2, "female", None, "office", "new_white_collar"),
        (1988, 2, "male", "yes", "transport", "urban_blue_collar"),
        (1975, 3, "male", "yes", "finance", "senior_middle_class"),
        (1984, 3, "male", "yes", None, None),
        (1969, 3, "female", "yes", "office", "urban_silver"),
        (1984, 5, "female", "yes", None, "town_elder"),
        (None, 5, "female", "yes", "office", None),
        (1999, None, "female", "yes", "office", None),
    ]
    columns = ("birth_year", "city_tier", "gender", "has_children", "occupation")
    attributes = {name: [one[place] for one in people] for place, name in enumerate(columns)}
    facts = made_facts(attributes=attributes)
    table = expand({"eight": {"preset": "eight_groups"}}).tables["eight_group"]
    found = assign_axes(fit_axes({"eight": CONFIG.validate_python(table)}, facts), facts)
    names = found.axes[0].segments
    weights = found.matrix.toarray()
    groups = [names[int(row.argmax())] if row.any() else None for row in weights]
    assert groups == [one[-1] for one in people]
