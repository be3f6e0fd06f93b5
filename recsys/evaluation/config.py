"""How rankings are judged offline."""

from typing import Literal

from pydantic import Field, PositiveInt, field_validator

from recsys.events.times import parse_days, parse_time
from recsys.types import Config


class EvaluationConfig(Config):
    """The ``[evaluation]`` table of the config."""

    protocol: Literal["temporal"] = Field(
        "temporal", description="temporal: learn before the cut, judge on what follows"
    )
    cut: str | None = Field(None, description="a time; default: newest event − test_window")
    test_window: str = Field("28d", description="how long after the cut targets are collected")
    k: tuple[PositiveInt, ...] = Field((10, 20), min_length=1, description="list lengths")

    @field_validator("cut")
    @classmethod
    def _is_a_time(cls, value: str | None) -> str | None:
        if value is not None:
            parse_time(value, what="cut")
        return value

    @field_validator("test_window")
    @classmethod
    def _is_a_duration(cls, value: str) -> str:
        parse_days(value, what="test_window")
        return value

    @property
    def window_days(self) -> float:
        """The test window in days."""
        return parse_days(self.test_window)
