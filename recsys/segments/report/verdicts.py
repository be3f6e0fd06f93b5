"""Which axes predict, and by how much."""

import math

from recsys.drawing.documents import Document
from recsys.segments.report.parts import gain

PREDICTS = "predicts"


def kind_of(worth: Document) -> str:
    """Return good, bad or plain: whether an axis predicts, does harm, or neither is known."""
    verdict = str(worth.get("verdict", ""))
    if verdict == PREDICTS:
        return "good"
    return "bad" if verdict.startswith("harm") else "plain"


def gained(axis: Document) -> float | None:
    """Return how much likelier an axis makes the next purchase."""
    nats = axis.get("worth", {}).get("log_likelihood", {}).get("gain")
    return None if nats is None else gain(nats)


def judged(document: Document) -> list[Document]:
    """Return the axes whose worth was measured, the most useful first."""
    axes = [axis for axis in document["axes"] if axis.get("worth")]
    return sorted(axes, key=_order)


def _order(axis: Document) -> float:
    found = gained(axis)
    return math.inf if found is None else -found
