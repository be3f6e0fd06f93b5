"""``recsys segment``: memberships, and everything there is to know about segments."""

from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer

from recsys.cli.options import (
    DEFAULT_CONFIG,
    AsOf,
    ConfigPath,
    OutputFile,
    OutputFormat,
    moment_or,
    read_config,
    reading,
    write_frame,
)
from recsys.cli.output import Format, print_frame, print_json, progress_bar, say, to_json
from recsys.config import RecsysConfig
from recsys.drawing.pages import require_extra
from recsys.errors import DataError
from recsys.pipelines.insight import look_closer
from recsys.pipelines.portraits import category_paces, portraits
from recsys.pipelines.segment import Segmented
from recsys.pipelines.segment import segment as run
from recsys.pipelines.segment_document import segment_document
from recsys.segments.report import write


def segment(
    config_path: ConfigPath = DEFAULT_CONFIG,
    as_of: AsOf = None,
    output: OutputFile = None,
    report: Annotated[
        Path | None, typer.Option(help="A folder for the page, its JSON and the memberships.")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Sizes and definitions only, without a closer look.")
    ] = False,
    format: OutputFormat = Format.TEXT,
) -> None:
    """Memberships as of a moment; sizes, flows, stability, what each axis is worth."""
    config = read_config(config_path)
    if report is not None:
        require_extra()
    with reading(config) as shop:
        found = run(shop, config, as_of=moment_or(as_of, shop.after_all()), progress=progress_bar)
        if output is not None:
            write_frame(found.memberships.frame(), output)
            say(f"memberships: {output}")
        sizes = found.sizes()
        if quick and report is None:
            _print_sizes(sizes, len(found.memberships.users), found.notes, format)
            return
        insight = look_closer(shop, config, found, progress=progress_bar)
        title = f"Segments of {_shop_name(config)}"
        document = segment_document(shop, found, insight, title=title)
        if report is not None:
            _write_report(report, document, found)
            with progress_bar("profiles of everyone", None):
                write_frame(portraits(shop, config, found), report / "profiles.parquet")
                write_frame(category_paces(shop, config, found), report / "paces.parquet")
        if format is Format.JSON:
            print_json({**document, "segments": sizes.to_dict(orient="records")})
            return
        _print_sizes(sizes, len(found.memberships.users), (), format)
        print_frame("What each axis is worth, how firm and how calm it is", _axes(document))
        for line in _sentences(document):
            say(line)
        if report is not None:
            say(f"the page to look at: {report / 'segments.html'}")


def _shop_name(config: RecsysConfig) -> str:
    """Return the name of the folder that the events lie in."""
    events = config.data.events
    folder = Path(events).parent.name if isinstance(events, str) else ""
    return folder or "the shop"


def _write_report(folder: Path, document: dict[str, Any], found: Segmented) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "segments.json").write_text(to_json(document), encoding="utf-8")
    except OSError as error:
        raise DataError(f"--report {folder} cannot be written: {error}") from error
    write_frame(found.memberships.frame(), folder / "memberships.parquet")
    write_frame(found.tags, folder / "tags.csv")
    write(document, folder / "segments.html")


def _print_sizes(sizes: pd.DataFrame, users: int, notes: tuple[str, ...], format: Format) -> None:
    if format is Format.JSON:
        rows = sizes.to_dict(orient="records")
        print_json({"segments": rows, "users": users, "notes": notes})
        return
    print_frame(f"Segments of {users:,} users", sizes)
    for note in notes:
        say(f"note: {note}")


def _axes(document: dict[str, Any]) -> pd.DataFrame:
    rows = [
        {
            "axis": axis["name"],
            "known": axis["coverage"],
            "stayed": (axis["flows"] or {}).get("stayed"),
            "shift (PSI)": (axis["flows"] or {}).get("psi"),
            "firm (ARI)": (axis["stability"] or {}).get("ari"),
            "worth (nats a purchase)": (axis["worth"] or {}).get("log_likelihood", {}).get("gain"),
            "verdict": (axis["worth"] or {}).get("verdict", "unknown"),
            "definition": axis["definition_id"],
        }
        for axis in document["axes"]
    ]
    return pd.DataFrame(rows)


def _sentences(document: dict[str, Any]) -> list[str]:
    worth = [axis["worth"]["sentence"] for axis in document["axes"] if axis["worth"]]
    funnel = document["funnel"] or {}
    further = [funnel.get("sentence"), (funnel.get("separates") or {}).get("sentence")]
    offers = document["offers"] or {}
    further += [offers.get("sentence"), offers.get("caveat")]
    return [*worth, *filter(None, further), *(f"note: {note}" for note in document["notes"])]
