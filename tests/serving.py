"""The service over a real socket: in a thread of the test, or as a process of its own."""

import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from recsys.client import Client, UnavailableError
from service.app import create_app
from service.protocol import Protocol
from service.settings import Settings

PATIENCE = 60.0
INSTALLED = Path(sys.executable).with_name("recsys")


@contextmanager
def listening(shop: Path, **settings: Any) -> Iterator[str]:
    """Serve over a socket of this machine, and stop whatever happens."""
    app = create_app(Settings(config_path=str(shop / "recsys.toml"), **settings))
    server = uvicorn.Server(uvicorn.Config(app, http=Protocol, log_level="warning"))
    with socket.create_server(("127.0.0.1", 0)) as door:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [door]})
        thread.start()
        try:
            until = time.monotonic() + PATIENCE
            while not server.started and thread.is_alive() and time.monotonic() < until:
                time.sleep(0.01)
            yield f"http://127.0.0.1:{door.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(PATIENCE)
    assert not thread.is_alive()


@contextmanager
def command(folder: Path, stop: signal.Signals, *options: str) -> Iterator[str]:
    """Run the installed command on a free port; a signal stops it, and it leaves well."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = [INSTALLED, "serve", "--port", str(port), *options]
    # A file: nobody reads a pipe meanwhile, and it would fill.
    with tempfile.TemporaryFile() as said:
        server = subprocess.Popen(words, cwd=folder, stderr=said)
        try:
            address = f"http://127.0.0.1:{port}"
            _wait_for(address, server)
            yield address
            server.send_signal(stop)
            assert server.wait(PATIENCE) == 0
        finally:
            server.kill()
            server.wait()
        said.seek(0)
        assert b"Traceback" not in said.read()


def _wait_for(address: str, server: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + PATIENCE
    with Client(address) as shop:
        while server.poll() is None and time.monotonic() < until:
            with suppress(UnavailableError):
                assert shop.ready()["status"] == "ok"
                return
    pytest.fail("the service did not start")
