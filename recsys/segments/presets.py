"""Ready sets of axes: a preset in the config stands for the axes it is made of.

``[segments.NAME] preset = "taobao_groups"`` becomes one axis ``NAME_AXIS`` for each table of the
preset; a table ``[segments.NAME.AXIS]`` changes keys of that one.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from recsys.errors import ConfigError, nearest

FOLDER: Final = Path(__file__).with_name("presets")
PRESET: Final = "preset"
COLUMNS: Final = "columns"
WITHOUT: Final = "without"
_OWN_KEYS: Final = (PRESET, COLUMNS, WITHOUT)
_ATTRIBUTES: Final = ("attribute", "column")
_AXES: Final = ("axis", "axes", "check")
"""Keys of axes whose values name other axes."""

Table = Mapping[str, Any]


class Expanded(NamedTuple):
    """The tables of axes, presets replaced by what they stand for.

    Attributes
    ----------
    tables
        Name of an axis -> its table.
    places
        Name of an axis -> its place in the file, where that is another: ``NAME.AXIS``.
    """

    tables: dict[str, Any]
    places: dict[str, str]


def preset_names() -> tuple[str, ...]:
    """Return the names of all presets, sorted."""
    return tuple(sorted(file.stem for file in FOLDER.glob("*.toml")))


def read_preset(name: str) -> dict[str, Any]:
    """Return the axes of a preset, as tables.

    Raises
    ------
    ConfigError
        When there is no such preset.
    """
    known = preset_names()
    if name not in known:
        raise ConfigError(f"preset = {name!r} is no preset{nearest(str(name), known)}")
    return tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))


def expand(tables: Table) -> Expanded:
    """Replace presets by their axes.

    Parameters
    ----------
    tables
        What ``[segments]`` holds.

    Raises
    ------
    ConfigError
        For a preset that is not there, an axis that the preset has not, and a name that is taken.

    Examples
    --------
    >>> found = expand({"shop": {"preset": "jd"}})
    >>> list(found.tables), found.places
    (['shop_four_a'], {'shop_four_a': 'shop.four_a'})
    """
    found = Expanded({}, {})
    for name, table in tables.items():
        is_preset = isinstance(table, Mapping) and PRESET in table
        axes = _axes_of(name, table) if is_preset else {name: table}
        for axis, settings in axes.items():
            full = f"{name}_{axis}" if is_preset else axis
            if full in found.tables or (is_preset and full in tables):
                raise ConfigError(f"[segments.{name}] two axes are named {full!r}; rename one")
            found.tables[full] = settings
            if is_preset:
                found.places[full] = f"{name}.{axis}"
    return found


def _axes_of(name: str, table: Table) -> dict[str, Any]:
    """Return the axes of one preset, with what the file changes, by their short names."""
    try:
        axes = read_preset(table[PRESET])
        columns, without = _columns(table), _without(table, axes)
        changes = {key: value for key, value in table.items() if key not in _OWN_KEYS}
        for axis, change in changes.items():
            _check_change(axis, change, axes)
    except ConfigError as error:
        raise ConfigError(f"[segments.{name}] {error}") from error
    names = {axis: f"{name}_{axis}" for axis in axes}
    renamed = {axis: _renamed(settings, _ATTRIBUTES, columns) for axis, settings in axes.items()}
    merged = {axis: _merged(renamed[axis], changes.get(axis, {})) for axis in axes}
    return {
        axis: _renamed(settings, _AXES, names)
        for axis, settings in merged.items()
        if axis not in without
    }


def _columns(table: Table) -> dict[str, str]:
    columns = table.get(COLUMNS, {})
    is_map = isinstance(columns, Mapping)
    if not is_map or not all(isinstance(theirs, str) for theirs in columns.values()):
        raise ConfigError(f'columns = {columns!r}: write it like {{ birth_year = "yob" }}')
    return dict(columns)


def _without(table: Table, axes: Table) -> list[str]:
    without = table.get(WITHOUT, [])
    if not isinstance(without, list):
        raise ConfigError(f"without = {without!r} is no list of axes of the preset")
    for axis in without:
        if str(axis) not in axes:
            close = nearest(str(axis), axes)
            raise ConfigError(f"without = {axis!r} is no axis of the preset{close}")
    return without


def _check_change(axis: str, change: Any, axes: Table) -> None:
    if axis not in axes:
        known = (*axes, *_OWN_KEYS)
        raise ConfigError(f"{axis!r} is no axis of the preset{nearest(axis, known)}")
    if not isinstance(change, Mapping):
        raise ConfigError(f"{axis} = {change!r} is no table")


def _merged(settings: Table, change: Table) -> dict[str, Any]:
    """Lay a change over settings, tables within tables key by key."""
    merged = dict(settings)
    for key, value in change.items():
        before = merged.get(key)
        tables = isinstance(before, Mapping) and isinstance(value, Mapping)
        merged[key] = _merged(merged[key], value) if tables else value
    return merged


def _renamed(settings: Any, keys: tuple[str, ...], names: Mapping[str, str]) -> Any:
    """Replace names, as the value of some keys, however deep."""
    if isinstance(settings, list):
        return [_renamed(one, keys, names) for one in settings]
    if not isinstance(settings, Mapping):
        return settings
    return {
        key: _named(value, names) if key in keys else _renamed(value, keys, names)
        for key, value in settings.items()
    }


def _named(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, list):
        return [_named(one, names) for one in value]
    return names.get(value, value) if isinstance(value, str) else value
