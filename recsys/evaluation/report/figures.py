"""The figures of a report: a plot for a desk, one for a phone, and words for those who hear it."""

import math
import re
from collections.abc import Iterable

from recsys.drawing.documents import Document
from recsys.drawing.figures import Figure, figure
from recsys.drawing.numbers import between, number, percent
from recsys.evaluation.report import plots
from recsys.evaluation.report.looks import looks
from recsys.evaluation.report.reading import (
    interval_of,
    main_comparison,
    main_measure,
    measures,
)


def figures(document: Document) -> list[Figure]:
    """Return the figures a document has numbers for."""
    makers = (variants, segments, gaps, warm_up, activity, catalogue)
    return [found for found in (make(document) for make in makers) if found is not None]


def variants(document: Document) -> Figure | None:
    """Return the mean of each variant."""
    measure = main_measure(document)
    if measure is None:
        return None
    styles = looks(document)
    told = [
        f"{name} {number(variant['mean'][measure])} ({between(interval_of(variant, measure))})"
        for name, variant in document["variants"].items()
        if measure in variant.get("mean", {})
    ]
    dotted = " The dotted line is the baseline's mean." if document.get("baseline") else ""
    return figure(
        "variants",
        f"{measure} of each variant",
        f"Mean over users, with the 95 % interval where one was worked out.{dotted}",
        f"{measure} and its 95 % interval: {'; '.join(told)}.",
        lambda width: plots.variants_plot(document, styles, measure, width),
    )


def segments(document: Document) -> Figure | None:
    """Return the differences in each segment, of the main comparison."""
    comparison = main_comparison(document)
    found = comparison.get("segments", [])
    names = (
        f"{comparison.get('candidate', 'candidate')}",
        f"{comparison.get('baseline', 'baseline')}",
    )
    left_out = len(found) - len(plots.chosen_segments(comparison))
    caption = (
        f"{names[0]} minus {names[1]}. Thin line and tick: the 95 % interval and the difference as "
        "measured. Thick line and point: the same, shrunken towards what the other segments of the "
        "axis show; filled where it excludes zero. Dotted: all users. “relative” is as measured."
    )
    if any(segment.get("overlapping") for segment in found):
        caption += " * a user may be in several segments of this axis."
    if left_out:
        caption += (
            f" {left_out} of {len(found)} segments are left out here, the small and unremarkable "
            "ones; the table of segments has them all."
        )
    return figure(
        "segments",
        "For whom it is better",
        caption,
        _told_segments(found, names),
        lambda width: plots.segments_plot(comparison, width),
    )


def _told_segments(found: list[Document], names: tuple[str, str]) -> str:
    told = {
        word: [
            f"{part.get('axis', '')} {part.get('segment', '')} ({percent(part.get('relative'))})"
            for part in found
            if plots.direction(part) == sign
        ]
        for word, sign in (("better", 1), ("worse", -1))
    }
    few = sum(not part.get("readable", True) for part in found)
    sides = [f"Clearly {word} for {', '.join(who) or 'none'}." for word, who in told.items()]
    few_words = f" {few} have too few users to read." if few else ""
    return f"{names[0]} minus {names[1]} in {len(found)} segments. {' '.join(sides)}{few_words}"


def gaps(document: Document) -> Figure | None:
    """Return how far the best and the worst served segment of each axis lie apart."""
    fairness = document.get("fairness", [])
    first, second = [*fairness, {}, {}][:2]
    told = [
        f"{gap['axis']} {number(gap['gap'])} ({number(gap.get('by_chance'))} by chance)"
        for gap in plots.gaps_of(first)
    ]
    name, other = first.get("variant", "the variant"), second.get("variant")
    diamond = f" Diamond: the gap of {other}." if other else ""
    measure = main_measure(document) or "the measure"
    return figure(
        "gaps",
        "How evenly segments are served",
        f"{first.get('sentence', '')} Point: how far the best and the worst served segment of the "
        f"axis lie apart with {name}, filled where that is beyond chance; line: the 95 % interval; "
        f"grey bar: what groups of the same sizes made at random show on average.{diamond}",
        f"Gaps in {measure} of {name}: {'; '.join(told)}.",
        lambda width: plots.gaps_plot(fairness, measure, width),
    )


def warm_up(document: Document) -> Figure | None:
    """Return a measure by how much of a new user's history was revealed."""
    curve = document.get("curve", {})
    unit = curve.get("unit", "items")
    rows = [row | {"step": str(row["reveal"])} for row in curve.get("rows", []) if "reveal" in row]
    return _lines(
        document,
        rows,
        "warm-up",
        "How soon a new user is served well",
        f"{unit} revealed",
        f"by the number of {unit} of a user's history that were revealed. Steps stand at equal "
        "distances.",
    )


def activity(document: Document) -> Figure | None:
    """Return a measure by how much was known of the users."""
    measure = main_measure(document) or ""
    rows = [
        row | {"step": str(row["bin"]), "variant": name}
        for name, variant in document["variants"].items()
        for row in variant.get("bins", {}).get(measure, [])
        if "bin" in row
    ]
    return _lines(
        document,
        rows,
        "activity",
        "By how much was known of a user",
        "items known before the cut",
        "by the number of items a user had dealt with before the cut.",
    )


def _lines(
    document: Document, rows: list[Document], name: str, title: str, across: str, by: str
) -> Figure | None:
    measure = main_measure(document) or "mean"
    steps = sorted({row["step"] for row in rows}, key=_leading_number)
    styles = looks(document)
    told = (_told_line(rows, variant) for variant in styles)
    lines = [{**row, "line": row["variant"]} for row in rows if "variant" in row]
    return figure(
        name,
        title,
        f"Mean {measure} {by} Bands: 95 % intervals, of the variants compared; one that reaches "
        "the edge goes on beyond it.",
        f"{measure} by {across}. {' '.join(line for line in told if line)}",
        lambda width: plots.lines_plot(lines, styles, steps, (across, measure), width),
    )


def _leading_number(step: str) -> tuple[float, str]:
    # A variant may lack a step, so the order in which they are met is no order; "all" comes last.
    found = re.match(r"\d+(\.\d+)?", step)
    return (float(found.group()) if found else math.inf, step)


def _told_line(rows: Iterable[Document], variant: str) -> str:
    points = [
        f"{row['step']}: {number(row['mean'])}"
        for row in rows
        if row.get("variant") == variant and "mean" in row
    ]
    return f"{variant} {', '.join(points)}." if points else ""


FAMILIARITY = {
    "popularity": "further right: more popular items",
    "popularity_lift": "further right: more popular items",
    "novelty": "further right: less familiar items",
}


def catalogue(document: Document) -> Figure | None:
    """Return how much of the catalogue is shown against how popular it is."""
    names = _catalogue_measures(document)
    if names is None:
        return None
    across, up = names
    styles = looks(document)
    told = [
        f"{name} {across} {number(mean[across])}, {up} {number(mean[up])}"
        for name, mean in ((n, v.get("mean", {})) for n, v in document["variants"].items())
        if across in mean and up in mean
    ]
    direction = FAMILIARITY[across.partition("@")[0]]
    return figure(
        "catalogue",
        "How much of the catalogue is shown",
        f"Higher: more of the catalogue stands in somebody's list; {direction}.",
        f"{'; '.join(told)}.",
        lambda width: plots.scatter_plot(document, styles, (across, up), width),
    )


def _catalogue_measures(document: Document) -> tuple[str, str] | None:
    _, _, k = (main_measure(document) or "").partition("@")
    known = set(measures(document))
    found = [name for name in (f"{word}@{k}" for word in FAMILIARITY) if name in known]
    up = f"coverage@{k}"
    return (found[0], up) if found and up in known else None
