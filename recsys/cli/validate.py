"""``recsys validate``: read everything; accepted and rejected rows, with reasons."""

from dataclasses import asdict
from pathlib import Path

from recsys.cli.options import DEFAULT_CONFIG, ConfigPath, OutputFormat, read_config
from recsys.cli.output import Format, print_json, print_table, progress_bar, say
from recsys.events.shop import Shop
from recsys.pipelines.ingest import open_shop


def validate(config_path: ConfigPath = DEFAULT_CONFIG, format: OutputFormat = Format.TEXT) -> None:
    """Read everything; accepted and rejected rows, with reasons; writes the rejected rows."""
    config = read_config(config_path)
    with progress_bar("reading the shop", None):
        shop = open_shop(config)
    written = shop.write_rejected(Path(config.store.path) / "rejected")
    if format is Format.JSON:
        print_json(_document(shop, written))
        return
    _print(shop)
    for path in written:
        say(f"rejected rows, with their reasons: {path}")


def _document(shop: Shop, written: list[Path]) -> dict[str, object]:
    return {
        "files": {name: asdict(report) for name, report in shop.reports.items()},
        "events": shop.event_counts(),
        "window": shop.window(),
        "off": shop.off(),
        "rejected_files": [str(path) for path in written],
    }


def _print(shop: Shop) -> None:
    rows = [
        (name, report.read, report.left_out, report.accepted, sum(report.rejected.values()))
        for name, report in shop.reports.items()
    ]
    columns = ("file", "rows read", "left out by where", "accepted", "rejected")
    print_table("Rows", columns, rows)
    rejected = [
        (name, reason, number, shop.remedies.get(reason, ""))
        for name, report in shop.reports.items()
        for reason, number in report.rejected.items()
    ]
    if rejected:
        print_table("Rejected", ("file", "reason", "rows", "what to do"), rejected)
    print_table("Events", ("event", "rows"), shop.event_counts().items())
    window = shop.window()
    if window:
        say(f"events from {window['first']} to {window['last']}")
    for note in shop.off():
        say(f"note: {note}")
