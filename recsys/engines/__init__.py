"""Scan, sort and aggregate large tables; an engine knows no models."""

from recsys.engines.duckdb import connect, count, frame, literal, quote, rows

__all__ = ["connect", "count", "frame", "literal", "quote", "rows"]
