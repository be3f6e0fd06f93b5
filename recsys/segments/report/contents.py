"""The parts of the page, in reading order."""

from recsys.drawing.documents import Document
from recsys.segments.report.catalogue import catalogue
from recsys.segments.report.funnel import funnel
from recsys.segments.report.history import history
from recsys.segments.report.lifts import lifts
from recsys.segments.report.moves import moves
from recsys.segments.report.offers import offers
from recsys.segments.report.parts import Part
from recsys.segments.report.searches import searches
from recsys.segments.report.sizes import sizes
from recsys.segments.report.standards import standards
from recsys.segments.report.trends import trends
from recsys.segments.report.worth import worth

MAKERS = (
    worth,
    sizes,
    history,
    moves,
    lifts,
    standards,
    trends,
    searches,
    funnel,
    offers,
    catalogue,
)


def parts(document: Document) -> list[Part]:
    """Return the parts a document has something for."""
    return [part for part in (make(document) for make in MAKERS) if not part.empty]
