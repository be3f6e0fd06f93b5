"""The figures of an experiment: every metric, every segment, and how it came to that."""

from collections.abc import Callable

from recsys.drawing.canvas import Plot, Row, ends_of, layer_of, sized
from recsys.drawing.documents import Document, span
from recsys.drawing.figures import Figure, figure
from recsys.drawing.lines import lines_plot
from recsys.drawing.looks import ACCENT, BAD, CANDIDATE, INK, MUTED, PAPER, other
from recsys.drawing.numbers import count, percent, percent_between
from recsys.drawing.rows import (
    ROW,
    across,
    down,
    frame_of,
    interval_marks,
    row_texts,
)

MOST = 40
"""Segments in one plot; the table has them all."""
PERCENT = "format(datum.value, '+.0%')"


def figures(document: Document) -> list[Figure]:
    """Return what can be drawn of an experiment."""
    if "preference" in document:
        found: tuple[Figure | None, ...] = (preferences(document),)
    else:
        found = (metrics(document), segments(document), course(document), weeks(document))
    return [one for one in found if one is not None]


def metrics(document: Document) -> Figure | None:
    """Draw the relative difference of every metric."""
    groups = {
        "decides": document.get("primary", []),
        "where lists differ": document.get("where_lists_differ", []),
        "must not get worse": [guard["comparison"] for guard in document.get("guardrails", [])],
        "also measured": document.get("other_metrics", []),
    }
    rows = _rows(groups, lambda one: f"{one['metric']}{_variant(document, one)}")
    told = [f"{row['label']} {row.get('gain', '')}" for row in rows if "mean" in row]
    return figure(
        "metrics",
        "What changed",
        "Difference to the control, relative, with its interval. Filled where the interval does "
        "not hold zero: blue is better, red worse (of return_rate and latency, in milliseconds, "
        "less is better).",
        f"Relative differences: {'; '.join(told)}.",
        lambda width: forest(rows, width),
    )


def segments(document: Document) -> Figure | None:
    """Draw the relative difference in every segment, by axis."""
    every = document.get("segments", [])
    if not every:
        return None
    order = sorted(every, key=lambda one: (not one.get("declared"), -one.get("users", 0)))
    kept = order[:MOST]
    names = {one["axis"]: _axis_name(one) for one in kept}
    groups = {name: [one for one in kept if one["axis"] == axis] for axis, name in names.items()}
    rows = _rows(
        {"all customers": document.get("primary", []), **groups},
        lambda one: f"{one.get('segment', one.get('metric'))}{_variant(document, one)}",
    )
    left = f" {len(every) - len(kept)} more are in the table." if len(every) > len(kept) else ""
    told = [f"{row['label']} {row.get('gain', '')}" for row in rows if "mean" in row]
    return figure(
        "segments",
        "For whom",
        "Relative difference by the deciding metric, with its interval. Declared axes were named "
        f"before the start and may decide; the others are only leads.{left}",
        f"Relative differences by segment: {'; '.join(told)}.",
        lambda width: forest(rows, width),
    )


def preferences(document: Document) -> Figure | None:
    """Draw the preference of everybody, and in every segment."""
    every = [document["preference"], *document.get("preference_in_segments", [])]
    rows = _rows(
        {"whose items customers turn to": [{**one, "relative": one} for one in every[: MOST + 1]]},
        lambda one: "all customers" if one["of"] == "all" else one["of"],
        gain="preference",
    )
    told = [f"{row['label']} {row.get('gain', '')}" for row in rows if "mean" in row]
    return figure(
        "preferences",
        "Whose items customers turn to",
        "Mean over customers of the treatment's share less the control's: +100 % where all they "
        "turned to were items of the treatment. Filled where the interval does not hold zero.",
        f"Preferences: {'; '.join(told)}.",
        lambda width: forest(rows, width, title="preference"),
    )


def course(document: Document) -> Figure | None:
    """Draw the difference as it was known by the end of each day."""
    return _lines(
        document.get("course", []),
        "day",
        "How it came to that",
        "The relative difference by the deciding metric, by what was known at the end of each day. "
        "It settles while customers come; reading it early is what the plan guards against.",
    )


def weeks(document: Document) -> Figure | None:
    """Draw the difference in each week after a customer's first list."""
    every = document.get("weeks", [])
    return _lines(
        # One week says nothing of whether it lasts.
        every if len({one["week"] for one in every}) > 1 else [],
        "week",
        "Whether it lasts",
        "The relative difference in each week after a customer's first list: what is only new "
        "wears off, what has to be learnt grows.",
    )


def _lines(points: list[Document], step: str, title: str, caption: str) -> Figure | None:
    steps = [str(number) for number in dict.fromkeys(point[step] for point in points)]
    lines = list(dict.fromkeys(point["variant"] for point in points))
    styles = {name: CANDIDATE if not n else other("square") for n, name in enumerate(lines)}
    rows = [
        {"step": str(one[step]), "line": one["variant"], "mean": one["mean"], **ends_of(span(one))}
        for one in points
        if "mean" in one
    ]
    told = [
        f"{one['variant']}, {step} {one[step]}: {percent(one.get('mean'))} "
        f"({percent_between(span(one))})"
        for one in points
    ]
    return figure(
        f"by-{step}",
        title,
        caption,
        "; ".join(told),
        lambda width: lines_plot(
            rows, styles, steps, (step, "relative difference"), width, PERCENT
        ),
    )


def forest(rows: list[Row], width: int, *, title: str = "relative difference") -> Plot | None:
    """Draw rows with intervals around zero; None where there is nothing to draw."""
    if not any("mean" in row for row in rows):
        return None
    frame = frame_of(width)
    zero: Row = {"zero": 0.0, "mean": 0.0}
    x = across([*rows, zero], frame, title=title, label=PERCENT)
    y = down(len(rows))
    layers = [
        layer_of([zero]).mark_rule(stroke=INK, strokeWidth=1).encode(x("zero")),
        *interval_marks(rows, x, y),
        *row_texts(rows, frame, y),
    ]
    return sized(layers, width, ROW * len(rows), bottom=48)


def _rows(
    groups: dict[str, list[Document]], label: Callable[[Document], str], *, gain: str = "relative"
) -> list[Row]:
    rows: list[Row] = [{"label": "", "users": "customers", "gain": gain, "ink": MUTED}]
    for title, members in groups.items():
        if members:
            rows.append({"label": title, "ink": INK, "bold": True})
            rows += [_row(one, label(one)) for one in members]
    for place, row in enumerate(rows):
        row["row"] = place
    return rows


def _row(one: Document, label: str) -> Row:
    row: Row = {"label": label, "users": count(one.get("users")), "ink": INK, "shape": "circle"}
    relative = one.get("relative", {})
    if "mean" not in relative:
        return row | {"few": "nothing to compare"}
    ends = span(relative)
    sign = 0 if ends is None else int(ends[0] > 0) - int(ends[1] < 0)
    good = -1 if one.get("better") == "less" else 1
    ink = {1: ACCENT, -1: BAD, 0: INK}[good * sign]
    return row | {
        "mark": ink,
        "fill": ink if sign else PAPER,
        "gain": percent(relative["mean"]),
        "raw": relative["mean"],
        "mean": relative["mean"],
        **ends_of(ends),
    }


def _variant(document: Document, one: Document) -> str:
    """Name the variant where there are several."""
    several = len(document["plan"]["treatments"]) > 1
    return f", {one['variant']}" if several else ""


def _axis_name(one: Document) -> str:
    return f"{one['axis']}{' (declared)' if one.get('declared') else ''}"
