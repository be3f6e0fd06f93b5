"""``recsys experiment``: write experiments down, let them run, look at what they show."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from recsys.cli.experiments_shown import (
    print_analysis,
    print_design,
    print_estimated,
    print_preferences,
    print_rehearsed,
    print_verdict,
)
from recsys.cli.options import DEFAULT_CONFIG, ConfigPath, OutputFormat, read_config
from recsys.cli.output import Format, print_json, print_table, progress_bar, say
from recsys.drawing.documents import plain
from recsys.errors import ConfigError
from recsys.events.times import format_time, parse_time
from recsys.experiments import Plan
from recsys.experiments.document import definition_document, document, verdict_document
from recsys.experiments.reading import ReadPreferences
from recsys.experiments.rehearsal import Effect
from recsys.experiments.running import opened
from recsys.pipelines import experiment as pipeline
from recsys.pipelines.estimate import estimate as run_estimate
from recsys.pipelines.rehearse import days_after, rehearse
from recsys.simulation import Customers, Truth
from recsys.state import KeptExperiment

app = typer.Typer(help="Which variant is better for real customers.", no_args_is_help=True)

ANALYSIS_SECONDS = 600.0
Name = Annotated[str, typer.Argument(help="An experiment, as listed.")]
PlanFile = Annotated[Path, typer.Argument(help="A plan, TOML.", metavar="FILE")]


@app.command()
def create(
    file: PlanFile, config_path: ConfigPath = DEFAULT_CONFIG, format: OutputFormat = Format.TEXT
) -> None:
    """Write an experiment down; what it says does not change afterwards."""
    kept = pipeline.create(read_config(config_path), pipeline.read_plan(file), now=_now())
    if format is Format.JSON:
        print_json(_told(kept))
        return
    say(f"written down: {kept.name} ({kept.digest[:12]}); let it run: recsys experiment start")


@app.command()
def design(
    file: PlanFile, config_path: ConfigPath = DEFAULT_CONFIG, format: OutputFormat = Format.TEXT
) -> None:
    """Say how many users a plan takes, and how many days that is at the shop's own traffic."""
    plan = pipeline.read_plan(file)
    found = pipeline.design(read_config(config_path), plan)
    if format is Format.JSON:
        print_json(asdict(found))
        return
    print_design(found, plan)


@app.command("list")
def list_(config_path: ConfigPath = DEFAULT_CONFIG, format: OutputFormat = Format.TEXT) -> None:
    """Every experiment, the oldest first."""
    with pipeline.opened_state(read_config(config_path)) as state:
        found = state.experiments.all()
    if format is Format.JSON:
        print_json({"experiments": [_told(one) for one in found]})
        return
    rows = [
        (o.name, o.status, f"{o.coverage:.0%}", _when(o.started_at), _when(o.stopped_at))
        for o in found
    ]
    print_table("Experiments", ("name", "status", "coverage", "started", "stopped"), rows)


@app.command()
def show(
    name: Name, config_path: ConfigPath = DEFAULT_CONFIG, format: OutputFormat = Format.TEXT
) -> None:
    """Show what was written down."""
    with pipeline.opened_state(read_config(config_path)) as state:
        kept = state.experiments.of(name)
    told = _told(kept)
    if format is Format.JSON:
        print_json(told)
        return
    plan = {key: value for key, value in told["plan"].items() if value not in (None, [], {})}
    rows = [("status", kept.status), *plan.items(), ("digest", kept.digest[:12])]
    print_table("Experiment", ("what", "value"), [(key, str(value)) for key, value in rows])


@app.command()
def start(name: Name, config_path: ConfigPath = DEFAULT_CONFIG) -> None:
    """Let it run, from the next answer of every process on."""
    with pipeline.opened_state(read_config(config_path)) as state:
        state.experiments.start(name, now=_now())
    say(f"running: {name}")


@app.command()
def ramp(
    name: Name,
    coverage: Annotated[float, typer.Argument(help="The share of its users, 0 to 1.")],
    config_path: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Let more of its users take part; nobody is moved or sent away."""
    with pipeline.opened_state(read_config(config_path)) as state:
        state.experiments.ramp(name, coverage)
    say(f"{name}: {coverage:.0%} of its users take part")


@app.command()
def stop(name: Name, config_path: ConfigPath = DEFAULT_CONFIG) -> None:
    """End it: everybody has the default variant again."""
    with pipeline.opened_state(read_config(config_path)) as state:
        state.experiments.stop(name, now=_now())
    say(f"stopped: {name}; what it came to: recsys experiment analyze {name}")


@app.command()
def analyze(
    name: Name,
    until: Annotated[
        str | None, typer.Option(help="Use nothing at or after this time, ISO 8601.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="A folder for report.html and report.json.")
    ] = None,
    config_path: ConfigPath = DEFAULT_CONFIG,
    format: OutputFormat = Format.TEXT,
) -> None:
    """Say what it shows now, by the design that was written down."""
    end = None if until is None else parse_time(until, what="--until")
    found = pipeline.analyse(read_config(config_path), name, until=end, folder=output)
    if format is Format.JSON:
        print_json(document(found))
        return
    print_verdict(verdict_document(found.verdict))
    if found.verdict.answer == "invalid":
        say("what else was measured is not shown: it says nothing")
    elif isinstance(found, ReadPreferences):
        print_preferences(found.found)
    else:
        print_analysis(found.analysis)


@app.command()
def simulate(
    file: PlanFile,
    effect: Annotated[
        float | None, typer.Option(help="Relative, of the treatments. Default: the plan's.")
    ] = None,
    only: Annotated[
        str | None,
        typer.Option(help="Where there is an effect, AXIS:SEGMENT. Default: everywhere."),
    ] = None,
    replications: Annotated[int, typer.Option(min=1, help="How many experiments.")] = 200,
    url: Annotated[
        str | None,
        typer.Option(help="Run one through a service instead, on customers of a simulated shop."),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(
            envvar="RECSYS_KEY", help="With --url: an API key of scope admin, if it asks."
        ),
    ] = None,
    days: Annotated[int, typer.Option(min=1, help="With --url: how long.")] = 14,
    visits: Annotated[float, typer.Option(help="With --url: of a customer, a day.")] = 0.3,
    seed: Annotated[int, typer.Option(help="Of every draw.")] = 42,
    config_path: ConfigPath = DEFAULT_CONFIG,
    format: OutputFormat = Format.TEXT,
) -> None:
    """Try a plan out where the truth is known: on tables of the shop's past, or over HTTP."""
    plan = pipeline.read_plan(file)
    if url is not None:
        customers = _customers(config_path.parent, visits, seed)
        with pipeline.opened_state(read_config(config_path)) as state:
            newest = state.newest_time()
        found = _through_service(plan, customers, days_after(customers, newest, days), url, key)
        if format is Format.JSON:
            print_json(found)
        else:
            print_verdict(found["verdict"])
            say(f"all that it shows: recsys experiment analyze {plan.name} -c {config_path}")
        return
    truth = Effect.read(plan.effect or 0.0 if effect is None else effect, only)
    rehearsed = pipeline.rehearse(
        read_config(config_path),
        plan,
        truth,
        replications=replications,
        seed=seed,
        progress=progress_bar,
    )
    if format is Format.JSON:
        said = {"effect": truth._asdict(), "replications": replications, **rehearsed._asdict()}
        print_json(said)
        return
    print_rehearsed(rehearsed, truth, replications)


@app.command()
def estimate(
    variant: Annotated[str, typer.Argument(help="Whose value is asked for; shown or not.")],
    of: Annotated[
        str, typer.Option("--of", help="A variant with exploration, whose lists were shown.")
    ],
    metric: Annotated[str, typer.Option(help="What is counted of a list.")] = "ctr",
    lists: Annotated[int, typer.Option(min=1, help="At most so many are looked at.")] = 10_000,
    seed: Annotated[int, typer.Option(help="Of drawn starts of lists.")] = 42,
    config_path: ConfigPath = DEFAULT_CONFIG,
    format: OutputFormat = Format.TEXT,
) -> None:
    """Say what a variant would have earned, from lists that another one drew by lot."""
    config = read_config(config_path)
    found = run_estimate(
        config, variant, of, metric=metric, most=lists, seed=seed, progress=progress_bar
    )
    if format is Format.JSON:
        print_json(plain(asdict(found)))
        return
    print_estimated(found)


def _customers(shop: Path, visits: float, seed: int) -> Customers:
    truth = Truth.read(shop)
    return Customers(truth, truth.user_ids, seed=seed, visits=visits)


def _through_service(
    plan: Plan, customers: Customers, days: range, url: str, key: str | None
) -> dict[str, Any]:
    try:
        from recsys.client import Client, Patience
    except ImportError as error:
        raise ConfigError(f"--url: {error}") from error
    # No storefront waits here, and an analysis may take a while.
    patience = Patience(deadline=ANALYSIS_SECONDS, timeout=ANALYSIS_SECONDS)
    with Client(url, api_key=key, patience=patience) as client:
        return rehearse(client, plan, customers, days, progress=progress_bar)


def _told(kept: KeptExperiment) -> dict[str, Any]:
    times = ("created_at", "started_at", "stopped_at")
    return {
        "name": kept.name,
        "status": kept.status,
        "coverage": kept.coverage,
        **{name: _when(getattr(kept, name)) or None for name in times},
        **definition_document(opened(kept)),
    }


def _when(time_: int | None) -> str:
    return "" if time_ is None else format_time(time_)


def _now() -> int:
    return time.time_ns() // 1000
