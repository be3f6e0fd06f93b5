"""The JSON document a page is made from, in which almost every key may be missing."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

Document: TypeAlias = Mapping[str, Any]
"""A JSON object: of a whole page, or of a part of it."""

Interval: TypeAlias = tuple[float, float]
"""Low and high end."""

# Control characters and lone surrogates cannot stand in XML or UTF-8; marks that reorder a line
# would let one name disturb the text around it.
UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")


def plain(value: Any) -> Any:
    """Return a value as plain JSON: arrays are lists, and what is not finite is null.

    Examples
    --------
    >>> plain({"gain": np.float64("nan"), "sizes": np.array([1, 2])})
    {'gain': None, 'sizes': [1, 2]}
    """
    if isinstance(value, Mapping):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(part) for part in value]
    number = value.item() if hasattr(value, "item") else value
    return None if isinstance(number, float) and not math.isfinite(number) else number


def clean(value: Any, *, gaps: bool = False) -> Any:
    """Return a JSON value without what cannot be shown.

    Keys and elements that are null or not finite are left out, so that "missing" and "null" are
    one case for everybody who reads on; unprintable characters become U+FFFD.

    Parameters
    ----------
    value
        Anything JSON can hold.
    gaps
        Whether a list of numbers keeps a None for each one that is missing, because the places
        mean something.

    Examples
    --------
    >>> clean({"mean": float("nan"), "names": ["a", None], "low": 0.0})
    {'names': ['a'], 'low': 0.0}
    >>> clean([1.0, None, 2.0], gaps=True)
    [1.0, None, 2.0]
    """
    if isinstance(value, str):
        return UNPRINTABLE.sub("\ufffd", value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        pairs = ((clean(str(key)), clean(part, gaps=gaps)) for key, part in value.items())
        return {key: part for key, part in pairs if part is not None}
    if isinstance(value, Sequence):
        parts = [clean(part, gaps=gaps) for part in value]
        whole = gaps and any(isinstance(part, int | float) for part in parts)
        return parts if whole else [part for part in parts if part is not None]
    return value


def ends(pair: Sequence[float]) -> Interval | None:
    """Return a pair of ends, or None where one of them was missing."""
    return (pair[0], pair[1]) if len(pair) == 2 else None


def span(record: Document, low: str = "low", high: str = "high") -> Interval | None:
    """Return an interval kept under two keys."""
    return (record[low], record[high]) if low in record and high in record else None
