"""``recsys serve``: the HTTP service."""

import gc
import importlib
import multiprocessing
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Final

import typer
import uvicorn
import uvicorn._subprocess

from recsys.cli.beside import beside
from recsys.cli.options import DEFAULT_CONFIG, ConfigPath, read_config, state_of, store_of
from recsys.cli.output import say
from recsys.config import RecsysConfig
from recsys.errors import ConfigError
from recsys.ranking.published import open_bundle

LOGGING: Final = "logging.json"
"""In the service: one line of JSON for each request and each event."""
APP: Final = "service.app:create_app"
PROTOCOL: Final = "service.protocol:Protocol"
KEEPER: Final = "service.keeper"
TAKER: Final = "service.taker"
COUNTS: Final = "PROMETHEUS_MULTIPROC_DIR"
GRACE_SECONDS: Final = 30
"""How long requests may still take when the service is told to stop."""
SILENT_SECONDS: Final = 30
"""After which a worker is replaced: a busy machine takes longer than the usual five to load one."""


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
    has_keys = _look(read_config(config_path))
    os.environ["RECSYS_CONFIG"] = str(config_path.resolve())
    os.environ["RECSYS_CLOCK"] = clock.value
    os.environ["RECSYS_OPEN"] = "1" if open_ else "0"
    os.environ["RECSYS_PROFILING"] = "0"
    if workers > 1:
        os.environ["RECSYS_PARENT"] = str(os.getpid())
    say(f"serving on http://{host}:{port} (documentation at /docs); Ctrl-C stops")
    if open_:
        say("note: anybody who can reach this address may write, erase users and activate models")
    elif not has_keys:
        say("note: nobody may write yet; make a key: recsys keys create NAME --scope write")
    with _scratch(workers), beside(KEEPER), beside(TAKER), _stopping_well():
        _serve(host, port, workers)


def _look(config: RecsysConfig) -> bool:
    """Find out now, not in a worker, that there is nothing to serve; tells whether there are keys.

    The tables of an older version are brought on.
    """
    ranker = open_bundle(store_of(config).load()).ranker
    for variant in config.every_variant().values():
        ranker.check(variant)
    state = state_of(config)
    state.upgrade()
    has_keys = bool(state.keys.all())
    state.close()
    return has_keys


def _share_what_is_imported() -> None:
    """Import what workers need, and make them forks of this process: they hold it together.

    The server's own way is to start each as a new program, which takes 110 MB more for each. On
    other systems than Linux libraries do not stand a fork.
    """
    for place in (APP, PROTOCOL):
        importlib.import_module(place.partition(":")[0])
    gc.collect()
    gc.freeze()
    uvicorn._subprocess.spawn = multiprocessing.get_context("fork")  # type: ignore[assignment]


def _serve(host: str, port: int, workers: int) -> None:
    if workers > 1 and sys.platform == "linux":
        _share_what_is_imported()
    try:
        uvicorn.run(
            APP,
            factory=True,
            host=host,
            port=port,
            http=PROTOCOL,
            workers=workers,
            log_config=str(files("service") / LOGGING),
            access_log=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
            timeout_worker_healthcheck=SILENT_SECONDS,
        )
    except SystemExit as left:
        # Its exit codes are not ours, and it has said why.
        raise ConfigError(
            f"the service did not start on {host}:{port}, see above; "
            "if the port is taken, name another with --port"
        ) from left


@contextmanager
def _scratch(workers: int) -> Iterator[None]:
    """Say where processes find each other, and where several workers add up what they count."""
    with tempfile.TemporaryDirectory(prefix="recsys-") as folder:
        said = {"RECSYS_INTAKE": str(Path(folder) / "intake")}
        if workers > 1 and COUNTS not in os.environ:
            said[COUNTS] = folder
        os.environ.update(said)
        try:
            yield
        finally:
            for name in said:
                del os.environ[name]


class _StoppedError(BaseException):
    """The signal to stop, once the service has done so or before it began."""


@contextmanager
def _stopping_well() -> Iterator[None]:
    """Make an end that a signal asked for a good one: uvicorn sends it on when it is done."""

    def stop(*_: object) -> None:
        raise _StoppedError

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, stop) for number in numbers]
    try:
        with suppress(_StoppedError):
            yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
