"""``recsys train``: learn, publish and activate a model version; fill the state."""

from typing import Annotated

import typer

from recsys.cli.options import (
    DEFAULT_CONFIG,
    AsOf,
    ConfigPath,
    OutputFormat,
    moment_or,
    now,
    read_config,
    reading,
    state_of,
    store_of,
)
from recsys.cli.output import Format, print_json, print_table, progress_bar, say
from recsys.pipelines.publish import fill_state, keep_memberships, publish
from recsys.pipelines.train import Trained, fit
from recsys.ranking.blend import KNOTS


def train(
    config_path: ConfigPath = DEFAULT_CONFIG,
    as_of: AsOf = None,
    seed: Annotated[int | None, typer.Option(help="Replaces [model] seed.")] = None,
    format: OutputFormat = Format.TEXT,
) -> None:
    """Learn, publish and activate a model version; fill the state."""
    config = read_config(config_path, seed=seed)
    # Now, for a state that cannot be kept must not be found out after the training.
    state = state_of(config)
    if state.exists():
        state.create()
    with reading(config) as shop:
        moment = moment_or(as_of, shop.after_all())
        trained = fit(shop, config, as_of=moment, progress=progress_bar)
        manifest = publish(trained, shop, config, store_of(config), created_at=now())
        filled = fill_state(shop, state, as_of=moment, progress=progress_bar)
        keep_memberships(trained, state, manifest.version, progress=progress_bar)
    state.close()
    for note in trained.notes:
        say(f"note: {note}")
    if format is Format.JSON:
        print_json({**manifest.model_dump(mode="json", exclude={"arrays"}), "state": filled})
        return
    print_weights(trained)
    say(f"published and activated {manifest.version} (content {manifest.content_id[:12]})")
    say(f"the state holds {filled['users']:,} users and {filled['events']:,} events")


def print_weights(trained: Trained) -> None:
    """Print what was learnt for each variant, and what each axis gained."""
    rows = []
    for name, found in trained.learnt.items():
        weights = found.weights.signals
        for signal in dict.fromkeys([*trained.model.signals, *found.gains]):
            if signal in weights or signal in found.gains:
                at = (f"{weight:.3g}" for weight in weights.get(signal, [0.0] * len(KNOTS)))
                rows.append((name, signal, *at, _gain(found.gains.get(signal))))
    if rows:
        knots = [f"{knot:g} items" for knot in KNOTS]
        print_table("Learnt weights", ("variant", "signal", *knots, "gain"), rows)


def _gain(gain: tuple[float, float] | None) -> str:
    return "" if gain is None else f"{gain[0]:+.5f} ± {gain[1]:.5f}"
