"""Colours and marks, the same in every plot.

Colours are variables of the page's style, so that one drawing serves light, dark and paper.
"""

from dataclasses import dataclass

INK = "currentColor"
MUTED = "var(--muted)"
FAINT = "var(--faint)"
RULE = "var(--rule)"
PAPER = "var(--paper)"
ACCENT = "var(--accent)"
GOOD = "var(--good)"
BAD = "var(--bad)"
MORE, LESS = ACCENT, "var(--mixed)"
"""The two ends of a diverging scale; told apart by every kind of colour blindness."""

SHAPES = ("square", "triangle-up", "cross", "triangle-down", "triangle-right", "triangle-left")


@dataclass(frozen=True)
class Look:
    """The marks of one line or point; its shape tells it apart without colour.

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


def other(shape: str) -> Look:
    """Return the look of what stays in the background."""
    return Look("other", MUTED, MUTED, shape)
