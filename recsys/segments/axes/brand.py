"""Whether somebody sticks to brands: switching, mixed or loyal.

By how often two purchases of one category are of one brand. Who never bought twice in any category
is unknown.
"""

from typing import Final, Literal

from pydantic import Field

from recsys.segments.graded import GradedConfig, Scale, graded_kind
from recsys.segments.profiles.brand import BRAND_CONCENTRATION

SCALE: Final = Scale(
    BRAND_CONCENTRATION,
    ("switching", "mixed", "loyal"),
    "two purchases of a category are of one brand with a share of",
    remedy='name the items\' column of brands in [data.columns] brand = "…" or remove the axis',
)


class BrandConfig(GradedConfig):
    """Where mixed begins, and where loyal begins."""

    kind: Literal["brand"]
    quantiles: tuple[float, ...] = Field(
        (0.4, 0.8), description="of the buyers: where mixed begins, and where loyal begins"
    )

    @property
    def scale(self) -> Scale:
        """How concentrated the brands are."""
        return SCALE


KIND = graded_kind(BrandConfig)
