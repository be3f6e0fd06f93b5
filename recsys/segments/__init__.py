"""Who users are: profiles, axes of segments, and memberships as of a moment."""

from recsys.segments.axes import KINDS, AxisConfig
from recsys.segments.axis import AxisFit
from recsys.segments.facts import Needs, UserFacts, gather_facts, needs_of
from recsys.segments.memberships import (
    Axis,
    Memberships,
    Named,
    assign_axes,
    axes_off,
    columns_of,
    fit_axes,
    from_names,
)
from recsys.segments.profiles import FEATURES
from recsys.segments.reference import Reference, learn_reference

__all__ = [
    "FEATURES",
    "KINDS",
    "Axis",
    "AxisConfig",
    "AxisFit",
    "Memberships",
    "Named",
    "Needs",
    "Reference",
    "UserFacts",
    "assign_axes",
    "axes_off",
    "columns_of",
    "fit_axes",
    "from_names",
    "gather_facts",
    "learn_reference",
    "needs_of",
]
