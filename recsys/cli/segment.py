"""``recsys segment``: memberships, sizes and definitions."""

from recsys.cli.options import (
    DEFAULT_CONFIG,
    AsOf,
    ConfigPath,
    OutputFile,
    OutputFormat,
    moment_or,
    read_config,
    write_frame,
)
from recsys.cli.output import Format, print_frame, print_json, progress_bar, say
from recsys.pipelines.ingest import open_shop
from recsys.pipelines.segment import segment as run


def segment(
    config_path: ConfigPath = DEFAULT_CONFIG,
    as_of: AsOf = None,
    output: OutputFile = None,
    format: OutputFormat = Format.TEXT,
) -> None:
    """Memberships as of a moment; sizes and definitions."""
    config = read_config(config_path)
    with progress_bar("reading the shop", None):
        shop = open_shop(config)
    with progress_bar("putting users into segments", None):
        result = run(shop, config, as_of=moment_or(as_of, shop.after_all()))
    if output is not None:
        write_frame(result.memberships.frame(), output)
    sizes = result.sizes()
    if format is Format.JSON:
        rows = sizes.to_dict(orient="records")
        print_json(
            {"segments": rows, "users": len(result.memberships.users), "notes": result.notes}
        )
        return
    print_frame(f"Segments of {len(result.memberships.users):,} users", sizes)
    for note in result.notes:
        say(f"note: {note}")
    if output is not None:
        say(f"memberships: {output}")
