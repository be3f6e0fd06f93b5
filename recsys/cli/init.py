"""``recsys init``: a starter config from the data's own columns."""

from pathlib import Path
from typing import Annotated

import typer

from recsys.cli.output import say
from recsys.errors import ConfigError
from recsys.events.starter import starter_config


def init(
    events: Annotated[str, typer.Argument(help="A file or glob of events.")],
    users: Annotated[str | None, typer.Option(help="A file of users.")] = None,
    items: Annotated[
        str | None, typer.Option(help="A file of items, or a glob of a long one's parts.")
    ] = None,
    category_tree: Annotated[
        str | None, typer.Option(help="A file of categories' parents.")
    ] = None,
    campaigns: Annotated[str | None, typer.Option(help="A file of campaigns.")] = None,
    campaign_users: Annotated[
        str | None, typer.Option(help="A file of whom they were sent to.")
    ] = None,
    redemptions: Annotated[str | None, typer.Option(help="A file of redeemed coupons.")] = None,
    output: Annotated[Path, typer.Option("-o", "--output", help="The config to write.")] = Path(
        "recsys.toml"
    ),
    force: Annotated[bool, typer.Option(help="Replace a file that is there.")] = False,
) -> None:
    """Write a starter config from the data's own columns."""
    if output.exists() and not force:
        raise ConfigError(f"{output} is there already; name another with -o, or pass --force")
    files = {
        "events": events,
        "users": users,
        "items": items,
        "category_tree": category_tree,
        "campaigns": campaigns,
        "campaign_users": campaign_users,
        "redemptions": redemptions,
    }
    given = {key: file for key, file in files.items() if file}
    starter = starter_config(given, folder=output.parent)
    try:
        output.write_text(starter.text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"-o {output} cannot be written: {error}") from error
    for guess in starter.guesses:
        say(guess)
    say(f"wrote {output}; next: recsys validate -c {output}")
