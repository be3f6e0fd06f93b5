"""The one config file: each room's own frozen config, assembled from ``recsys.toml``."""

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, model_validator

from recsys.bundle import StoreConfig
from recsys.errors import ConfigError, nearest
from recsys.evaluation.config import EvaluationConfig
from recsys.events.config import FILES, STATE, DataConfig
from recsys.events.queries import Query
from recsys.experiments.config import ExperimentsConfig
from recsys.interactions import InteractionsConfig
from recsys.models import ModelConfig
from recsys.ranking import BUILT_IN, Recipe, Variant, Wording, variants
from recsys.segments import KINDS, AxisConfig
from recsys.segments.presets import Expanded, expand, preset_names
from recsys.state import StateConfig
from recsys.types import Config

SQLITE_FILE = "sqlite:///"
IN_MEMORY = (":memory:", "file:")
"""What SQLite does not take for a plain file; the state refuses them."""
NO_TABLE = ("model_type", "model_attributes_type", "dict_type")
"""What pydantic calls a value where a table is meant."""


class ServiceConfig(Config):
    """The ``[service]`` table of the config."""

    default_variant: str = Field("segment_aware", description="the variant of a plain request")
    reasons: Wording = Field(Wording(), description="the words of reasons, and what they may tell")
    anonymous_reads: bool = Field(
        True, description="whether lists can be asked for without an API key; writing needs one"
    )
    requests_per_second: float | None = Field(
        None, gt=0, description="how many requests of each API key a process answers"
    )
    remember: int = Field(
        3000, ge=0, description="customers a process keeps in memory, at 0.1 to 0.3 MB each"
    )


class RecsysConfig(Config):
    """Everything ``recsys.toml`` says."""

    data: DataConfig
    interactions: InteractionsConfig = InteractionsConfig()
    segments: dict[str, AxisConfig] = {}
    model: ModelConfig = ModelConfig()
    variants: dict[str, Recipe] = {}
    evaluation: EvaluationConfig = EvaluationConfig()
    store: StoreConfig = StoreConfig()
    state: StateConfig = StateConfig()
    service: ServiceConfig = ServiceConfig()
    experiments: ExperimentsConfig = ExperimentsConfig()

    @model_validator(mode="after")
    def _names_fit(self) -> "RecsysConfig":
        known = {**BUILT_IN, **self.variants}
        try:
            variants(self.variants)
        except ConfigError as error:
            # To pydantic a ValueError is a problem of this file, which a ConfigError is not.
            raise ValueError(str(error)) from error
        if self.service.default_variant not in known:
            name = self.service.default_variant
            raise ValueError(
                f"[service] default_variant = {name!r} is no variant{nearest(name, known)}"
            )
        for name in self.service.reasons.tell or ():
            if name not in self.segments:
                raise ValueError(
                    f"[service.reasons] tell = {name!r} is no axis{nearest(name, self.segments)}"
                )
        for name in self.segments:
            if not name.isidentifier() or name != name.lower():
                raise ValueError(
                    f"[segments.{name}]: an axis is named by lower-case letters, digits and _"
                )
        return self

    def every_variant(self) -> dict[str, Variant]:
        """Return the built-in and the configured variants."""
        return variants(self.variants)

    def with_seed(self, seed: int) -> "RecsysConfig":
        """Return the same config with another seed of the model."""
        return self.model_copy(update={"model": self.model.model_copy(update={"seed": seed})})

    def chosen(self, names: list[str] | tuple[str, ...]) -> list[Variant]:
        """Return the named variants; without a name, all of them.

        Raises
        ------
        ConfigError
            When a name is not known.
        """
        every = self.every_variant()
        for name in names:
            if name not in every:
                raise ConfigError(f"no variant {name!r}{nearest(name, every)}")
        return [every[name] for name in names or every]


def load_config(path: str | Path) -> RecsysConfig:
    """Read a config file; its relative paths are relative to its folder.

    Raises
    ------
    ConfigError
        Names every key that cannot be meant, its place, and the nearest known key.
    """
    file = Path(path)
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            f"there is no config file {str(file)!r}; name one with -c, or write one with "
            "`recsys init EVENTS`"
        ) from None
    except OSError as error:
        raise ConfigError(f"the config file {str(file)!r} cannot be read: {error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is not TOML: {error}") from error
    return parse_config(content, file.parent, name=str(file))


def parse_config(content: Mapping[str, Any], folder: Path, *, name: str = "config") -> RecsysConfig:
    """Build the config from a TOML document; see `load_config`."""
    segments = Expanded({}, {})
    try:
        segments = _expanded(content)
        config = RecsysConfig.model_validate({**content, **segments.tables})
    except ValidationError as error:
        problems = "; ".join(_explain(problem) for problem in _causes(error.errors()))
        raise ConfigError(f"{name}: {_placed(problems, segments.places)}") from error
    except ConfigError as error:
        raise ConfigError(f"{name}: {error}") from error
    return _anchored(config, folder.resolve())


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of the config, for editors."""
    schema = RecsysConfig.model_json_schema()
    segments = schema["properties"]["segments"]
    preset = {
        "type": "object",
        "properties": {
            "preset": {"enum": list(preset_names()), "type": "string"},
            "columns": {"type": "object", "additionalProperties": {"type": "string"}},
            "without": {"type": "array", "items": {"type": "string"}},
        },
        "additionalProperties": {"type": "object"},
        "required": ["preset"],
    }
    segments["additionalProperties"] = {"anyOf": [segments["additionalProperties"], preset]}
    return schema


def _expanded(content: Mapping[str, Any]) -> Expanded:
    """Return ``segments`` with presets replaced by their axes; nothing where it is no table."""
    tables = content.get("segments")
    if not isinstance(tables, Mapping):
        return Expanded({}, {})
    found = expand(tables)
    named = {name: _with_column(name, table) for name, table in found.tables.items()}
    return Expanded({"segments": named}, found.places)


def _with_column(name: str, table: Any) -> Any:
    """Name the attribute that imported segments are kept in after their axis."""
    if not isinstance(table, Mapping) or table.get("kind") != "imported":
        return table
    return {"column": f"imported:{name}", **table}


def _placed(problems: str, places: Mapping[str, str]) -> str:
    """Name the tables that the file has, in place of the axes that presets stand for."""
    for name, place in places.items():
        for end in ("]", "."):
            problems = problems.replace(f"[segments.{name}{end}", f"[segments.{place}{end}")
    return problems


def _anchored(config: RecsysConfig, folder: Path) -> RecsysConfig:
    files = [name for name in FILES if (name, getattr(config.data, name)) != ("events", STATE)]
    data = _files_in(config.data, folder, files)
    store = config.store.model_copy(update={"path": str(folder / config.store.path)})
    state = config.state.model_copy(update={"url": _url_in(config.state.url, folder)})
    evaluation = _files_in(config.evaluation, folder, ("train", "targets", "catalogue"))
    segments = {
        name: _files_in(axis, folder, ("file",)) if axis.kind == "imported" else axis
        for name, axis in config.segments.items()
    }
    changed = {
        "data": data,
        "segments": segments,
        "store": store,
        "state": state,
        "evaluation": evaluation,
    }
    return config.model_copy(update=changed)


def _files_in(table: Any, folder: Path, names: Iterable[str]) -> Any:
    """Anchor the files that a table of the config names at the config's own folder."""
    named = {name: value for name in names if (value := getattr(table, name)) is not None}
    return table.model_copy(update={name: _in(value, folder) for name, value in named.items()})


def _in(source: str | Query, folder: Path) -> str | Query:
    if isinstance(source, Query):
        return source.model_copy(update={"url": _url_in(source.url, folder)})
    return str(folder / source)


def _url_in(url: str, folder: Path) -> str:
    file = url.removeprefix(SQLITE_FILE)
    is_relative = file != url and not file.startswith(IN_MEMORY)
    return SQLITE_FILE + str(folder / file) if is_relative else url


def _causes(problems: Iterable[Any]) -> list[Any]:
    """Leave out what only follows: a list is too short where its one entry is wrong."""
    found = list(problems)
    places = [problem["loc"] for problem in found]
    return [
        problem
        for problem in found
        if problem["type"] != "too_short"
        or all(
            place[: len(problem["loc"])] != problem["loc"] or place == problem["loc"]
            for place in places
        )
    ]


def _explain(problem: Any) -> str:
    kind, steps, value = problem["type"], problem["loc"], problem["input"]
    if kind == "extra_forbidden":
        table, keys = _place(steps[:-1])
        return f"{_table(table)} {steps[-1]!r} is no key{nearest(str(steps[-1]), keys)}"
    place, _ = _place(steps)
    if kind == "missing":
        return f"{_table(place[:-1])} {place[-1]!r} is missing"
    if kind in NO_TABLE:
        return f"{_table(place[:-1])} {place[-1]} = {value!r} is no table"
    if kind == "union_tag_not_found":
        return f"{_table(place)} 'kind' is missing; known are {_kinds(place, steps)}"
    if kind == "union_tag_invalid":
        tag = problem["ctx"]["tag"]
        if place[0] == "segments":
            return f"{_table(place)} kind = {tag!r} is no kind of axis{nearest(tag, KINDS)}"
        return f"{_table(place)} kind = {tag!r} is none of {problem['ctx']['expected_tags']}"
    message = problem["msg"].removeprefix("Value error, ")
    if isinstance(value, Mapping):
        return f"{_table(place)} {message}" if place else str(message)
    return f"{_table(place[:-1])} {place[-1]} = {value!r}: {message}"


def _kinds(place: list[str], steps: Iterable[str | int]) -> str:
    """Return the kinds a table may be of: pydantic does not list them where there is none."""
    if place[0] == "segments":
        return ", ".join(KINDS)
    mapping = _walk(steps)[1].get("discriminator", {}).get("mapping", {})
    return ", ".join(repr(kind) for kind in mapping)


def _table(place: list[str]) -> str:
    return f"[{'.'.join(place)}]" if place else "at the top:"


def _place(steps: Iterable[str | int]) -> tuple[list[str], list[str]]:
    """Return the steps that the file has too, and the keys of the table they lead to.

    The others are pydantic's own: which member of a union it tried.
    """
    place, node = _walk(steps)
    return place, list(node.get("properties", {}))


def _walk(steps: Iterable[str | int]) -> tuple[list[str], dict[str, Any]]:
    """Return the steps that the file has, and the schema of what they lead to."""
    schema = RecsysConfig.model_json_schema()
    node, place = schema, []
    for step in steps:
        inside = _inside(node, step, schema)
        if inside:
            place.append(str(step))
        tagged = node.get("discriminator", {}).get("mapping", {}).get(step)
        node = _resolved(inside or ({"$ref": tagged} if tagged else node), schema)
    return place, node


def _inside(node: dict[str, Any], step: str | int, schema: dict[str, Any]) -> Any:
    """Return what a step leads to: a key of a table, or a table of a list."""
    if isinstance(step, int):
        table = _resolved(node.get("items", {}), schema)
        return table if "properties" in table else None
    return node.get("properties", {}).get(step) or node.get("additionalProperties")


def _resolved(node: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        node = schema["$defs"][node["$ref"].rpartition("/")[2]]
    parts = [part for part in _parts(node) if part.get("type") != "null"]
    tables = [part for part in parts if "$ref" in part]
    meant = tables if len(tables) == 1 else parts
    return _resolved(meant[0], schema) if len(meant) == 1 else node


def _parts(node: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what a value may be instead of each other."""
    found: list[dict[str, Any]] = node.get("anyOf") or node.get("oneOf") or []
    return found
