"""``recsys evaluate``: the offline protocol; a table, JSON and per-user values."""

from pathlib import Path
from typing import Annotated, Any

import typer

from recsys.cli.options import DEFAULT_CONFIG, ConfigPath, OutputFormat, read_config
from recsys.cli.output import Format, print_json, print_table, progress_bar, say, to_json
from recsys.errors import DataError
from recsys.evaluation import BINS
from recsys.pipelines.evaluate import Evaluation, evaluate_lists, protocol_of, read_lists
from recsys.pipelines.evaluate import evaluate as run
from recsys.pipelines.ingest import open_shop
from recsys.pipelines.train import fit

LEADING = ("ndcg", "precision", "recall", "mrr", "hit")
"""Measures of the table; JSON and the per-user files have all."""


def evaluate(
    config_path: ConfigPath = DEFAULT_CONFIG,
    variant: Annotated[
        list[str] | None, typer.Option(help="A variant to judge; repeatable. Default: all.")
    ] = None,
    recommendations: Annotated[
        str | None,
        typer.Option(help="Judge this file of user_id, item_id, rank instead of variants."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="A folder for report.json and per-user values.")
    ] = None,
    format: OutputFormat = Format.TEXT,
) -> None:
    """Learn before the cut, rank, and judge the lists by what followed."""
    config = read_config(config_path)
    chosen = config.chosen(variant or [])
    with progress_bar("reading the shop", None):
        shop = open_shop(config)
    protocol = protocol_of(shop, config)
    if recommendations is not None:
        lists = read_lists(recommendations)
        result = evaluate_lists(shop, config, protocol, lists, Path(recommendations).stem)
    else:
        trained = fit(shop, config, as_of=protocol.cut, variants=chosen, progress=progress_bar)
        result = run(shop, config, protocol, trained, chosen, progress=progress_bar)
    if output is not None:
        write_report(result, output)
    if format is Format.JSON:
        print_json(document(result))
        return
    print_evaluation(result)
    if output is not None:
        say(f"report and per-user values: {output}")


def document(result: Evaluation) -> dict[str, Any]:
    """Return an evaluation as JSON."""
    return {
        "protocol": result.protocol.words(),
        "users": result.users,
        "new_users": result.new_users,
        "targets_outside_catalogue": result.outside,
        "variants": {
            name: {
                "mean": judged.means(),
                "users_without_a_list": int((judged.per_user["listed"] == 0).sum()),
                "bins": {
                    measure: judged.by_bin(measure).to_dict(orient="records")
                    for measure in judged.measures
                },
            }
            for name, judged in result.judged.items()
        },
        "notes": list(result.notes),
    }


def write_report(result: Evaluation, folder: Path) -> None:
    """Write ``report.json`` and each variant's per-user values."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, judged in result.judged.items():
            judged.per_user.reset_index().to_parquet(folder / f"{name}.parquet", index=False)
        (folder / "report.json").write_text(to_json(document(result)), encoding="utf-8")
    except OSError as error:
        raise DataError(f"--output {folder} cannot be written: {error}") from error


def print_evaluation(result: Evaluation) -> None:
    """Print the means, and the first measure by activity bin."""
    k = result.protocol.ks[0]
    words = result.protocol.words()
    names = [f"{measure}@{k}" for measure in LEADING] + [f"coverage@{k}"]
    rows = [
        (name, *(judged.means()[measure] for measure in names))
        for name, judged in result.judged.items()
    ]
    title = f"{result.users:,} users with targets, {words['cut']} to {words['end']}"
    print_table(title, ("variant", *names), rows)
    print_bins(result, f"ndcg@{k}")
    say(f"{result.new_users:,} of the users have no history before the cut")
    if result.outside:
        say(f"{result.outside:,} targets are outside the catalogue: they count and cannot be found")
    for note in result.notes:
        say(f"note: {note}")


def print_bins(result: Evaluation, measure: str) -> None:
    """Print a measure by how many items of a user were known before the cut."""
    tables = {name: judged.by_bin(measure) for name, judged in result.judged.items()}
    sizes = next(iter(tables.values())).set_index("bin")["users"].to_dict()
    present = [name for name in BINS if name in sizes]
    means = {name: dict(zip(t["bin"], t["mean"], strict=True)) for name, t in tables.items()}
    rows = [(name, *(float(means[name][b]) for b in present)) for name in tables]
    columns = ("variant", *(f"{b} ({sizes[b]:,})" for b in present))
    print_table(f"{measure} by items known before the cut (users)", columns, rows)
