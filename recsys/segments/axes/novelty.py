"""Who tries new things: settled, mixed or curious."""

from typing import Final, Literal

from pydantic import Field

from recsys.segments.graded import GradedConfig, Scale, graded_kind
from recsys.segments.profiles.novelty import FIRST_TIME_SHARE, NEW_ITEM_SHARE

LEVELS: Final = ("settled", "mixed", "curious")
SCALES: Final = {
    FIRST_TIME_SHARE: Scale(FIRST_TIME_SHARE, LEVELS, "bought for the first time a share of"),
    NEW_ITEM_SHARE: Scale(NEW_ITEM_SHARE, LEVELS, "bought among newly launched items a share of"),
}


class NoveltyConfig(GradedConfig):
    """What new means, where mixed begins, and where curious begins."""

    kind: Literal["novelty"]
    feature: Literal["first_time_share", "new_item_share"] = Field(
        "first_time_share", description="new to the customer, or newly launched"
    )
    quantiles: tuple[float, ...] = Field(
        (0.4, 0.8), description="of the buyers: where mixed begins, and where curious begins"
    )

    @property
    def scale(self) -> Scale:
        """The share of what is new."""
        return SCALES[self.feature]


KIND = graded_kind(NoveltyConfig, needs_times=True)
