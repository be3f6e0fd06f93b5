"""What every axis has: a config, a fit that freezes its cut points, and an assignment."""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from pydantic import Field
from scipy import sparse

from recsys.events.times import parse_days
from recsys.segments.facts import UserFacts
from recsys.types import Config, Floats, Indices, Membership


class AxisFit(Config):
    """The frozen part of an axis: what assigning a user needs besides her own facts.

    Attributes
    ----------
    segments
        Their names, in column order.
    definitions
        Each segment in words.
    cuts
        Cut points by feature, ascending.
    """

    segments: tuple[str, ...]
    definitions: tuple[str, ...]
    cuts: dict[str, tuple[float, ...]] = Field(default_factory=dict)


class AxisKind(NamedTuple):
    """A family of axes.

    Attributes
    ----------
    config
        The type of its config; its ``kind`` names the family.
    fit
        ``(config, facts) -> AxisFit``.
    assign
        ``(config, fit, facts) -> membership`` of shape ``(n_users, n_segments)``.
    needs_times
        Whether the family is off for data without times.
    """

    config: type[Config]
    fit: Callable[[Any, UserFacts], AxisFit]
    assign: Callable[[Any, AxisFit, UserFacts], Membership]
    needs_times: bool = False


def window_days(window: str) -> float:
    """Return the length of a profile window in days; infinite for ``none``."""
    return math.inf if window == "none" else parse_days(window, what="window")


def one_hot(codes: Indices, n_segments: int) -> Membership:
    """Put each user wholly into the segment of her code; -1 is unknown and stays empty."""
    known = np.flatnonzero(codes >= 0)
    ones = np.ones(len(known))
    return sparse.csr_matrix((ones, (known, codes[known])), shape=(len(codes), n_segments))


def quantile_cuts(values: Floats, quantiles: Sequence[float]) -> tuple[float, ...]:
    """Cut points of the known values; equal ones are merged, so that no segment is empty by law."""
    known = values[np.isfinite(values)]
    distinct = np.unique(known)
    if len(distinct) < 2:
        return ()
    # Nothing is below the smallest value: a quantile that falls on it moves up to the next one.
    cuts = np.maximum(np.quantile(known, quantiles, method="higher"), distinct[1])
    return tuple(np.unique(cuts).tolist())


def grade(values: Floats, cuts: Sequence[float]) -> Indices:
    """Return how many cuts each value reaches (``value >= cut``); -1 for an unknown value."""
    graded = np.searchsorted(np.asarray(cuts), values, side="right")
    return np.where(np.isfinite(values), graded, -1).astype(np.int64)
