"""Files, globs, queries and pandas frames, all as one relation of their own columns."""

import glob
from collections.abc import Callable, Sequence
from pathlib import Path

import duckdb
import pandas as pd

from recsys.engines import literal, quote, rows
from recsys.errors import DataError
from recsys.events.queries import Query, lay_out

Source = str | Query | pd.DataFrame
"""A path, a glob, a query of a database or a frame."""

CSV = (".csv", ".tsv")
JSON_LINES = (".jsonl", ".ndjson")
PARQUET = ".parquet"
ENDINGS = (*CSV, PARQUET, *JSON_LINES)
COMPRESSED = (".gz", ".zst")
PREFIX = "source_"
"""Before the names of a shop's sources; messages leave it out."""
MALFORMED = "malformed_"
"""Before a source's name: the table of the lines of its CSV files that are no rows."""
EVERY_ROW = "true"
WHOLE_NUMBER = r"^(-?[0-9]+)\.0$"


def open_source(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    name: str,
    *,
    forgiving: bool = False,
    needed: Callable[[Sequence[str]], str] | None = None,
) -> duckdb.DuckDBPyRelation:
    """Open a source as a relation of its own columns; values of text files and queries are text.

    Parameters
    ----------
    connection
        Where the relation is made.
    source
        A path, a glob of files with the same ending, a query, or a pandas frame.
    name
        The relation's name, also used in messages.
    forgiving
        By default a line that is no row is an error. Else text files are read into a table: such a
        line of a CSV file is left out and noted (see `malformed_lines`), one of a JSONL file gives
        a row of nulls.
    needed
        From the names of a text file's columns, the SQL condition on the rows that are read into
        that table; the others take no memory. Default: all of them.

    Raises
    ------
    DataError
        When nothing is there, the ending is unknown, or the source cannot be read.
    ConfigError
        When the URL of a query cannot be meant.
    """
    if isinstance(source, pd.DataFrame):
        return _open_frame(connection, source, name)
    if isinstance(source, Query):
        lay_out(connection, source, name, place=f"[data] {_spoken(name)}")
        return connection.table(name)
    files = files_of(source, name)
    ending = _ending_of_all(files, source)
    kind = "TABLE" if forgiving and ending != PARQUET else "VIEW"
    try:
        statement = _select(files, ending, name, forgiving=forgiving)
        if kind == "TABLE" and needed is not None:
            columns = [row[0] for row in rows(connection, f"DESCRIBE {statement}")]
            statement = f"SELECT * FROM ({statement}) WHERE {needed(columns)}"
        connection.execute(f"CREATE OR REPLACE {kind} {quote(name)} AS {statement}")
        return connection.table(name)
    except duckdb.Error as error:
        raise DataError(
            f"the {_spoken(name)} file {source!r} cannot be read: {_reason(error)}; "
            "correct it, or write it anew"
        ) from error


def malformed_lines(connection: duckdb.DuckDBPyConnection, name: str) -> str | None:
    """Return a query for the ``file_path, line, csv_line`` noted for a source; None: nothing is."""
    tables = {row[0] for row in rows(connection, "SELECT table_name FROM duckdb_tables()")}
    noted = MALFORMED + name
    if noted not in tables:
        return None
    return (
        f"SELECT file_path, line, min(csv_line) AS csv_line FROM {quote(noted)} "
        f"JOIN {quote(noted + '_scans')} USING (scan_id, file_id) GROUP BY file_path, line"
    )


def _open_frame(
    connection: duckdb.DuckDBPyConnection, frame: pd.DataFrame, name: str
) -> duckdb.DuckDBPyRelation:
    # A copy without the index: registering must not touch what the caller owns.
    connection.register(name, frame.reset_index(drop=True))
    return connection.table(name)


def files_of(source: str, name: str) -> list[str]:
    """Return the files that a path or a glob means, sorted.

    Raises
    ------
    DataError
        When there is none.
    """
    # A file of that very name is meant, even where its name reads as a pattern: sales[1].csv
    files = [source] if Path(source).is_file() else sorted(glob.glob(source, recursive=True))
    if not files:
        raise DataError(
            f"no {_spoken(name)} file matches {source!r}; paths are relative to the config file"
        )
    return files


def ending_of(file: str) -> str:
    """Return what a file's name ends in, lower case, whether compressed or not."""
    path = Path(file)
    return Path(path.stem).suffix.lower() if path.suffix in COMPRESSED else path.suffix.lower()


def _ending_of_all(files: Sequence[str], source: str) -> str:
    ending, *others = sorted({ending_of(file) for file in files})
    if others:
        raise DataError(f"{source!r} mixes files ending in {ending} and {others[0]}; use one kind")
    if ending not in ENDINGS:
        known = ", ".join(ENDINGS)
        raise DataError(f"{source!r} ends in {ending or 'nothing'!r}; known endings are {known}")
    return ending


def _select(files: Sequence[str], ending: str, name: str, *, forgiving: bool) -> str:
    paths = [literal(glob.escape(file)) for file in files]
    if ending == PARQUET:
        return f"SELECT * FROM read_parquet([{', '.join(paths)}], union_by_name = true)"
    if ending in JSON_LINES:
        return _select_json(paths, forgiving=forgiving)
    options = "all_varchar = true, header = true"
    if ending == ".tsv":
        options += ", delim = '\t'"
    if forgiving:
        tables = f"rejects_table = '{MALFORMED}{name}', rejects_scan = '{MALFORMED}{name}_scans'"
        options += f", ignore_errors = true, store_rejects = true, {tables}"
    # File by file: DuckDB notes no malformed lines where it unites columns by name itself.
    return " UNION ALL BY NAME ".join(f"SELECT * FROM read_csv({p}, {options})" for p in paths)


def _select_json(paths: Sequence[str], *, forgiving: bool) -> str:
    # Every value as its text: a guessed type would turn the id "12:30" into 12:30:00, and lose a
    # column that comes late. A number that is whole reads the same as 2 and as 2.0.
    return (
        "SELECT CAST(regexp_replace("
        f"CAST(COLUMNS(*) AS VARCHAR), '{WHOLE_NUMBER}', '\\1') AS JSON) ->> '$' "
        f"FROM read_json([{', '.join(paths)}], format = 'newline_delimited', union_by_name = true, "
        f"maximum_depth = 1, sample_size = -1, ignore_errors = {forgiving})"
    )


def _spoken(name: str) -> str:
    return name.removeprefix(PREFIX)


def _reason(error: Exception) -> str:
    """Return what went wrong, without DuckDB's hints for those who write SQL."""
    return " ".join(str(error).partition("Possible ")[0].partition("LINE ")[0].split())
