"""How each variant is drawn, in every plot alike."""

from collections.abc import Iterator
from itertools import cycle

from recsys.drawing.documents import Document
from recsys.drawing.looks import BASELINE, CANDIDATE, SHAPES, Look, other


def looks(document: Document) -> dict[str, Look]:
    """Return the look of each variant: the candidate stands out, then the baseline."""
    names = list(document["variants"])
    candidate = document.get("candidate", names[0] if len(names) == 1 else None)
    shapes = cycle(SHAPES)
    return {name: _look(name, candidate, document.get("baseline"), shapes) for name in names}


def _look(name: str, candidate: str | None, baseline: str | None, shapes: Iterator[str]) -> Look:
    if name == candidate:
        return CANDIDATE
    if name == baseline:
        return BASELINE
    return other(next(shapes))
