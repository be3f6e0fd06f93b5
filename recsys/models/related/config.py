"""The ``[model.related]`` table of the config."""

from pydantic import Field, field_validator

from recsys.events.times import parse_days
from recsys.types import Config


class RelatedConfig(Config):
    """What is kept of the relations between items."""

    per_item: int = Field(
        50, ge=1, description="so many similar items and items bought together are kept of each"
    )
    largest_basket: int = Field(
        200, ge=2, description="a larger basket or history counts as a random so many of its items"
    )
    trend_window: str = Field(
        "14d",
        description="what rises is measured over this time against the same time before; "
        "whole weeks keep weekdays comparable",
    )

    @field_validator("trend_window")
    @classmethod
    def _is_a_duration(cls, value: str) -> str:
        parse_days(value, what="trend_window")
        return value

    @property
    def trend_days(self) -> float:
        """The trend window in days."""
        return parse_days(self.trend_window)
