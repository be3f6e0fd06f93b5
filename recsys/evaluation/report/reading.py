"""Reading the document of an evaluation, in which almost every key may be missing."""

from recsys.drawing.documents import Document, Interval, ends


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


def main_comparison(document: Document) -> Document:
    """Return the first comparison; empty where there is none."""
    comparisons: list[Document] = document.get("comparisons", [])
    return comparisons[0] if comparisons else {}
