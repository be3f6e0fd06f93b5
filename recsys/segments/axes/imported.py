"""Segments that another system has worked out, by degrees."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import Field
from scipy import sparse

from recsys.errors import ConfigError
from recsys.segments.attributes import require_attribute
from recsys.segments.axis import AxisBase, AxisFit, AxisKind
from recsys.segments.facts import UserFacts
from recsys.types import Membership


class ImportedConfig(AxisBase):
    """Where imported segments come from."""

    kind: Literal["imported"]
    file: str | None = Field(
        None,
        exclude=True,  # A path is no part of a definition.
        description="user_id, segment, weight, and valid_from where they change",
    )
    column: str = Field(
        "",
        description='the users\' attribute that holds them, as JSON such as {"gold": 0.7}; '
        "imported:NAME where the config names none",
    )
    most: int = Field(50, ge=1, description="segments kept, by users; others are unknown")

    @property
    def update(self) -> str:
        """When memberships change, in words."""
        return "with every import"


def fit(config: ImportedConfig, facts: UserFacts) -> AxisFit:
    """Freeze the segments with the most users.

    Raises
    ------
    ConfigError
        When the attribute is not there or empty, or holds what are no weights.
    """
    require_attribute(config.column, facts, asking="an axis of kind 'imported'")
    texts = facts.attribute(config.column).dropna().astype(str)
    weights = {text: weights_of(text) for text in texts.unique()}
    names = pd.Series([name for text in texts for name in weights[text]], dtype=object)
    counts = names.value_counts().sort_index().sort_values(ascending=False, kind="stable")
    segments = tuple(sorted(counts.head(config.most).index))
    if not segments:
        raise ConfigError(f"the users' column {config.column!r} holds no imported segment")
    definitions = tuple(f"imported as {segment}" for segment in segments)
    return AxisFit(segments=segments, definitions=definitions)


def weights_of(text: str) -> dict[str, float]:
    """Read one user's imported weights.

    Raises
    ------
    ConfigError
        When the text is no JSON object of weights above 0 that sum to at most 1.

    Examples
    --------
    >>> weights_of('{"gold": 0.7, "young": 0.3}')
    {'gold': 0.7, 'young': 0.3}
    """
    try:
        weights = json.loads(text)
    except json.JSONDecodeError:
        weights = None
    if not _are_weights(weights):
        raise ConfigError(
            f"imported segments {text!r} are no weights above 0 that sum to at most 1; "
            'write them like {"gold": 0.7}'
        )
    return {str(name): float(weight) for name, weight in weights.items()}


def _are_weights(weights: Any) -> bool:
    if not isinstance(weights, Mapping):
        return False
    numbers = [weight for weight in weights.values() if type(weight) in (int, float)]
    # Three thirds in decimals may be a little more than 1.
    fit_in = len(numbers) == len(weights) and math.fsum(numbers) <= 1 + 1e-9
    return fit_in and all(0 < number <= 1 for number in numbers)


def assign(config: ImportedConfig, fitted: AxisFit, facts: UserFacts) -> Membership:
    """Share each user out over her segments; what cannot be read is unknown, as what is missing."""
    if not facts.has_attribute(config.column):
        return sparse.csr_matrix((len(facts), len(fitted.segments)), dtype=np.float64)
    # Each distinct text is read once; whoever has none takes the last row, which is empty.
    codes, texts = pd.factorize(facts.attribute(config.column).astype(object))
    return sparse.csr_matrix(_rows(list(texts), fitted)[codes])


def _rows(texts: Sequence[object], fitted: AxisFit) -> Membership:
    column_of = {segment: column for column, segment in enumerate(fitted.segments)}
    rows = sparse.lil_matrix((len(texts) + 1, len(column_of)), dtype=np.float64)
    for row, text in enumerate(texts):
        for segment, weight in _weights_or_none(str(text)).items():
            if segment in column_of:
                rows[row, column_of[segment]] = weight
    return sparse.csr_matrix(rows)


def _weights_or_none(text: str) -> dict[str, float]:
    try:
        return weights_of(text)
    except ConfigError:
        return {}


KIND = AxisKind(ImportedConfig, fit, assign)
