"""Scan, sort and aggregate large tables; an engine knows no models."""

from recsys.engines.duckdb import (
    beside,
    connect,
    count,
    frame,
    held_here,
    literal,
    quote,
    rows,
    typed,
)

__all__ = ["beside", "connect", "count", "frame", "held_here", "literal", "quote", "rows", "typed"]
