"""Reading the document of an evaluation, in which almost every key may be missing."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

Document: TypeAlias = Mapping[str, Any]
"""A JSON object: of a whole evaluation, or of a part of it."""

Interval: TypeAlias = tuple[float, float]
"""Low and high end."""

# Control characters and lone surrogates cannot stand in XML or UTF-8; marks that reorder a line
# would let one name disturb the text around it.
UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")


def clean(value: Any) -> Any:
    """Return a JSON value without what cannot be shown.

    Keys and elements that are null or not finite are left out, so that "missing" and "null" are
    one case for everybody who reads on; unprintable characters become U+FFFD.

    Examples
    --------
    >>> clean({"mean": float("nan"), "names": ["a", None], "low": 0.0})
    {'names': ['a'], 'low': 0.0}
    """
    if isinstance(value, str):
        return UNPRINTABLE.sub("\ufffd", value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        pairs = ((clean(str(key)), clean(part)) for key, part in value.items())
        return {key: part for key, part in pairs if part is not None}
    if isinstance(value, Sequence):
        return [part for part in map(clean, value) if part is not None]
    return value


def main_measure(document: Document) -> str | None:
    """Return the measure the report is about: the named one, else the first of all."""
    named: str | None = document.get("measure")
    return named or next(iter(measures(document)), None)


def measures(document: Document) -> list[str]:
    """Return the names of all measures that have a mean, each once, in their first order."""
    variants = document["variants"].values()
    return list(dict.fromkeys(name for variant in variants for name in variant.get("mean", {})))


def interval_of(variant: Document, measure: str) -> Interval | None:
    """Return the interval of a variant's mean, where it has both ends."""
    return ends(variant.get("interval", {}).get(measure, []))


def ends(pair: Sequence[float]) -> Interval | None:
    """Return a pair of ends, or None where one of them was missing."""
    return (pair[0], pair[1]) if len(pair) == 2 else None


def span(record: Document, low: str = "low", high: str = "high") -> Interval | None:
    """Return an interval kept under two keys."""
    return (record[low], record[high]) if low in record and high in record else None


def main_comparison(document: Document) -> Document:
    """Return the first comparison; empty where there is none."""
    comparisons: list[Document] = document.get("comparisons", [])
    return comparisons[0] if comparisons else {}
