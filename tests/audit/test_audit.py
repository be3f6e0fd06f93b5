"""`make audit`: what it finds, and that it says so when it cannot know."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from recsys.state import StateStore

pytest.importorskip("pip_audit", reason="needs the extra dev")
pytest.importorskip("detect_secrets", reason="needs the extra dev")

AUDIT = Path(__file__).parents[2] / ".ci" / "audit.py"
VULNERABLE, SOUND = "leaky", "sound"
ADVISORY = {
    "id": "OSV-2026-1",
    "modified": "2026-01-01T00:00:00Z",
    "affected": [
        {
            "package": {"name": VULNERABLE, "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.1"}]}],
        }
    ],
}


class Audited(NamedTuple):
    code: int
    said: str


class Database(BaseHTTPRequestHandler):
    """Answers as OSV does; it knows one vulnerability."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        known = [ADVISORY] if asked["package"]["name"] == VULNERABLE else []
        body = json.dumps({"vulns": known} if known else {}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def answering() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Database)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/query"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def database() -> Iterator[str]:
    with answering() as url:
        yield url


@pytest.fixture
def project(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    track(tmp_path, "constraints.txt", f"{SOUND}==1.0\n")
    return tmp_path


def track(project: Path, name: str, text: str) -> None:
    (project / name).write_text(text, encoding="utf-8")
    subprocess.run(["git", "-C", project, "add", name], check=True)


def audit(project: Path, url: str) -> Audited:
    chosen = {"PIP_AUDIT_VULNERABILITY_SERVICE": "osv", "PIP_AUDIT_OSV_URL": url}
    command = [sys.executable, AUDIT, project]
    run = subprocess.run(
        command, env={**os.environ, **chosen}, capture_output=True, text=True, check=False
    )
    assert run.stderr == ""
    return Audited(run.returncode, run.stdout)


def test_nothing_to_find(project: Path, database: str) -> None:
    assert audit(project, database) == (
        0,
        "vulnerabilities: 0 of 1 pins have one that is known\nsecrets: 0 found in tracked files\n",
    )


def test_a_vulnerable_pin(project: Path, database: str) -> None:
    track(project, "constraints.txt", f"{SOUND}==1.0\n{VULNERABLE}==1.0\n")
    found = audit(project, database)
    assert found.code == 1
    assert f"{VULNERABLE} 1.0: OSV-2026-1, mended in 1.1" in found.said
    assert "1 of 2 pins" in found.said


def test_a_database_that_cannot_be_reached_is_no_clean_bill(project: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
    found = audit(project, f"http://127.0.0.1:{port}/v1/query")
    assert found.code == 3
    assert "vulnerabilities: NOT KNOWN: the database cannot be reached" in found.said


def test_a_key_of_the_service_is_found_where_it_is_tracked(project: Path, database: str) -> None:
    state = StateStore(f"sqlite:///{project}/state.db")
    state.create()
    key = state.keys.create("storefront", "write", now=0)
    state.close()
    (project / "untracked.txt").write_text(key, encoding="utf-8")
    track(project, "storefront.js", f"// talks to the shop\nfetch(url, {{'X-API-Key': '{key}'}})\n")
    found = audit(project, database)
    assert found.code == 1
    assert "storefront.js:2: recsys API key" in found.said
    assert "untracked.txt" not in found.said
    assert key not in found.said
