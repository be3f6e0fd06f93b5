"""``recsys recommend``: lists for one user, some, or all."""

from pathlib import Path
from typing import Annotated

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
    state_of,
    store_of,
    write_frame,
)
from recsys.cli.output import Format, print_frame, print_json, progress_bar, say
from recsys.config import RecsysConfig
from recsys.errors import ConfigError
from recsys.events.shop import Shop
from recsys.pipelines.recommend import moment, read_history, read_users, table_of
from recsys.pipelines.recommend import recommend as run
from recsys.ranking import Request
from recsys.ranking.published import Published, open_bundle
from recsys.state import StateStore

MOST = 1000


def recommend(
    config_path: ConfigPath = DEFAULT_CONFIG,
    user: Annotated[str | None, typer.Option(help="One user.")] = None,
    users: Annotated[str | None, typer.Option(help="A file with a user_id column.")] = None,
    everyone: Annotated[
        bool, typer.Option("--all", help="Every user known from events or the users file.")
    ] = False,
    k: Annotated[int, typer.Option("-k", help="Length of a list.")] = 20,
    variant: Annotated[str | None, typer.Option(help="Default: [service] default_variant.")] = None,
    history: Annotated[
        str | None, typer.Option(help="Further events, folded in; nothing is retrained.")
    ] = None,
    as_of: AsOf = None,
    explain: Annotated[bool, typer.Option(help="Add each signal's term of the score.")] = False,
    output: OutputFile = None,
    format: OutputFormat = Format.TEXT,
) -> None:
    """Rank for one user, the users of a file, or all."""
    config = read_config(config_path)
    chosen = config.chosen([variant or config.service.default_variant])[0]
    if not 1 <= k <= MOST:
        raise ConfigError(f"-k {k} is not between 1 and {MOST}")
    _one_of(user, users, everyone)
    published = open_bundle(store_of(config).load())
    state = state_of(config)
    further = _read_history(history, config) if history else None
    wanted = _wanted(user, users, everyone, config, state)
    at = moment_or(as_of, max(moment(published, state), further.after_all() if further else 0))
    tables: list[pd.DataFrame] = []
    labels: list[str | None] = []
    for lists in run(
        published,
        state,
        wanted,
        chosen,
        Request(k=k, as_of=at),
        as_of=at,
        history=further,
        progress=progress_bar,
    ):
        block = wanted[len(labels) : len(labels) + len(lists.rankings)]
        tables.append(table_of(lists, block, published.ranker, explain=explain))
        labels += [ranking.fallback for ranking in lists.rankings]
    state.close()
    _answer(pd.concat(tables, ignore_index=True), wanted, labels, published, output, format)


def _read_history(path: str, config: RecsysConfig) -> Shop:
    shop = read_history(path, config)
    for reason, number in shop.reports["events"].rejected.items():
        say(f"note: {number:,} rows of {path} are rejected: {reason}; {shop.remedies[reason]}")
    return shop


def _one_of(user: str | None, users: str | None, everyone: bool) -> None:
    given = [user is not None, users is not None, everyone]
    if sum(given) != 1:
        raise ConfigError("say whom to rank for: exactly one of --user, --users and --all")


def _wanted(
    user: str | None, users: str | None, everyone: bool, config: RecsysConfig, state: StateStore
) -> list[str]:
    if user is not None:
        return [user]
    wanted = state.user_ids() if everyone else read_users(str(users), config)
    if not wanted:
        raise ConfigError("there is nobody to rank for")
    return wanted


def _answer(
    table: pd.DataFrame,
    wanted: list[str],
    labels: list[str | None],
    published: Published,
    output: Path | None,
    format: Format,
) -> None:
    if output is not None:
        write_frame(table, output)
    fallbacks = {label: labels.count(label) for label in ("segment", "popular") if label in labels}
    if format is Format.JSON:
        document = {
            "model_version": published.manifest.version,
            "users": len(wanted),
            "fallbacks": fallbacks,
        }
        rows = {} if output else {"recommendations": table.to_dict(orient="records")}
        print_json({**document, **rows})
        return
    if output is None:
        print_frame(f"Model {published.manifest.version}", table)
    else:
        say(f"{len(table):,} rows for {len(wanted):,} users: {output}")
    for label, number in fallbacks.items():
        say(f"{number:,} of {len(wanted):,} users have no history: their list is the {label} one")
