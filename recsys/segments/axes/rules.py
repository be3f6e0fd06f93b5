"""Segments by rules that the shop writes itself: the first that matches, or all that do."""

from typing import Literal

import numpy as np
from pydantic import Field, field_validator
from scipy import sparse

from recsys.segments.axis import AxisBase, AxisFit, AxisKind
from recsys.segments.facts import Read, UserFacts
from recsys.segments.rules import (
    Condition,
    axes_of,
    check,
    columns_of,
    in_words,
    reads_of,
    truth_of,
)
from recsys.segments.shares import Column
from recsys.types import Config, Flags, Membership


class Rule(Config):
    """A segment and who is in it."""

    name: str = Field(min_length=1, description="the segment's name")
    when: Condition = Field(description="what must hold of a user, and be known")
    says: str | None = Field(None, description="the definition, in place of the rule's own words")


class RulesConfig(AxisBase):
    """The rules, in order."""

    kind: Literal["rules"]
    segments: tuple[Rule, ...] = Field(min_length=1, description="in order: the first match wins")
    overlap: bool = Field(
        False, description="a user who matches several segments is shared out over them equally"
    )

    @field_validator("segments")
    @classmethod
    def _differ(cls, value: tuple[Rule, ...]) -> tuple[Rule, ...]:
        names = [rule.name for rule in value]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two segments are named {twice[0]!r}; join their rules by any")
        return value

    @property
    def _conditions(self) -> tuple[Condition, ...]:
        return tuple(rule.when for rule in self.segments)

    @property
    def reads(self) -> tuple[Read, ...]:
        """The features of the rules."""
        return reads_of(self._conditions)

    @property
    def columns(self) -> tuple[Column, ...]:
        """The item columns of the rules."""
        return columns_of(self._conditions)

    @property
    def parents(self) -> tuple[str, ...]:
        """The axes of the rules."""
        return axes_of(self._conditions)


def fit(config: RulesConfig, facts: UserFacts) -> AxisFit:
    """Say the rules in words; nothing is learnt.

    Raises
    ------
    ConfigError
        When a rule goes by what is not there.
    """
    for rule in config.segments:
        check(rule.when, facts)
    return AxisFit(
        segments=tuple(rule.name for rule in config.segments),
        definitions=tuple(rule.says or in_words(rule.when) for rule in config.segments),
    )


def assign(config: RulesConfig, fitted: AxisFit, facts: UserFacts) -> Membership:
    """Put each user into the first segment that matches, or into all of them in equal shares."""
    del fitted
    matches = np.column_stack([truth_of(rule.when, facts).yes for rule in config.segments])
    chosen = matches if config.overlap else _first(matches)
    shares = chosen / np.maximum(chosen.sum(axis=1, keepdims=True), 1)
    return sparse.csr_matrix(shares)


def _first(matches: Flags) -> Flags:
    return np.asarray(matches & (np.cumsum(matches, axis=1) == 1), dtype=np.bool_)


KIND = AxisKind(RulesConfig, fit, assign)
