"""Plots of rows: the variants, and the segments."""

from collections.abc import Mapping, Sequence

import altair as alt

from recsys.drawing.canvas import (
    Plot,
    Row,
    across_at,
    as_is,
    ends_of,
    having,
    layer_of,
    marks_of,
    point_layer,
    sized,
    text_layers,
)
from recsys.drawing.documents import Document, span
from recsys.drawing.looks import ACCENT, BAD, FAINT, INK, MUTED, PAPER, Look
from recsys.drawing.numbers import between, count, number, percent
from recsys.drawing.rows import (
    ROW,
    Across,
    across,
    down,
    frame_of,
    interval_marks,
    row_texts,
    side_words,
)
from recsys.evaluation.report.reading import interval_of


def variants_plot(
    document: Document, styles: Mapping[str, Look], measure: str, width: int
) -> Plot | None:
    """Draw the mean of each variant with its interval, the best on top.

    Parameters
    ----------
    document
        The evaluation.
    styles
        The look of each variant.
    measure
        Which mean.
    width
        Pixels.

    Returns
    -------
    Plot or None
        None where no variant has a mean.
    """
    rows = _variant_rows(document, styles, measure)
    if not rows:
        return None
    frame = frame_of(width)
    x = across(rows, frame, title=measure)
    y = down(len(rows))
    label, figure = ("variant", "mean_text") if frame.narrow else ("label", "text")
    layers = [
        *_baseline_rule(rows, x),
        layer_of(having(rows, "low"))
        .mark_rule(strokeWidth=2)
        .encode(x("low"), alt.X2("high"), y, stroke=as_is("ink", alt.Stroke)),
        point_layer(rows, x("mean"), y),
        *text_layers(rows, label, across_at(0), y, limit=frame.labels - 12),
        *text_layers(rows, figure, across_at(width), y, align="right"),
    ]
    return sized(layers, width, ROW * len(rows), bottom=48)


def _variant_rows(document: Document, styles: Mapping[str, Look], measure: str) -> list[Row]:
    rows = [
        {
            "variant": name,
            "label": f"{name} (baseline)" if styles[name].role == "baseline" else name,
            "mean": variant["mean"][measure],
            **marks_of(styles[name]),
            **ends_of(interval_of(variant, measure)),
        }
        for name, variant in document["variants"].items()
        if measure in variant.get("mean", {})
    ]
    rows.sort(key=lambda row: -row["mean"])
    for place, row in enumerate(rows):
        row["row"] = place
        row["mean_text"] = number(row["mean"])
        ends = f"  ({between(span(row))})" if "low" in row else ""
        row["text"] = row["mean_text"] + ends
    return rows


def _baseline_rule(rows: Sequence[Row], x: Across) -> list[alt.Chart]:
    found = [{"mean": row["mean"]} for row in rows if row["role"] == "baseline"]
    return [layer_of(found).mark_rule(stroke=INK, strokeDash=[2, 4]).encode(x("mean"))]


LIMIT = 40
"""Segments in one plot; more cannot be taken in at a glance, and the tables have them all."""
FEW = "too few users to read"


def chosen_segments(comparison: Document) -> list[Document]:
    """Return at most `LIMIT` segments in the order of the document: the notable, then the largest.

    Notable is one whose shrunken interval does not hold zero.
    """
    segments: list[Document] = comparison.get("segments", [])
    if len(segments) <= LIMIT:
        return segments
    order = sorted(
        range(len(segments)),
        key=lambda place: (-abs(direction(segments[place])), -segments[place].get("users", 0)),
    )
    return [segments[place] for place in sorted(order[:LIMIT])]


def direction(segment: Document) -> int:
    """Return 1 for a segment that is clearly better off, −1 for worse, 0 where nobody knows."""
    ends = _shrunken(segment) or span(segment)
    if not segment.get("readable", True) or ends is None:
        return 0
    return int(ends[0] > 0) - int(ends[1] < 0)


def _shrunken(segment: Document) -> tuple[float, float] | None:
    return span(segment, "shrunken_low", "shrunken_high")


def segments_plot(comparison: Document, width: int) -> Plot | None:
    """Draw the difference in each segment: the raw interval thin, the shrunken estimate thick.

    Parameters
    ----------
    comparison
        One candidate against one baseline.
    width
        Pixels.

    Returns
    -------
    Plot or None
        None where the comparison has no segment.
    """
    rows = _segment_rows(comparison)
    if not rows:
        return None
    frame = frame_of(width)
    x = across(rows, frame, title=f"difference in {comparison.get('measure', 'the measure')}")
    y = down(len(rows))
    layers = [
        layer_of([{"zero": 0.0}]).mark_rule(stroke=INK, strokeWidth=1).encode(x("zero")),
        *_overall_rule(comparison, x),
        *interval_marks(rows, x, y),
        *row_texts(rows, frame, y),
        *side_words(frame, ROW * len(rows), ("← worse", "better →")),
    ]
    return sized(layers, width, ROW * len(rows), bottom=62)


def _segment_rows(comparison: Document) -> list[Row]:
    segments = chosen_segments(comparison)
    if not segments:
        return []
    rows: list[Row] = [{"label": "segment", "users": "users", "gain": "relative", "ink": MUTED}]
    if "overall" in comparison:
        rows.append(_segment_row({**comparison["overall"], "segment": "all users"}, "diamond"))
    for axis in dict.fromkeys(segment.get("axis", "") for segment in segments):
        rows.append({"label": axis, "ink": INK, "bold": True})
        rows += [_segment_row(part) for part in segments if part.get("axis", "") == axis]
    for place, row in enumerate(rows):
        row["row"] = place
    return rows


def _segment_row(segment: Document, shape: str = "circle") -> Row:
    readable = segment.get("readable", True) and "difference" in segment
    label = segment.get("segment", "") + (" *" if segment.get("overlapping") else "")
    row: Row = {"label": label, "users": count(segment.get("users")), "ink": INK, "shape": shape}
    if not readable:
        return row | {"ink": FAINT, "few": FEW}
    ink = {1: ACCENT, -1: BAD, 0: INK}[direction(segment)]
    return row | {
        "mark": ink,
        "fill": ink if direction(segment) else PAPER,
        "gain": percent(segment.get("relative")),
        "raw": segment["difference"],
        "mean": segment.get("shrunken", segment["difference"]),
        **ends_of(span(segment)),
        **ends_of(_shrunken(segment), "from", "to"),
    }


def _overall_rule(comparison: Document, x: Across) -> list[alt.Chart]:
    overall = comparison.get("overall", {})
    found = [{"difference": overall["difference"]}] if "difference" in overall else []
    return [layer_of(found).mark_rule(stroke=MUTED, strokeDash=[2, 4]).encode(x("difference"))]
