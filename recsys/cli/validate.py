"""``recsys validate``: read everything; accepted and rejected rows, with reasons."""

from dataclasses import asdict
from pathlib import Path

from recsys.cli.options import DEFAULT_CONFIG, ConfigPath, OutputFormat, read_config, reading
from recsys.cli.output import Format, print_json, print_table, say
from recsys.events.shop import Shop


def validate(config_path: ConfigPath = DEFAULT_CONFIG, format: OutputFormat = Format.TEXT) -> None:
    """Read everything; accepted and rejected rows, with reasons; writes the rejected rows."""
    config = read_config(config_path)
    with reading(config) as shop:
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
        (
            *(name, report.read, report.left_out, report.withheld, report.accepted),
            sum(report.rejected.values()),
        )
        for name, report in shop.reports.items()
    ]
    columns = ("source", "rows read", "left out by where", "withheld", "accepted", "rejected")
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
