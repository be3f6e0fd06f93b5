"""The report of an evaluation: one HTML file that needs no network and no script.

Drawing needs the optional extra ``recsys[report]``; importing this package does not.
"""

from recsys.evaluation.report.page import render, write

__all__ = ["render", "write"]
