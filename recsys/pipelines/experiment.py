"""Experiments of a shop: written down against its variants and segments, looked at, kept."""

import json
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from recsys.bundle import BundleStore
from recsys.config import RecsysConfig
from recsys.errors import ConfigError, DataError, nearest
from recsys.experiments import Plan
from recsys.experiments.design import Design
from recsys.experiments.document import document
from recsys.experiments.ledger import conclude
from recsys.experiments.metrics import measurable
from recsys.experiments.planning import plan_for, tables_for
from recsys.experiments.reading import Read, ReadPreferences, look
from recsys.experiments.rehearsal import Effect, Rehearsed, rehearse_tables
from recsys.experiments.report import write
from recsys.experiments.running import write_down
from recsys.pipelines.progress import Progress, silent
from recsys.ranking.published import Published, open_bundle
from recsys.state import KeptExperiment, StateStore


def read_plan(path: Path) -> Plan:
    """Read a plan from a TOML file.

    Raises
    ------
    ConfigError
        When it cannot be read, or says what cannot be meant: every key, and what is wrong with it.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"the plan {str(path)!r} cannot be read: {error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error
    try:
        return Plan.model_validate(content)
    except ValidationError as error:
        problems = "; ".join(_explained(problem) for problem in error.errors())
        raise ConfigError(f"{path}: {problems}") from error


def _explained(problem: Mapping[str, Any]) -> str:
    place = ".".join(str(step) for step in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return f"{place!r} is no key{nearest(place, Plan.model_fields)}"
    if problem["type"] == "missing":
        return f"{place!r} is missing"
    message = problem["msg"].removeprefix("Value error, ")
    return f"{place} = {problem['input']!r}: {message}" if place else message


def create(config: RecsysConfig, plan: Plan, *, now: int) -> KeptExperiment:
    """Write an experiment down.

    Parameters
    ----------
    config
        Its variants, and the active model's segments, are what a plan may name.
    plan
        What a person wrote.
    now
        Microseconds.

    Raises
    ------
    ConfigError
        When it names what is not there, or there is one of that name.
    StoreError
        When no model is active.
    """
    with opened_state(config) as state:
        model = published_now(config, state).ranker.model
        return write_down(
            state,
            plan,
            {name: variant.digest for name, variant in config.every_variant().items()},
            {axis.name: axis.segments for axis in model.axes},
            measurable(config.experiments.every_metric(), model.catalogue.margins()),
            now=now,
        )


def design(config: RecsysConfig, plan: Plan) -> Design:
    """Work out how many users a plan takes, and how long that is.

    Raises
    ------
    ConfigError, DataError
        See `recsys.experiments.planning.plan_for`.
    """
    with opened_state(config) as state:
        metrics = config.experiments.every_metric()
        return plan_for(state, plan, metrics, margins=_margins(config, state))


def rehearse(
    config: RecsysConfig,
    plan: Plan,
    effect: Effect,
    *,
    replications: int,
    seed: int,
    progress: Progress = silent,
) -> Rehearsed:
    """Carry a plan out many times, on tables drawn from the shop's own past.

    Raises
    ------
    ConfigError, DataError
        See `recsys.experiments.planning.tables_for` and `rehearse_tables`.
    """
    with opened_state(config) as state:
        metrics, margins = config.experiments.every_metric(), _margins(config, state)
        baselines = tables_for(state, plan, metrics, margins=margins)
    with progress("experiments", replications) as advance:
        return rehearse_tables(
            plan,
            baselines,
            effect,
            replications=replications,
            seed=seed,
            on_replication=advance,
        )


DAYS = 28
"""Of the course of an experiment, in its report."""


def analyse(
    config: RecsysConfig, name: str, *, until: int | None = None, folder: Path | None = None
) -> Read | ReadPreferences:
    """Look at an experiment; what a stopped one comes to is kept, and goes into the ledger.

    Parameters
    ----------
    config
        Its state and metrics.
    name
        Which experiment.
    until
        Microseconds; nothing at or after it counts.
    folder
        Where ``report.html`` and ``report.json`` go, if anywhere.

    Raises
    ------
    NotFoundError, ConfigError, DataError
        See `recsys.experiments.reading.look`; or the report cannot be written, or not be drawn.
    """
    with opened_state(config) as state:
        metrics = config.experiments.every_metric()
        margins, days = _margins(config, state), DAYS if folder else 0
        found = look(state, name, metrics, margins=margins, until=until, days=days)
        if until is None:
            conclude(state, found)
    if folder is not None:
        _write(document(found), folder)
    return found


def _margins(config: RecsysConfig, state: StateStore) -> Mapping[str, float]:
    """Return what is earned with items, by the active model and what was told since."""
    if BundleStore(config.store.path).active_version() is None:
        return {}
    return published_now(config, state).ranker.model.catalogue.margins()


def published_now(config: RecsysConfig, state: StateStore) -> Published:
    """Open the active model, with what the shop has told of items since.

    Raises
    ------
    StoreError
        When no model is active.
    """
    published = open_bundle(BundleStore(config.store.path).load())
    return published.offering(published.ranker.model.catalogue.told(state.items.since(0)))


def _write(said: Mapping[str, Any], folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(said, indent=1, ensure_ascii=False) + "\n"
        (folder / "report.json").write_text(text, encoding="utf-8")
    except OSError as error:
        raise DataError(f"--output {folder} cannot be written: {error}") from error
    write(said, folder / "report.html")


@contextmanager
def opened_state(config: RecsysConfig) -> Iterator[StateStore]:
    """Open the state, brought up to date, and close it again."""
    state = StateStore(config.state.url)
    try:
        state.create()
        yield state
    finally:
        state.close()
