"""Similar items: what the same users like, and what is alike in the factors.

``s_ij = weight_ij + w · max(0, cos(y_i, y_j))``, with the weight of the rule ``i → j`` over users
instead of baskets (`recsys.models.related.together`) and ``y_i`` an item's factor. Given one item
of a user, this finds her others far better than the cosine of the items' users (damped or not) on
check-ins and on two shops, as well on film ratings; beside it the factors change next to nothing
(`benchmarks/quality/item_to_item.py`). Only items that share users are compared.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from recsys.models.groups import group_means, n_groups_of, with_group_factors
from recsys.models.related.baskets import thinned
from recsys.models.related.config import RelatedConfig
from recsys.models.related.rows import BLOCK, Rows, best, blocks, rows_from, rows_of, stacked
from recsys.models.related.together import rule_weight
from recsys.types import Factors, Flags, Floats, Indices, UserItems

FACTORS = 0.05
"""``w``: what alike factors count for beside the users."""
CHUNK = 200_000
"""Pairs of factors multiplied at a time."""
CANDIDATES = 4
"""So many times the rows kept are compared by their factors: the first by users."""


@dataclass(frozen=True)
class Similar:
    """What is similar to each item, and to each category's items together.

    Attributes
    ----------
    row
        Each item's row, shape ``(n_items,)``: its own, or its category's where too few know it.
    rows
        Similar items and how similar, float32: first a row for each item, then one for each group.
    """

    row: Indices
    rows: Rows

    def similar(self, item: int, *, k: int, allowed: Flags | None = None) -> tuple[Indices, Floats]:
        """Return the items most similar to one, and how similar they are, best first.

        There are as many as allowed items among the rows kept, `RelatedConfig.per_item` at most.

        Parameters
        ----------
        item
            Item index; never among the answers.
        k
            Length of the list, at most.
        allowed
            Items that may be listed, shape ``(n_items,)``; None = all.
        """
        items, scores = self.rows.of(int(self.row[item]))
        other = items != item
        items, scores = items[other], scores[other].astype(np.float64)
        kept = best(items, scores, k=k, allowed=allowed)
        return items[kept], scores[kept]

    def beside(self, groups: Indices) -> "Similar":
        """Return the same with further items; each has the row of its group, or an empty one.

        Parameters
        ----------
        groups
            The group of each, by its code in training, or the number of groups where it has none.
        """
        row = np.append(self.row, len(self.row) + groups)
        return Similar(row, self.rows.with_empty(1))

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return every array by the name it has in a bundle."""
        return {"similar_row": self.row, **self.rows.arrays("similar")}


def similar_from(arrays: Mapping[str, npt.NDArray[Any]]) -> Similar:
    """Build it again from what `Similar.arrays` gave."""
    return Similar(arrays["similar_row"], rows_from(arrays, "similar"))


def fit_similar(
    user_items: UserItems,
    item_factors: Factors,
    supported: Flags,
    groups: Indices,
    config: RelatedConfig,
    *,
    seed: int,
) -> Similar:
    """Compare every supported item, and every group of items, with the supported items.

    A group stands for the users and the mean factor of its items: what it is similar to is what its
    unsupported items are shown with.

    Parameters
    ----------
    user_items
        What users dealt with, any values but 0, shape ``(n_users, n_items)``.
    item_factors
        Shape ``(n_items, d)``.
    supported
        Items with enough users; the others are similar to nothing and take their group's row.
    groups
        Group of each item, shape ``(n_items,)``.
    config
        How many are kept, and from which size a history counts as a random part of it.
    seed
        The seed of that draw.
    """
    n_items = len(groups)
    known = thinned(_known(user_items, supported), config.largest_basket, seed=seed)
    of_groups = _of_groups(known, groups)
    factors = with_group_factors(item_factors, supported, groups)
    means = group_means(item_factors.astype(np.float64), supported, groups)[:-1]
    factors = np.vstack([_directions(factors), _directions(means.astype(np.float32))])
    rows = _compare(
        sparse.hstack([known, of_groups], format="csc"), known, factors, config.per_item
    )
    return Similar(np.where(supported, np.arange(n_items), n_items + groups), rows)


def _known(user_items: UserItems, supported: Flags) -> UserItems:
    pairs = user_items.copy()
    pairs.data = ((pairs.data != 0) & supported[pairs.indices]).astype(np.int32)
    pairs.eliminate_zeros()
    return pairs


def _of_groups(known: UserItems, groups: Indices) -> UserItems:
    """Who has an item of which group."""
    cells = (np.ones(len(groups), dtype=np.int32), (np.arange(len(groups)), groups))
    shape = (len(groups), n_groups_of(groups))
    users = sparse.csr_matrix(known @ sparse.csr_matrix(cells, shape=shape))
    users.data = np.minimum(users.data, 1)
    return users


def _directions(factors: Factors) -> Factors:
    lengths = np.linalg.norm(factors, axis=1, keepdims=True)
    return np.asarray(factors / np.where(lengths > 0, lengths, 1.0), dtype=np.float32)


def _compare(things: UserItems, known: UserItems, factors: Factors, most: int) -> Rows:
    """Return the row of each thing, an item or a group: by its users, then with the factors."""
    users = np.asarray(things.sum(axis=0), dtype=np.int64).ravel()
    n_users = known.shape[0]
    parts = []
    for block in blocks(np.asarray(things.T @ np.diff(known.indptr)), BLOCK):
        both = sparse.csr_matrix(things[:, block].T @ known)
        row = np.repeat(np.arange(both.shape[0]), np.diff(both.indptr))
        column, thing = both.indices.astype(np.int64), row + block.start
        weight = rule_weight(both.data.astype(np.int64), users[thing], users[column], n_users)
        told = (weight > 0) & (thing != column)
        row, column, weight = row[told], column[told], weight[told]
        near = rows_of(row, column, weight, weight, n_rows=both.shape[0], most=CANDIDATES * most)
        parts.append(_ordered(near, factors[block], factors, most))
    return stacked(parts)


def _ordered(near: Rows, mine: Factors, factors: Factors, most: int) -> Rows:
    row = np.repeat(np.arange(len(near)), np.diff(near.indptr))
    alike = np.concatenate(
        [np.empty(0, dtype=np.float32)]
        + [
            np.einsum("ij,ij->i", mine[row[part]], factors[near.columns[part]])
            for part in blocks(np.ones(len(row), dtype=np.int64), CHUNK)
        ]
    )
    score = near.values + FACTORS * np.maximum(alike, 0.0)
    column = near.columns.astype(np.int64)
    return rows_of(row, column, score.astype(np.float32), score, n_rows=len(near), most=most)
