"""What other recommenders reach on a folder of protocols, in an environment of their own.

    RECSYS_PROTOCOLS=FOLDER python benchmarks/quality/peers/run.py [PROTOCOL ...] [--peer NAME ...]
        [--explore] [--lists DIR] [--environment DIR] --output FILE

The first run makes a virtual environment and installs `requirements.txt` into it; nothing of the
project is imported. Each peer is tuned on slices of the training side, at most 12 settings, and
then ranks once for the protocol's own scorer. `--explore` asks for lists of new items as well,
tuned for them. Each peer runs in a process of one thread, the smallest protocol first. FILE is one
JSON document, written after every peer; what it holds already is not measured again.
"""

import argparse
import hashlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
REQUIREMENTS = HERE / "requirements.txt"
ENVIRONMENT = HERE.parents[2] / ".peers"
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
LIBRARIES = "import json, sys; from importlib import metadata as m; print(json.dumps(" \
    "{d.name: d.version for d in m.distributions() if d.name in sys.argv[1:]}))"  # fmt: skip


def environment(place: Path) -> Path:
    """Return the Python of the peers' environment; make it when the requirements are new."""
    python = place / ("Scripts" if os.name == "nt" else "bin") / "python"
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    mark = place / "requirements.sha256"
    if not mark.exists() or mark.read_text(encoding="utf-8") != wanted:
        say(f"making {place}")
        venv.create(place, with_pip=True, clear=True)
        install(python)
        mark.write_text(wanted, encoding="utf-8")
    return python


def install(python: Path) -> None:
    """Install everything, or else one by one: a peer whose library is missing is skipped."""
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    if subprocess.run([*command, "-r", str(REQUIREMENTS)], check=False).returncode == 0:
        return
    for line in REQUIREMENTS.read_text(encoding="utf-8").split():
        if subprocess.run([*command, line], check=False).returncode != 0:
            say(f"not installed: {line}")


def versions(python: Path) -> dict[str, str]:
    names = [line.partition(">")[0] for line in REQUIREMENTS.read_text(encoding="utf-8").split()]
    found: dict[str, str] = json.loads(answer(python, "-c", LIBRARIES, *names))
    return found


def answer(python: Path, *arguments: str) -> str:
    command = [str(python), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=alone()).stdout


def alone() -> dict[str, str]:
    """Return the variables of a child: one thread, and this package to import."""
    threads = dict.fromkeys(THREADS, "1")
    return {**os.environ, **threads, "PYTHONPATH": str(HERE.parent), "PYTHONWARNINGS": "ignore"}


def measure(python: Path, folder: Path, peer: str, more: list[str]) -> dict[str, Any]:
    """Return what one peer reaches, or the end of what it said as it failed."""
    with tempfile.TemporaryDirectory() as place:
        result = Path(place) / "result.json"
        command = [str(python), "-m", "peers.measure", str(folder), peer, str(result), *more]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=alone())
        if done.returncode != 0:
            return {"failed": done.stderr.strip().splitlines()[-1:] or [str(done.returncode)]}
        found: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
        return found


def protocols(root: Path) -> list[str]:
    """Return the names of all protocols, the smallest first."""
    trains = sorted(root.glob("*/train.parquet"), key=lambda file: file.stat().st_size)
    return [file.parent.name for file in trains]


def started(file: Path, python: Path) -> dict[str, Any]:
    """Return the document so far, or a new one."""
    if file.exists():
        before: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return before
    machine = {"cores": os.cpu_count(), "threads": 1, "python": platform.python_version()}
    return {"machine": machine, "versions": versions(python), "protocols": {}}


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="PROTOCOL")
    parser.add_argument("--peer", nargs="+", metavar="NAME")
    parser.add_argument("--explore", action="store_true")
    parser.add_argument("--lists", type=Path, metavar="DIR")
    parser.add_argument("--environment", type=Path, default=ENVIRONMENT, metavar="DIR")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE")
    given = parser.parse_args()
    if "RECSYS_PROTOCOLS" not in os.environ:
        parser.error("set RECSYS_PROTOCOLS to the folder of protocols")
    return given


def main() -> None:
    given = arguments()
    root = Path(os.environ["RECSYS_PROTOCOLS"]).resolve()
    python = environment(given.environment.resolve())
    names = "from peers.registry import PEERS; print(*PEERS)"
    peers = given.peer or answer(python, "-c", names).split()
    more = ["--explore"] if given.explore else []
    more += ["--lists", str(given.lists.resolve())] if given.lists else []
    document = started(given.output, python)
    for protocol in given.names or protocols(root):
        reached = document["protocols"].setdefault(protocol, {"peers": {}})["peers"]
        for peer in peers:
            if peer not in reached or "failed" in reached[peer]:
                say(f"{protocol}: {peer}")
                reached[peer] = measure(python, root / protocol, peer, more)
                text = json.dumps(document, indent=1)
                given.output.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
