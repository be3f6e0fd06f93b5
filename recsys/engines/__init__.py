"""Scan, sort and aggregate large tables; an engine knows no models."""

from recsys.engines.duckdb import beside, connect, count, frame, held_here, literal, quote, rows

__all__ = ["beside", "connect", "count", "frame", "held_here", "literal", "quote", "rows"]
