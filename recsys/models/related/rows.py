"""For each item its best others, best first: what every relation between items is kept as."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from recsys.types import Flags, Floats, Indices

BLOCK = 4_000_000
"""Multiplications of one block of a sparse product: what bounds the memory of a fit."""


@dataclass(frozen=True)
class Rows:
    """Some columns of each row and a number for each, best first.

    Attributes
    ----------
    indptr
        Row ``r`` owns the entries ``indptr[r]:indptr[r + 1]``, shape ``(n_rows + 1,)``.
    columns
        int32, shape ``(n_entries,)``.
    values
        Of any dtype, shape ``(n_entries,)``.
    """

    indptr: Indices
    columns: npt.NDArray[np.int32]
    values: npt.NDArray[Any]

    def __len__(self) -> int:
        return len(self.indptr) - 1

    def of(self, row: int) -> tuple[Indices, npt.NDArray[Any]]:
        """Return the columns and the values of one row."""
        mine = slice(int(self.indptr[row]), int(self.indptr[row + 1]))
        return self.columns[mine].astype(np.int64), np.asarray(self.values[mine])

    def with_empty(self, n: int) -> "Rows":
        """Return the rows with `n` empty ones below them."""
        ends = np.full(n, self.indptr[-1])
        return Rows(np.append(self.indptr, ends), self.columns, self.values)

    def gathered(self, rows: Indices) -> tuple[Indices, Indices, npt.NDArray[Any]]:
        """Return the entries of several rows: place in `rows`, column and value of each."""
        lengths = self.indptr[rows + 1] - self.indptr[rows]
        place = np.repeat(np.arange(len(rows)), lengths)
        ends = np.cumsum(lengths)
        entry = np.repeat(self.indptr[rows] - (ends - lengths), lengths) + np.arange(lengths.sum())
        return place, self.columns[entry].astype(np.int64), np.asarray(self.values[entry])

    def arrays(self, name: str) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays, each name starting with `name`."""
        return {
            f"{name}_indptr": self.indptr,
            f"{name}_items": self.columns,
            f"{name}_values": self.values,
        }


def rows_of(
    row: Indices, column: Indices, value: npt.NDArray[Any], score: Floats, *, n_rows: int, most: int
) -> Rows:
    """Keep the `most` best entries of each row, by falling score; equal ones by column.

    Parameters
    ----------
    row
        Of each entry, ascending, shape ``(n_entries,)``.
    column
        Of each entry, each of a row once.
    value, score
        What is kept, and what it is ordered by, shape ``(n_entries,)``.
    """
    starts = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=n_rows))])
    near = np.flatnonzero(score >= _least(starts, score, most)[row])
    order = near[np.lexsort((column[near], -score[near], row[near]))]
    first = np.concatenate([[0], np.cumsum(np.bincount(row[order], minlength=n_rows))])
    kept = order[np.arange(len(order)) - first[row[order]] < most]
    indptr = np.concatenate([[0], np.cumsum(np.minimum(np.diff(first), most))]).astype(np.int64)
    return Rows(indptr, column[kept].astype(np.int32), value[kept])


def _least(starts: Indices, score: Floats, most: int) -> Floats:
    """Return the `most`-th best score of each row: sorting what is below it would take longest."""
    least = np.full(len(starts) - 1, -np.inf)
    for row in np.flatnonzero(np.diff(starts) > most).tolist():
        mine = score[starts[row] : starts[row + 1]]
        least[row] = np.partition(mine, -most)[-most]
    return least


def stacked(parts: Sequence[Rows]) -> Rows:
    """Put rows below each other; at least one part."""
    lengths = np.concatenate([np.diff(part.indptr) for part in parts])
    return Rows(
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        np.concatenate([part.columns for part in parts]),
        np.concatenate([part.values for part in parts]),
    )


def rows_from(arrays: Mapping[str, npt.NDArray[Any]], name: str) -> Rows:
    """Build rows again from what `Rows.arrays` gave."""
    return Rows(arrays[f"{name}_indptr"], arrays[f"{name}_items"], arrays[f"{name}_values"])


def blocks(work: Indices, most: int) -> Iterator[slice]:
    """Cut rows into runs of about `most` units of work; a row is never cut.

    Examples
    --------
    >>> list(blocks(np.array([3, 3, 9, 1]), most=6))
    [slice(0, 1, None), slice(1, 2, None), slice(2, 4, None)]
    """
    edges = np.flatnonzero(np.diff(np.cumsum(work) // most)) + 1
    bounds = [0, *edges.tolist(), len(work)]
    for start, stop in pairwise(bounds):
        yield slice(start, stop)


def best(items: Indices, scores: Floats, *, k: int, allowed: Flags | None) -> npt.NDArray[np.int64]:
    """Return the positions of the `k` best allowed entries; equal scores by item index."""
    fit = np.arange(len(items)) if allowed is None else np.flatnonzero(allowed[items])
    order = np.lexsort((items[fit], -scores[fit]))
    return np.asarray(fit[order[:k]], dtype=np.int64)
