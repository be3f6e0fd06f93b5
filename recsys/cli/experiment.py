"""``recsys experiment``: write experiments down, let them run, look at what they show."""

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from recsys.cli.options import DEFAULT_CONFIG, ConfigPath, OutputFormat, read_config
from recsys.cli.output import Format, print_json, print_table, progress_bar, say
from recsys.drawing.documents import plain
from recsys.errors import ConfigError
from recsys.events.times import format_time, parse_time
from recsys.experiments import Plan
from recsys.experiments.counterfactual import DIRECT
from recsys.experiments.document import definition_document, document, verdict_document
from recsys.experiments.preference import Preferences
from recsys.experiments.reading import ReadPreferences
from recsys.experiments.rehearsal import Effect
from recsys.experiments.results import Analysis
from recsys.experiments.running import opened
from recsys.experiments.verdict import shown
from recsys.pipelines import experiment as pipeline
from recsys.pipelines.estimate import estimate as run_estimate
from recsys.pipelines.rehearse import rehearse
from recsys.simulation import Customers, Truth
from recsys.state import KeptExperiment
from recsys.statistics import Interval

app = typer.Typer(help="Which variant is better for real customers.", no_args_is_help=True)

ANALYSIS_SECONDS = 600.0
MODELS_WORD = "the model's word"
"""In place of an interval that would know nothing of how wrong a model is."""
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
    rows = [
        (
            *(one.of, f"{one.share:.0%}", one.baseline.mean, one.baseline.sd),
            *(f"{one.baseline.noise:.0%}", one.users or "", one.days or ""),
        )
        for one in found.needed
    ]
    columns = ("of", "share", plan.primary, "sd", "noise left", "users needed", "days")
    effect = "no effect is planned for" if plan.effect is None else f"{plan.effect:+.1%}"
    print_table(f"To see {effect} in {plan.power:.0%} of experiments", columns, rows)
    print_table(
        "What can be seen",
        ("days", "least relative effect"),
        [(days, f"{effect:.1%}") for days, effect in found.seen.items()],
    )
    everybody = found.needed[0].users
    if everybody is not None:
        say(f"for all users, write into the plan: planned_users = {everybody}")


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
    _print_verdict(verdict_document(found.verdict))
    if isinstance(found, ReadPreferences):
        _print_preferences(found.found)
    else:
        _print_analysis(found.analysis)


def _print_preferences(found: Preferences) -> None:
    everybody = [] if found.overall is None else [found.overall]
    rows = [
        (
            *(one.of, one.users, f"{one.interval.mean:+.3f}"),
            f"[{one.interval.low:+.3f}, {one.interval.high:+.3f}]",
            *(one.adjusted_p, "yes" if one.declared else ""),
        )
        for one in (*everybody, *found.segments)
    ]
    columns = ("of", "users", "preference", "interval", "p, adjusted", "declared")
    print_table(f"{found.lists:,} lists of {found.users:,} users", columns, rows)


def _print_analysis(analysis: Analysis) -> None:
    everything = [*analysis.primary, *(g.comparison for g in analysis.guardrails), *analysis.others]
    rows = [
        (
            one.metric,
            one.variant,
            one.users,
            one.control.mean,
            one.treatment.mean,
            shown(one),
            one.p,
        )
        for one in everything
    ]
    columns = ("metric", "variant", "users", "control", "treatment", "difference", "p")
    print_table(f"{analysis.users:,} users", columns, rows)
    print_table(
        f"By segment: {analysis.experiment.plan.primary}",
        ("segment", "variant", "users", "difference", "p, adjusted", "declared"),
        [
            (
                *(f"{one.axis}:{one.segment}", one.variant, one.users),
                *(shown(one), one.adjusted_p, "yes" if one.declared else ""),
            )
            for one in analysis.segments
        ],
    )


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
        found = _through_service(plan, customers, range(days), url, key)
        if format is Format.JSON:
            print_json(found)
        else:
            _print_verdict(found["verdict"])
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
    where = f" in {truth.axis}:{truth.segment}" if truth.axis else ""
    print_table(
        f"{replications} experiments with an effect of {truth.size:+.1%}{where}",
        ("verdict", "share"),
        [(answer, f"{n / replications:.1%}") for answer, n in rehearsed.answers.items()],
    )
    say(f"decided after {rehearsed.users:,.0f} of {rehearsed.planned:,} users, on average")


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
    said = found.found
    rows = [
        (name, one.mean, MODELS_WORD if name == DIRECT else _between(one.interval()))
        for name, one in {f"{of}, as shown": said.logged, **said.values}.items()
    ]
    columns = ("estimator", f"{metric} of a list", "interval")
    print_table(f"{said.lists:,} lists of {said.users:,} users", columns, rows)
    if said.difference is not None:
        one = said.difference
        say(f"{variant} against {of}: {one.mean:+.1%} [{one.low:+.1%}, {one.high:+.1%}]")
    for why in said.identified.why_not:
        say(f"not known: {why}")
    if found.left_out:
        say(f"{found.left_out:,} lists are left out: their chances are not those that were logged")


def _between(interval: Interval) -> str:
    return f"[{interval.low:.4f}, {interval.high:.4f}]"


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


def _print_verdict(verdict: dict[str, Any]) -> None:
    about = f": {verdict['variant']}" if verdict["variant"] else ""
    segments = f", for {', '.join(verdict['segments'])}" if verdict["segments"] else ""
    lines: Sequence[str] = [*verdict["reasons"], *(f"note: {w}" for w in verdict["warnings"])]
    if verdict["further_users"] is not None:
        days = verdict["further_days"]
        long = "" if days is None else f", about {days:.0f} days"
        lines = [*lines, f"{verdict['further_users']:,} more users are to come{long}"]
    print_table(f"{verdict['answer'].upper()}{about}{segments}", ("why",), [(x,) for x in lines])


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
