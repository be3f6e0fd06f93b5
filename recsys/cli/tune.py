"""``recsys tune``: search hyper-parameters on the training side only."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from recsys.cli.options import (
    DEFAULT_CONFIG,
    ConfigPath,
    OutputFormat,
    moment_or,
    read_config,
    reading,
)
from recsys.cli.output import Format, messages, print_json, print_table, say
from recsys.config import RecsysConfig
from recsys.errors import ConfigError, DataError
from recsys.events.shop import Shop
from recsys.events.times import format_time
from recsys.pipelines.ingest import open_evaluated
from recsys.pipelines.tune import (
    DRAWS,
    Sitting,
    Tried,
    Tuned,
    require_optuna,
    snippet,
    training_side,
)
from recsys.pipelines.tune import tune as run
from recsys.ranking import Variant


def tune(
    config_path: ConfigPath = DEFAULT_CONFIG,
    trials: Annotated[int, typer.Option(min=1, help="How many more trials.")] = 30,
    as_of: Annotated[
        str | None,
        typer.Option(
            "--as-of",
            help="Use nothing at or after this time. Default: what [evaluation] learns from.",
        ),
    ] = None,
    variant: Annotated[str, typer.Option(help="Whose NDCG@10 is to rise.")] = "segment_aware",
    timeout: Annotated[
        float | None, typer.Option(min=0, help="Seconds after which no new trial begins.")
    ] = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="Forget the trials of earlier sittings.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option("--output", help="Write the values to use: TOML to paste.")
    ] = None,
    format: OutputFormat = Format.TEXT,
) -> None:
    """Search hyper-parameters on the training side only; go on where it stopped."""
    config = read_config(config_path)
    require_optuna()
    [chosen] = config.chosen([variant])
    if output is not None and output.resolve() == config_path.resolve():
        raise ConfigError(f"--output {output} is the config itself; name another file")
    with reading(config, open_evaluated) as whole:
        shop, moment = _looked_at(whole, config, as_of)
        with _bar(trials) as on_trial:
            sitting = Sitting(trials, restart, _after(timeout), on_trial)
            found = _searched(shop, config, chosen, sitting, moment)
    if output is not None:
        _write(snippet(found.advised), output)
    if format is Format.JSON:
        print_json(document(found, chosen, format_time(moment) if shop.timed else None))
    else:
        print_tuned(found, chosen)


def _looked_at(shop: Shop, config: RecsysConfig, as_of: str | None) -> tuple[Shop, int]:
    if as_of is None:
        return training_side(shop, config)
    return shop, moment_or(as_of, shop.after_all())


def _after(seconds: float | None) -> Callable[[], bool]:
    if seconds is None:
        return lambda: False
    end = time.monotonic() + seconds
    return lambda: time.monotonic() >= end


def _searched(
    shop: Shop, config: RecsysConfig, variant: Variant, sitting: Sitting, moment: int
) -> Tuned:
    try:
        return run(shop, config, variant, sitting, as_of=moment)
    except KeyboardInterrupt:
        say("stopped; every finished trial is kept: the same command goes on from there")
        raise


@contextmanager
def _bar(trials: int) -> Iterator[Callable[[Tried], None]]:
    """Draw a bar of trials with the best score of this sitting; on a terminal only."""
    columns = (
        SpinnerColumn(),
        TextColumn("trials"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[best]}"),
    )
    scores: list[float] = []
    with Progress(*columns, console=messages(), disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("trials", total=trials, best="")

        def on_trial(one: Tried) -> None:
            scores.append(one.score)
            bar.update(task, advance=1, best=f"best {max(scores):.4f}")

        yield on_trial


def _write(text: str, path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise DataError(f"--output {path} cannot be written: {error}") from error


def document(found: Tuned, variant: Variant, as_of: str | None) -> dict[str, Any]:
    """Return what was found, for programs."""
    return {
        "variant": {"name": variant.name, "digest": variant.digest},
        "as_of": as_of,
        "study": found.study,
        "file": str(found.file),
        "trials": found.trials,
        "own": found.own._asdict(),
        "best": found.best._asdict(),
        "changed": found.changed,
        "gain": None if found.gain is None else asdict(found.gain),
        "better": found.better,
        "importances": dict(found.importances),
        "toml": snippet(found.advised),
    }


def print_tuned(found: Tuned, variant: Variant) -> None:
    """Print the best values against the config's own, what was found, and what to do."""
    rows = [
        (name, str(own), str(found.best.values[name]), _share(found.importances.get(name)))
        for name, own in found.own.values.items()
    ]
    rows.append(("NDCG@10", f"{found.own.score:.4f}", f"{found.best.score:.4f}", ""))
    title = f"{variant.name}: the best of {found.trials} trials"
    print_table(title, ("key", "your config", "best", "matters"), rows)
    say(_verdict(found))
    if found.better:
        typer.echo(snippet(found.advised), nl=False)


def _share(share: float | None) -> str:
    return "" if share is None else f"{share:.0%}"


def _verdict(found: Tuned) -> str:
    gain = found.gain
    if gain is None:
        return "no trial scored higher than your config: leave it as it is"
    told = (
        f"on {DRAWS} other draws of left-out users the best differs by {gain.mean:+.4f} "
        f"({gain.low:+.4f} to {gain.high:+.4f})"
    )
    if found.better:
        return f"{told}: put this into your config, and train again"
    return f"{told}: no more than noise, leave your config as it is"
