"""The families of axes: a new one is one file and one line here."""

from typing import Annotated

from pydantic import Field

from recsys.segments.axes import attribute, interest, lifecycle, rfm, spending
from recsys.segments.axis import AxisKind

AxisConfig = Annotated[
    lifecycle.LifecycleConfig
    | rfm.RfmConfig
    | spending.SpendingConfig
    | attribute.AttributeConfig
    | interest.InterestConfig,
    Field(discriminator="kind"),
]

KINDS: dict[str, AxisKind] = {
    "lifecycle": lifecycle.KIND,
    "rfm": rfm.KIND,
    "spending": spending.KIND,
    "attribute": attribute.KIND,
    "interest": interest.KIND,
}

__all__ = ["KINDS", "AxisConfig"]
