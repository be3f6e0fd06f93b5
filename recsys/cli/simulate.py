"""``recsys simulate``: write a shop whose truth is known."""

from pathlib import Path
from typing import Annotated, Any

import typer

from recsys.cli.options import OutputFormat
from recsys.cli.output import Format, print_json, progress_bar, say
from recsys.simulation import SimulationConfig
from recsys.simulation import simulate as write_shop


def simulate(
    output: Annotated[
        Path, typer.Option("-o", "--output", help="A new or empty folder for the shop.")
    ],
    events: Annotated[int, typer.Option(help="How many events, exactly.")] = 100_000,
    seed: Annotated[int, typer.Option(help="The same seed, the same shop.")] = 42,
    users: Annotated[int | None, typer.Option(help="Default: one for every 40 events.")] = None,
    items: Annotated[int | None, typer.Option(help="Default: 4 times the root of events.")] = None,
    days: Annotated[int, typer.Option(help="How long the shop is watched.")] = 365,
    format: OutputFormat = Format.TEXT,
) -> None:
    """Write a made-up shop as Parquet, with the truth behind it."""
    sizes: dict[str, Any] = {"events": events, "users": users, "items": items, "days": days}
    config = SimulationConfig(seed=seed, **sizes)
    with progress_bar("simulating users", config.n_blocks) as advance:
        written = write_shop(config, output, on_block=advance)
    if format is Format.JSON:
        print_json({"folder": str(output), "seed": seed, **written._asdict()})
        return
    say(
        f"wrote {written.events:,} events of {written.users:,} users with {written.items:,} items "
        f"to {output}; what is behind them is in {output / 'truth'}"
    )
    say(f"recsys train -c {output / 'recsys.toml'}")
