"""The report of an experiment: one HTML file that needs no network and no script.

Drawing needs the optional extra ``recsys[report]``; importing this package does not.
"""

from recsys.experiments.report.page import render, write

__all__ = ["render", "write"]
