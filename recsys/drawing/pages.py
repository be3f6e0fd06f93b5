"""A page: one HTML file that needs no network and no script."""

import importlib.util
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recsys.drawing.numbers import count, percent
from recsys.drawing.tables import Group, Table
from recsys.errors import ConfigError, DataError

PACKAGES = ("altair", "jinja2", "vl_convert")


@dataclass(frozen=True)
class Section:
    """A heading with tables below it; a group of them is opened as one."""

    name: str
    title: str
    tables: list[Table]
    groups: list[Group] = field(default_factory=list)


@dataclass(frozen=True)
class Fact:
    """A figure that stands out beside the verdict: what it is, its value, how sure it is."""

    name: str
    value: str
    note: str = ""


def require_extra() -> None:
    """Ask for the packages that draw.

    Raises
    ------
    ConfigError
        The extra ``recsys[report]`` is not installed.
    """
    missing = [name for name in PACKAGES if not _installed(name)]
    if missing:
        names = ", ".join(missing)
        raise ConfigError(f'the HTML report needs {names}: pip install "recsys[report]"')


def _installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def fill(package: str, **values: Any) -> str:
    """Return the ``template.html`` of a package, filled in.

    Parameters
    ----------
    package
        Where the template lies; it may use the ones that lie here.
    values
        What it names.
    """
    import jinja2

    # What a shop writes (titles, segments, notes) is text, never markup.
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader(
            [jinja2.PackageLoader(place, "") for place in (package, "recsys.drawing")]
        ),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.globals |= {"count": count, "percent": percent}
    return environment.get_template("template.html").render(values)


def write_page(page: str, path: Path) -> None:
    """Write a page to a file; one that exists is replaced.

    Raises
    ------
    DataError
        The file cannot be written.
    """
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise DataError(f"the report {path} cannot be written: {error}") from error
