"""How many sorts of things somebody buys: narrow, middle or broad."""

from typing import Final, Literal

from pydantic import Field

from recsys.segments.graded import GradedConfig, Scale, graded_kind
from recsys.segments.profiles.breadth import CATEGORY_ENTROPY

SCALE: Final = Scale(
    CATEGORY_ENTROPY,
    ("narrow", "middle", "broad"),
    "purchases spread over categories by",
    unit="nats",
    remedy="give items categories, or remove the axis",
)


class BreadthConfig(GradedConfig):
    """Where middle begins, and where broad begins."""

    kind: Literal["breadth"]
    quantiles: tuple[float, ...] = Field(
        (0.4, 0.8), description="of the buyers: where middle begins, and where broad begins"
    )

    @property
    def scale(self) -> Scale:
        """The entropy of the categories bought."""
        return SCALE


KIND = graded_kind(BreadthConfig)
