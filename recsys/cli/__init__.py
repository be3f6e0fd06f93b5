"""The command line: parse, call a pipeline, print."""

from recsys.cli.main import main, run

__all__ = ["main", "run"]
