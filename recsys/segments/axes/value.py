"""What a customer is expected to be worth in the next 90 days: low, middle or high."""

from typing import Final, Literal

from pydantic import Field

from recsys.events.schema import MINOR_UNITS
from recsys.segments.graded import GradedConfig, Scale, graded_kind
from recsys.segments.profiles.expectation import EXPECTED_VALUE

SCALE: Final = Scale(
    EXPECTED_VALUE,
    ("low", "middle", "high"),
    "expected to spend",
    unit="in the next 90 days, by what was known",
    times=MINOR_UNITS,
    remedy="it takes amounts, and customers who came back; remove the axis",
)


class ValueConfig(GradedConfig):
    """Where middle begins, and where high begins."""

    kind: Literal["value"]
    quantiles: tuple[float, ...] = Field(
        (0.5, 0.8), description="of the buyers: where middle begins, and where high begins"
    )
    window: Literal["none"] = Field("none", description="expectations go by whole histories")

    @property
    def scale(self) -> Scale:
        """What they are expected to spend."""
        return SCALE


KIND = graded_kind(ValueConfig, needs_times=True)
