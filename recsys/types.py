"""Array aliases and the base of every config."""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict
from scipy import sparse

Floats: TypeAlias = npt.NDArray[np.float64]
"""float64 values: counts, lifts, scores."""

Factors: TypeAlias = npt.NDArray[np.float32]
"""float32 latent vectors and item columns."""

Indices: TypeAlias = npt.NDArray[np.int64]
"""Positions in a vocabulary; -1 is "unknown"."""

Columns: TypeAlias = npt.NDArray[np.int32]
"""The same where there are many of them."""

Flags: TypeAlias = npt.NDArray[np.bool_]
"""One truth value for each row."""

Ids: TypeAlias = npt.NDArray[np.str_]
"""Outside ids, as text."""

UserItems: TypeAlias = sparse.csr_matrix[Any]
"""Interactions or confidences, shape ``(n_users, n_items)``."""

Membership: TypeAlias = sparse.csr_matrix[Any]
"""Weights in (0, 1], shape ``(n_users, n_segments)``."""


class Config(BaseModel):
    """A frozen config that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=False)
