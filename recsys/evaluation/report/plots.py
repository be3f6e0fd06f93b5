"""The plots of a report, described in Altair and drawn to SVG without a browser."""

from recsys.drawing.canvas import LETTER, NARROW, WIDE, Plot, draw
from recsys.drawing.lines import lines_plot, spread
from recsys.evaluation.report.gaps import gaps_of, gaps_plot
from recsys.evaluation.report.points import beside, scatter_plot
from recsys.evaluation.report.rows import (
    FEW,
    LIMIT,
    chosen_segments,
    direction,
    segments_plot,
    variants_plot,
)

__all__ = [
    "FEW",
    "LETTER",
    "LIMIT",
    "NARROW",
    "WIDE",
    "Plot",
    "beside",
    "chosen_segments",
    "direction",
    "draw",
    "gaps_of",
    "gaps_plot",
    "lines_plot",
    "scatter_plot",
    "segments_plot",
    "spread",
    "variants_plot",
]
