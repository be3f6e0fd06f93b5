"""``recsys user``: what is known of a user, and how to forget her."""

import time
from typing import Annotated

import typer

from recsys.cli.options import DEFAULT_CONFIG, ConfigPath, OutputFormat, read_config, state_of
from recsys.cli.output import Format, print_json, print_table, say
from recsys.errors import ConfigError

app = typer.Typer(help="What is known of a user, and how to forget her.", no_args_is_help=True)

UserId = Annotated[str, typer.Argument(help="A user_id.", metavar="ID")]


@app.command()
def show(
    user_id: UserId, config_path: ConfigPath = DEFAULT_CONFIG, format: OutputFormat = Format.TEXT
) -> None:
    """Show everything the state holds of a user, as she may ask for it."""
    state = state_of(read_config(config_path))
    person = state.person(user_id)
    found = {
        "user_id": user_id,
        "known": person is not None,
        "attributes": person.attributes if person else {},
        "consent": person.consent if person else "full",
        "segments": state.profiles.of([user_id]).get(user_id, {}),
        "events": _rows(state.events_of([user_id]).to_dict("records")),
        "exposures": [one._asdict() for one in state.exposures.of(user_id)],
    }
    state.close()
    if format is Format.JSON:
        print_json(found)
        return
    rows = [(name, _short(value)) for name, value in found.items()]
    print_table("User", ("what", "value"), rows)


@app.command()
def erase(
    user_id: UserId,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    config_path: ConfigPath = DEFAULT_CONFIG,
    format: OutputFormat = Format.TEXT,
) -> None:
    """Take a user out of the state, for good, and print the receipt."""
    state = state_of(read_config(config_path))
    if not yes and not typer.confirm(f"erase {user_id}, for good?", err=True):
        raise ConfigError("nothing was erased")
    receipt = state.erase(user_id, erased_at=time.time_ns() // 1000)
    state.close()
    if format is Format.JSON:
        print_json(receipt._asdict())
        return
    print_table("Erased", ("table", "rows"), [(k, str(v)) for k, v in receipt.rows.items()])
    say(f"receipt {receipt.digest}; item factors are aggregates until the next training")


def _rows(records: list[dict[object, object]]) -> list[dict[str, object]]:
    """Leave out of each event what is not known."""
    return [
        {str(name): value for name, value in row.items() if value is not None and value == value}
        for row in records
    ]


def _short(value: object) -> str:
    return f"{len(value):,}" if isinstance(value, list) else str(value)
