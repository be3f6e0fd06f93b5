"""Who users are: profiles, axes of segments, and memberships as of a moment."""

from recsys.segments.axes import KINDS, AxisConfig
from recsys.segments.axis import AxisFit
from recsys.segments.facts import UserFacts
from recsys.segments.memberships import (
    Axis,
    Memberships,
    assign_axes,
    axes_off,
    columns_of,
    fit_axes,
    fit_possible_axes,
)
from recsys.segments.profiles import FEATURES, profiles, profiles_over

__all__ = [
    "FEATURES",
    "KINDS",
    "Axis",
    "AxisConfig",
    "AxisFit",
    "Memberships",
    "UserFacts",
    "assign_axes",
    "axes_off",
    "columns_of",
    "fit_axes",
    "fit_possible_axes",
    "profiles",
    "profiles_over",
]
