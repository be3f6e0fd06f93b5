"""How rankings are judged and compared offline."""

from typing import Literal, get_args

from pydantic import Field, PositiveInt, field_validator, model_validator

from recsys.evaluation.definitions import DEFINITIONS
from recsys.evaluation.measures import MEASURES
from recsys.events.times import parse_days, parse_time
from recsys.types import Config

Protocol = Literal["temporal", "given", "holdout_users", "warm_up", "leave_last"]
TargetRule = Literal["all", "first", "new"]
RevealUnit = Literal["items", "baskets"]
RevealFrom = Literal["first", "last"]

READ_BY: dict[str, tuple[Protocol, ...]] = {
    "cut": ("temporal", "warm_up"),
    "test_window": get_args(Protocol),
    "origins": ("temporal",),
    "target_rule": ("temporal", "warm_up"),
    "train": ("given",),
    "targets": ("given",),
    "catalogue": ("given",),
    "users": ("holdout_users", "warm_up"),
    "fold_in": ("holdout_users",),
    "reveal": ("warm_up",),
    "reveal_unit": ("warm_up",),
    "reveal_from": ("warm_up",),
}
"""Key -> the protocols that read it; the others are read by all. Weights are always learnt on a
window as long as `test_window`, so that key belongs to all."""


class EvaluationConfig(Config):
    """The ``[evaluation]`` table of the config."""

    protocol: Protocol = Field(
        "temporal",
        description="temporal: learn before the cut, judge on what follows | given: train and "
        "target files | holdout_users: users kept out of training | warm_up: the same, a little of "
        "them revealed | leave_last: each user's last target, for comparison with older papers",
    )
    cut: str | None = Field(None, description="a time; default: newest event − test_window")
    test_window: str = Field("28d", description="how long after the cut targets are collected")
    origins: PositiveInt = Field(
        1, description="rolling cuts, each a test window before the one after it"
    )
    target_rule: TargetRule = Field(
        "all",
        description="all that is bought in the window | first: at the first moment a user buys "
        "| new: what she had not bought before",
    )
    k: tuple[PositiveInt, ...] = Field((10, 20), min_length=1, description="list lengths")
    seeds: tuple[int, ...] = Field(
        (), description="train once with each; default: only with the seed of [model]"
    )
    train: str | None = Field(None, description="given: the events to learn from; default: [data]")
    targets: str | None = Field(None, description="given: a file of user_id, item_id")
    catalogue: str | None = Field(
        None, description="given: a file of item_id, all that can be recommended; default: all"
    )
    users: PositiveInt = Field(1000, description="how many users are kept out of training")
    fold_in: float = Field(
        0.8, gt=0, lt=1, description="holdout_users: the share of their events that is revealed"
    )
    reveal: tuple[int, ...] = Field(
        (0, 1, 3, 5), min_length=1, description="warm_up: how much of each user is revealed"
    )
    reveal_unit: RevealUnit = Field("items", description="items | baskets")
    reveal_from: RevealFrom = Field(
        "last",
        description="last: the newest before the cut, judged on the window after it | first: the "
        "oldest, judged on everything that follows",
    )
    measure: str = Field("ndcg", description="what verdicts are about, at the first k")
    baseline: str = Field("no_segments", description="the variant that others are held against")
    margin: float = Field(
        0.01, ge=0, description="a relative difference too small to matter, also for one segment"
    )
    min_users: PositiveInt = Field(30, description="fewer users in a segment are not read")

    @field_validator("cut")
    @classmethod
    def _is_a_time(cls, value: str | None) -> str | None:
        if value is not None:
            parse_time(value, what="cut")
        return value

    @field_validator("measure")
    @classmethod
    def _is_a_good(cls, value: str) -> str:
        good = [name for name, found in DEFINITIONS.items() if found.better == "higher"]
        known = [name for name in good if name in MEASURES]
        if value not in known:
            raise ValueError(f"more of it is no better ranking; use one of {', '.join(known)}")
        return value

    @field_validator("test_window")
    @classmethod
    def _is_a_duration(cls, value: str) -> str:
        parse_days(value, what="test_window")
        return value

    @field_validator("reveal", "seeds")
    @classmethod
    def _counts(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if any(number < 0 for number in value) or len(set(value)) < len(value):
            raise ValueError("write distinct whole numbers from 0 up")
        return value

    @model_validator(mode="after")
    def _belongs(self) -> "EvaluationConfig":
        for key in sorted(self.model_fields_set & set(READ_BY)):
            if self.protocol not in READ_BY[key]:
                raise ValueError(
                    f"{key} is not read by protocol = {self.protocol!r}, only by "
                    f"{' and '.join(READ_BY[key])}; take it out, or change the protocol"
                )
        if self.protocol == "given" and self.targets is None:
            raise ValueError("protocol = 'given' needs targets, a file of user_id and item_id")
        return self

    @property
    def window_days(self) -> float:
        """The test window in days."""
        return parse_days(self.test_window)
