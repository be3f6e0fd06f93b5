"""``recsys keys``: create, list and revoke the API keys of the service."""

import time
from enum import StrEnum
from typing import Annotated

import typer

from recsys.cli.options import DEFAULT_CONFIG, ConfigPath, OutputFormat, read_config, state_of
from recsys.cli.output import Format, print_json, print_table, say
from recsys.events.times import format_time, parse_time
from recsys.state import Key

app = typer.Typer(help="The API keys of the service.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Whose key it is.")]


class KeyScope(StrEnum):
    """What a key allows: each what those before it do, too."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


@app.command()
def create(
    name: Name,
    scope: Annotated[KeyScope, typer.Option(help="What it allows.")] = KeyScope.READ,
    expires: Annotated[str | None, typer.Option(help="When it ends, ISO 8601.")] = None,
    config_path: ConfigPath = DEFAULT_CONFIG,
    format: OutputFormat = Format.TEXT,
) -> None:
    """Draw a key and print it: only its digest is kept, it cannot be shown again."""
    state = state_of(read_config(config_path))
    state.create()
    now = time.time_ns() // 1000
    end = None if expires is None else parse_time(expires, what="--expires")
    key = state.keys.create(name, scope.value, now=now, expires_at=end)
    state.close()
    if format is Format.JSON:
        print_json({"name": name, "scope": scope.value, "key": key})
        return
    typer.echo(key)
    say(f"this is the key of {name} ({scope.value}); it is not shown again")


@app.command("list")
def list_(config_path: ConfigPath = DEFAULT_CONFIG, format: OutputFormat = Format.TEXT) -> None:
    """Every key: whose it is, what it allows, until when."""
    state = state_of(read_config(config_path))
    found = state.keys.all()
    state.close()
    if format is Format.JSON:
        print_json({"keys": [_told(key) for key in found]})
        return
    names = ("name", "scope", "created_at", "expires_at")
    rows = [tuple(_told(key)[name] or "never" for name in names) for key in found]
    print_table("Keys", ("name", "scope", "created", "expires"), rows)


@app.command()
def revoke(name: Name, config_path: ConfigPath = DEFAULT_CONFIG) -> None:
    """Make a key invalid, within a second in every running service."""
    state = state_of(read_config(config_path))
    state.keys.revoke(name)
    state.close()
    say(f"revoked: {name}")


def _told(key: Key) -> dict[str, str | None]:
    return {
        "name": key.name,
        "scope": key.scope,
        "created_at": format_time(key.created_at),
        "expires_at": None if key.expires_at is None else format_time(key.expires_at),
    }
