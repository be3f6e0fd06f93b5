"""`make audit`: known vulnerabilities of what is pinned, and secrets in what is tracked.

Leaves with 0 when nothing was found, with 1 when something was, and with 3 when the database of
vulnerabilities did not answer for everything: then nobody knows.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

FOUND, NOT_KNOWN = 1, 3
ROOT = Path(__file__).parents[1]
PINS = "constraints.txt"
OWN_KEYS = Path(__file__).with_name("own_keys.py")
A_DIGEST = r'"(digest|content_id)": "[0-9a-f]+"'
"""A line that looks like a key, and is what anybody can work out."""
EXAMPLE = r"^(hunter2|rk_[a-z]{1,9})(?![\w-])"
"""The password of every example, and a key that is too short to be one."""


def main(folder: Path) -> int:
    """Look for both, whatever the first one finds."""
    return max(vulnerabilities(folder), secrets(folder))


def vulnerabilities(folder: Path) -> int:
    """Ask the database about every pin."""
    asked = python("pip_audit", "-r", PINS, "--no-deps", "--disable-pip", "-f", "json", at=folder)
    if not asked.stdout:
        reason = (asked.stderr.strip().splitlines() or ["it said nothing"])[-1]
        return not_known(f"the database cannot be reached, and no pin was looked up: {reason}")
    pins = json.loads(asked.stdout)["dependencies"]
    for pin in pins:
        for found in pin.get("vulns", ()):
            say(f"{pin['name']} {pin['version']}: {found['id']}, {remedy(found)}")
    unknown = [pin["name"] for pin in pins if "skip_reason" in pin]
    if unknown:
        return not_known(
            f"the database has no entry for {len(unknown)} of {len(pins)} pins, such as "
            f"{', '.join(unknown[:5])}; is it the one of PyPI that answers here?"
        )
    vulnerable = sum(bool(pin["vulns"]) for pin in pins)
    say(f"vulnerabilities: {vulnerable} of {len(pins)} pins have one that is known")
    return FOUND if vulnerable else 0


def remedy(found: dict[str, Any]) -> str:
    """Say which versions are free of a vulnerability."""
    return f"mended in {' or '.join(found['fix_versions'])}" if found["fix_versions"] else "open"


def not_known(reason: str) -> int:
    """Say why nobody knows."""
    say(f"vulnerabilities: NOT KNOWN: {reason}")
    return NOT_KNOWN


def secrets(folder: Path) -> int:
    """Look through every tracked file; a line that is none says `pragma: allowlist secret`."""
    spared = ("--exclude-lines", A_DIGEST, "--exclude-secrets", EXAMPLE)
    asked = python("detect_secrets", "scan", "-p", str(OWN_KEYS), *spared, at=folder)
    asked.check_returncode()
    found = json.loads(asked.stdout)["results"]
    for file, lines in found.items():
        for one in lines:
            say(f"{file}:{one['line_number']}: {one['type']}")
    say(f"secrets: {sum(map(len, found.values()))} found in tracked files")
    return FOUND if found else 0


def python(module: str, *words: str, at: Path) -> subprocess.CompletedProcess[str]:
    """Run a module in a folder."""
    command = [sys.executable, "-m", module, *words]
    return subprocess.run(command, cwd=at, capture_output=True, text=True, check=False)


def say(text: str) -> None:
    """Print a line."""
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT))
