"""High, middle and low spenders, by what they spent less what they returned."""

from typing import Final, Literal

from pydantic import Field

from recsys.events.schema import MINOR_UNITS
from recsys.segments.graded import GradedConfig, Scale, graded_kind
from recsys.segments.profiles.shopping import SPEND

SCALE: Final = Scale(
    SPEND,
    ("low", "middle", "high"),
    "spent",
    times=MINOR_UNITS,
    remedy='name the column of amounts in [data.columns] amount = "…" or remove the axis',
)


class SpendingConfig(GradedConfig):
    """Where middle begins, and where high begins."""

    kind: Literal["spending"]
    quantiles: tuple[float, ...] = Field(
        (0.5, 0.8), description="of the buyers: where middle begins, and where high begins"
    )

    @property
    def scale(self) -> Scale:
        """What they spent."""
        return SCALE


KIND = graded_kind(SpendingConfig)
