"""``recsys serve``: the HTTP service."""

import os
from enum import StrEnum
from typing import Annotated

import typer
import uvicorn

from recsys.cli.options import DEFAULT_CONFIG, ConfigPath, read_config, state_of, store_of
from recsys.cli.output import say
from recsys.errors import ConfigError
from recsys.ranking.published import open_bundle


class Clock(StrEnum):
    """Which moment answers are given as of."""

    DATA = "data"
    NOW = "now"


def serve(
    config_path: ConfigPath = DEFAULT_CONFIG,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)] = 8000,
    workers: Annotated[int, typer.Option(help="Worker processes.", min=1)] = 1,
    clock: Annotated[
        Clock, typer.Option(help="data: as of the newest event; now: as of the clock.")
    ] = Clock.DATA,
) -> None:
    """Answer storefronts over HTTP."""
    config = read_config(config_path)
    # Find out now, not in a worker, that there is nothing to serve.
    ranker = open_bundle(store_of(config).load()).ranker
    for variant in config.every_variant().values():
        ranker.check(variant)
    state = state_of(config)
    state.ping()
    state.close()
    os.environ["RECSYS_CONFIG"] = str(config_path.resolve())
    os.environ["RECSYS_CLOCK"] = clock.value
    say(f"serving on http://{host}:{port} (documentation at /docs); Ctrl-C stops")
    try:
        uvicorn.run(
            "service.app:create_app",
            factory=True,
            host=host,
            port=port,
            workers=workers,
            log_level="warning",
        )
    except SystemExit as left:
        # Its exit codes are not ours, and it has said why.
        raise ConfigError(
            f"the service did not start on {host}:{port}, see above; "
            "if the port is taken, name another with --port"
        ) from left
