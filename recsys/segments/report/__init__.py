"""The page of segments: one HTML file for those who would rather look than read.

Drawing needs the optional extra ``recsys[report]``; importing this package does not.
"""

from recsys.segments.report.page import render, write

__all__ = ["render", "write"]
