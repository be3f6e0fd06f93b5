"""How each variant is drawn, in every plot alike."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle

from recsys.evaluation.report.reading import Document

# Colours are variables of the page's style, so that one drawing serves light, dark and paper.
INK = "currentColor"
MUTED = "var(--muted)"
FAINT = "var(--faint)"
RULE = "var(--rule)"
PAPER = "var(--paper)"
ACCENT = "var(--accent)"
BAD = "var(--bad)"

SHAPES = ("square", "triangle-up", "cross", "triangle-down", "triangle-right", "triangle-left")


@dataclass(frozen=True)
class Look:
    """The marks of a variant; its shape tells it apart without colour.

    Attributes
    ----------
    role
        candidate, baseline or other.
    ink, fill
        Colours of lines and of the inside of points.
    shape
        A symbol of Vega.
    """

    role: str
    ink: str
    fill: str
    shape: str


CANDIDATE = Look("candidate", ACCENT, ACCENT, "circle")
BASELINE = Look("baseline", INK, PAPER, "diamond")


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
    return Look("other", MUTED, MUTED, next(shapes))
