"""``recsys serve``: the HTTP service."""

import logging.config
import os
from enum import StrEnum
from typing import Annotated, Any, Final

import typer
import uvicorn

from recsys.cli.options import DEFAULT_CONFIG, ConfigPath, read_config, state_of, store_of
from recsys.cli.output import say
from recsys.errors import ConfigError
from recsys.ranking.published import open_bundle

LOGGING: Final[dict[str, Any]] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "service.traffic.JsonLines"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
    "loggers": {
        "recsys": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
        "uvicorn": {"handlers": ["stderr"], "level": "WARNING", "propagate": False},
    },
}
"""One line of JSON for each request and each event of the service."""


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
    open_: Annotated[
        bool, typer.Option("--open", help="Let anybody write without an API key.")
    ] = False,
) -> None:
    """Answer storefronts over HTTP."""
    logging.config.dictConfig(LOGGING)
    config = read_config(config_path)
    # Find out now, not in a worker, that there is nothing to serve.
    ranker = open_bundle(store_of(config).load()).ranker
    for variant in config.every_variant().values():
        ranker.check(variant)
    state = state_of(config)
    state.upgrade()
    has_keys = bool(state.keys.all())
    state.close()
    os.environ["RECSYS_CONFIG"] = str(config_path.resolve())
    os.environ["RECSYS_CLOCK"] = clock.value
    os.environ["RECSYS_OPEN"] = "1" if open_ else "0"
    say(f"serving on http://{host}:{port} (documentation at /docs); Ctrl-C stops")
    if open_:
        say("note: anybody who can reach this address may write, erase users and activate models")
    elif not has_keys:
        say("note: nobody may write yet; make a key: recsys keys create NAME --scope write")
    try:
        uvicorn.run(
            "service.app:create_app",
            factory=True,
            host=host,
            port=port,
            workers=workers,
            log_config=LOGGING,
            access_log=False,
        )
    except SystemExit as left:
        # Its exit codes are not ours, and it has said why.
        raise ConfigError(
            f"the service did not start on {host}:{port}, see above; "
            "if the port is taken, name another with --port"
        ) from left
