"""Bought together: association rules from baskets, and the completion of a cart.

A rule ``A → k`` says that who has ``A``, one item or two, takes ``k`` as well. With ``n_A``,
``n_k`` and ``n_Ak`` baskets holding ``A``, ``k`` and both, out of ``n``:

``support = n_Ak / n``, ``confidence = n_Ak / n_A``, ``lift = n_Ak n / (n_A n_k)``

(Agrawal, Imieliński & Swami, SIGMOD 1993; Brin, Motwani, Ullman & Tsur, SIGMOD 1997). Neither ranks
well alone: confidence likes what everybody buys, lift likes what two people bought. Rules are
ranked by their product, each shrunk by what is not known:

``weight = n_Ak / (n_A + δ) · max(0, log((n_Ak + κ) / (E_Ak + κ)))``, ``E_Ak = n_A n_k / n``

the second factor being the Gamma–Poisson lift of the priors. It is the term of ``k`` in the
information that ``A`` gives about the rest of the basket. Hiding an item of later baskets of a
grocer and a supermarket, it finds more than counts, confidence, lift, damped lift, cosine and their
sums with popularity wherever two items or more are given; of one, confidence does as well
(`benchmarks/quality/item_to_item.py`). κ and δ matter little there, and so do the rules of pairs.

Only the counts are kept: integers, from which everything said of a rule is worked out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse

from recsys.models.lift import log_lift
from recsys.models.related.baskets import Baskets, Unit
from recsys.models.related.config import RelatedConfig
from recsys.models.related.rows import BLOCK, Rows, best, blocks, rows_from, rows_of, stacked
from recsys.models.terms import Sparse
from recsys.types import Flags, Floats, Indices, UserItems

KAPPA = 1.0
"""A lift counts as much as this many baskets in which chance alone was at work."""
DELTA = 10.0
"""A confidence counts against this many baskets with A and nothing else."""
LEAST_TOGETHER = 2
"""Baskets in which a rule must have held."""
LEAST_PAIR = 20
"""Baskets that a pair must be in before it has rules of its own."""
PAIR_WORK = 200_000_000
"""Pairs have rules, the most frequent first, while counting takes this many additions in all."""


class Found(NamedTuple):
    """Items bought together with something, best first, all of shape ``(n_found,)``.

    Attributes
    ----------
    items
        Item index.
    scores
        The rule's weight.
    support
        Share of all baskets that hold both.
    confidence
        Share of the baskets with the one that hold the other as well.
    lift
        How many times likelier than by chance; 1 = independent.
    """

    items: Indices
    scores: Floats
    support: Floats
    confidence: Floats
    lift: Floats


@dataclass(frozen=True)
class Together:
    """The rules, as counts of baskets.

    Attributes
    ----------
    n_baskets
        ``n``.
    unit
        What a basket is.
    support
        ``n_i`` of each item, shape ``(n_items,)``.
    rules
        Of each item: the items bought with it, and in how many baskets.
    pairs
        Frequent pairs ``first < second``, sorted, shape ``(n_pairs, 2)``.
    pair_support
        ``n_ij`` of each, shape ``(n_pairs,)``.
    pair_rules
        Of each pair: the items bought with both, and in how many baskets.
    """

    n_baskets: int
    unit: Unit
    support: Indices
    rules: Rows
    pairs: Indices
    pair_support: Indices
    pair_rules: Rows

    def bought_together(self, item: int, *, k: int, allowed: Flags | None = None) -> Found:
        """Return what is bought together with an item, best first.

        There are as many as allowed items among the rows kept, `RelatedConfig.per_item` at most;
        an item that was hardly ever bought has none.

        Parameters
        ----------
        item
            Item index.
        k
            Length of the list, at most.
        allowed
            Items that may be listed, shape ``(n_items,)``; None = all.
        """
        items, both = self.rules.of(item)
        given = np.full(len(items), self.support[item])
        scores = rule_weight(both, given, self.support[items], self.n_baskets)
        kept = best(items, scores, k=k, allowed=allowed)
        items, both, given = items[kept], both[kept].astype(np.float64), given[kept]
        lift = both * self.n_baskets / (given * self.support[items])
        return Found(items, scores[kept], both / self.n_baskets, both / given, lift)

    def beside(self, n: int) -> "Together":
        """Return the same with `n` further items, which nothing is known of."""
        none = np.zeros(n, dtype=self.support.dtype)
        support = np.append(self.support, none)
        return replace(self, support=support, rules=self.rules.with_empty(n))

    def cart_term(self, cart: Indices) -> Sparse:
        """Say how much each item would complete a cart, as a term of the score.

        ``value(k) = Σ_j max over rules A → k with j in A ⊆ cart of the rule's weight``: every item
        of the cart speaks once for ``k``, by its best rule, be it its own or a pair's. Items of the
        cart are not touched. The order of the cart plays no part.

        Parameters
        ----------
        cart
            Item indices; doubles count once, -1 is no item.
        """
        cart = np.unique(cart[cart >= 0])
        place, items, weight = self._votes(cart)
        order = np.lexsort((-weight, place, items))
        place, items, weight = place[order], items[order], weight[order]
        first = np.ones(len(items), dtype=bool)
        first[1:] = (items[1:] != items[:-1]) | (place[1:] != place[:-1])
        first &= ~np.isin(items, cart)
        touched, at = np.unique(items[first], return_inverse=True)
        values = np.bincount(at, weights=weight[first], minlength=len(touched))
        return Sparse(touched, values.astype(np.float64))

    def complete(
        self, cart: Indices, *, k: int, allowed: Flags | None = None
    ) -> tuple[Indices, Floats]:
        """Return the items that complete a cart best, and the values of its `cart_term`.

        Parameters
        ----------
        cart
            Item indices.
        k
            Length of the list, at most.
        allowed
            Items that may be listed, shape ``(n_items,)``; None = all.
        """
        term = self.cart_term(cart)
        items, values = term.items.astype(np.int64), term.values.astype(np.float64)
        kept = best(items, values, k=k, allowed=allowed)
        return items[kept], values[kept]

    def _votes(self, cart: Indices) -> tuple[Indices, Indices, Floats]:
        """Return every rule of a cart's items and pairs, a pair's once for each of the two."""
        place, items, both = self.rules.gathered(cart)
        given = self.support[cart][place]
        own = rule_weight(both, given, self.support[items], self.n_baskets)
        pair, first, second = self._pairs_in(cart)
        of_pair, pair_items, three = self.pair_rules.gathered(pair)
        given = self.pair_support[pair][of_pair]
        joint = rule_weight(three, given, self.support[pair_items], self.n_baskets)
        return (
            np.concatenate([place, first[of_pair], second[of_pair]]),
            np.concatenate([items, pair_items, pair_items]),
            np.concatenate([own, joint, joint]),
        )

    def _pairs_in(self, cart: Indices) -> tuple[Indices, Indices, Indices]:
        """Return the frequent pairs of a sorted cart, and the places of their two items in it."""
        first, second = np.triu_indices(len(cart), 1)
        n_items = len(self.support)
        known = self.pairs[:, 0] * n_items + self.pairs[:, 1]
        wanted = cart[first] * n_items + cart[second]
        at = np.searchsorted(known, wanted)
        held = np.append(known, -1)[at] == wanted
        return at[held], first[held], second[held]

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return every array by the name it has in a bundle."""
        return {
            "together_support": self.support,
            "together_pairs": self.pairs,
            "together_pair_support": self.pair_support,
            **self.rules.arrays("together"),
            **self.pair_rules.arrays("together_pair"),
        }

    def learnt(self) -> dict[str, Any]:
        """Return what is no array, as JSON."""
        return {"n_baskets": self.n_baskets, "unit": self.unit}


def together_from(arrays: Mapping[str, npt.NDArray[Any]], learnt: Mapping[str, Any]) -> Together:
    """Build the rules again from what `Together.arrays` and `Together.learnt` gave."""
    return Together(
        int(learnt["n_baskets"]),
        learnt["unit"],
        arrays["together_support"],
        rows_from(arrays, "together"),
        arrays["together_pairs"],
        arrays["together_pair_support"],
        rows_from(arrays, "together_pair"),
    )


def rule_weight(both: Indices, given: Indices, other: Indices, n_baskets: int) -> Floats:
    """Return how much rules ``A → k`` are worth; 0 for one no better than chance.

    Parameters
    ----------
    both, given, other
        ``n_Ak``, ``n_A`` and ``n_k``, of shapes that go together.
    n_baskets
        ``n``; above 0 where there are rules.

    Examples
    --------
    >>> rule_weight(np.array([0, 5, 50]), np.array([50]), np.array([50]), 500).round(3).tolist()
    [0.0, 0.0, 1.783]
    """
    expected = given * other / (n_baskets or 1)
    above = log_lift(both, expected, KAPPA)
    return np.asarray(both / (given + DELTA) * np.maximum(above, 0.0), dtype=np.float64)


def fit_together(baskets: Baskets, config: RelatedConfig) -> Together:
    """Count what is bought together.

    Parameters
    ----------
    baskets
        Baskets of a single item count for the support of it.
    config
        How many rules are kept of each item and pair.
    """
    matrix = baskets.matrix
    support = np.bincount(matrix.indices, minlength=matrix.shape[1]).astype(np.int64)
    rules, pairs = _count_pairs(matrix, support, config.per_item)
    frequent = _frequent(pairs, matrix.nnz / max(matrix.shape[0], 1))
    return Together(
        matrix.shape[0],
        baskets.unit,
        support,
        rules,
        np.column_stack([frequent.row, frequent.column]),
        frequent.both,
        _count_triples(matrix, support, frequent, config.per_item),
    )


class _Cells(NamedTuple):
    """Some cells of a table of counts."""

    row: Indices
    column: Indices
    both: Indices

    def where(self, kept: Flags | Indices) -> "_Cells":
        return _Cells(self.row[kept], self.column[kept], self.both[kept])


def _count_pairs(matrix: UserItems, support: Indices, most: int) -> tuple[Rows, _Cells]:
    """Return the rules of each item, and the pairs that are frequent enough for their own."""
    by_item = matrix.tocsc()
    parts, frequent = [], []
    for block in blocks(np.asarray(matrix.T @ np.diff(matrix.indptr)), BLOCK):
        cells = _cells(by_item[:, block].T @ matrix)
        item = cells.row + block.start
        cells = cells.where((item != cells.column) & (cells.both >= LEAST_TOGETHER))
        parts.append(_best_rules(cells, support[block], support, matrix.shape[0], most))
        cells = cells._replace(row=cells.row + block.start)
        frequent.append(cells.where((cells.row < cells.column) & (cells.both >= LEAST_PAIR)))
    return stacked(parts), _Cells(*map(np.concatenate, zip(*frequent, strict=True)))


def _frequent(pairs: _Cells, mean_size: float) -> _Cells:
    """Choose the most frequent pairs, as many as can be counted in time; sorted by items."""
    order = np.lexsort((pairs.column, pairs.row, -pairs.both))
    work = np.cumsum(pairs.both[order] * mean_size)
    chosen = pairs.where(order[work <= PAIR_WORK])
    return chosen.where(np.lexsort((chosen.column, chosen.row)))


def _count_triples(matrix: UserItems, support: Indices, pairs: _Cells, most: int) -> Rows:
    by_item = matrix.tocsc()
    mean_size = matrix.nnz // max(matrix.shape[0], 1)
    parts = []
    for block in blocks(pairs.both * mean_size, BLOCK):
        first, second = pairs.row[block], pairs.column[block]
        cells = _cells(by_item[:, first].multiply(by_item[:, second]).T @ matrix)
        third = (cells.column != first[cells.row]) & (cells.column != second[cells.row])
        cells = cells.where(third & (cells.both >= LEAST_TOGETHER))
        parts.append(_best_rules(cells, pairs.both[block], support, matrix.shape[0], most))
    return stacked(parts)


def _cells(product: Any) -> _Cells:
    found = sparse.coo_matrix(product)
    return _Cells(
        found.row.astype(np.int64), found.col.astype(np.int64), found.data.astype(np.int64)
    )


def _best_rules(cells: _Cells, given: Indices, support: Indices, n_baskets: int, most: int) -> Rows:
    weight = rule_weight(cells.both, given[cells.row], support[cells.column], n_baskets)
    useful = weight > 0
    cells, weight = cells.where(useful), weight[useful]
    both = cells.both.astype(np.int32)
    return rows_of(cells.row, cells.column, both, weight, n_rows=len(given), most=most)
