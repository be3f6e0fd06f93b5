"""The weights of habit's features: a ridge logistic regression on windows before the cut.

What a list shows is decided among the items of one user. So only users who came back for something
have a part in it, and whoever came back for much has no more of it than whoever came back for
little: a pair weighs ``1 / Σ_{r ≤ min(n_u, 10)} 1/log2(1 + r)``, which is what finding one of her n
items is worth in NDCG@10.

Products of features help a shop with enough customers and mislead one with few. They come in where
they foretell the one half of the users better when learnt from the other, by more than a standard
error of the gain.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import optimize, special

from recsys.interactions import Histories
from recsys.metrics.hits import discounts
from recsys.models.evidence import contact_features, spoken_kinds
from recsys.models.habit_features import (
    LEFT,
    N_CROSSED,
    PRODUCTS,
    RIGHT,
    features_with_rate,
    products,
)
from recsys.models.logistic import logistic
from recsys.models.repeats import crossed_rates
from recsys.types import Flags, Floats, Indices
from recsys.vocabulary import Vocabulary

RIDGE = 30.0
K = 10
"""Finds are worth what they are worth in a list of this length."""
MOST_PAIRS = 400_000
"""Where there are more, every n-th that did not come back stands for n."""


class Examples(NamedTuple):
    """Pairs to learn from, one row each; those of a user in a window stand together.

    Attributes
    ----------
    features
        ``f_ui``, and those of contacts; shape ``(n, n_features)``.
    label
        1 where the pair came back, else 0.
    stands_for
        How many pairs.
    worth
        What finding it is worth; 0 where its user came back for nothing.
    user
        The same number for the same user in every window.
    """

    features: Floats
    label: Floats
    stands_for: Floats
    worth: Floats
    user: Indices

    def of(self, chosen: Flags) -> "Examples":
        """Return some of them."""
        return Examples._make(column[chosen] for column in self)


def learn_weights(
    windows: Sequence[tuple[Histories, Flags]], groups: Indices, pace: Floats
) -> Floats:
    """Return ``β₀, β``: of the features of a pair and, behind them, of its contacts.

    Parameters
    ----------
    windows
        Histories as of the start of each, and whether each pair came back; one did at least.
    groups
        Category of each item.
    pace
        As of `Habit`.
    """
    n_pairs = sum(int(np.count_nonzero(histories.visits > 0)) for histories, _ in windows)
    step = -(-n_pairs // MOST_PAIRS)
    everyone = Vocabulary(np.concatenate([histories.users.ids for histories, _ in windows]))
    parts = [_examples(*window, groups, pace, step, everyone) for window in windows]
    examples = Examples._make(map(np.concatenate, zip(*parts, strict=True)))
    returned = examples.of(examples.worth > 0)
    return _calibrated(_fit(returned, crossed=_products_earn(returned)), examples)


def _examples(
    histories: Histories,
    bought_next: Flags,
    groups: Indices,
    pace: Floats,
    step: int,
    everyone: Vocabulary,
) -> Examples:
    bought = np.flatnonzero(histories.visits > 0)
    label, items = bought_next[bought].astype(np.float64), histories.items[bought]
    user = histories.user_index[bought]
    log_rate = np.zeros(len(histories.items))
    log_rate[bought] = np.log(crossed_rates(user % 2, items, label, groups))
    features = features_with_rate(histories, slice(None), log_rate, pace)
    chosen = np.flatnonzero((label > 0) | (np.arange(len(bought)) % step == 0))
    rows = bought[chosen]
    parts = [features[rows]]
    if histories.contacts is not None:
        contacts = histories.contacts.take(rows)
        kinds = spoken_kinds(contacts.kinds)
        parts.append(contact_features(contacts, kinds, histories.since_last[rows]))
    return Examples(
        np.hstack(parts),
        label[chosen],
        np.where(label > 0, 1.0, float(step))[chosen],
        worth_of_a_find(user, label)[chosen],
        everyone.index_of(histories.users.ids)[user[chosen]],
    )


def worth_of_a_find(user: Indices, label: Floats) -> Floats:
    """Return what finding a pair adds to its user's NDCG at the first rank, shape ``(n_pairs,)``.

    0 for users of whom nothing is to be found.

    Parameters
    ----------
    user, label
        Of each pair.
    """
    to_find = np.bincount(user, weights=label).astype(np.int64)
    worth = np.append(0.0, 1.0 / np.cumsum(discounts(K)))
    return np.asarray(worth[np.minimum(to_find, K)][user])


def _products_earn(examples: Examples) -> bool:
    """Tell whether products of features foretell other users than those they are learnt from."""
    gains = []
    for half in (0, 1):
        learnt, asked = (examples.of(examples.user % 2 == part) for part in (half, 1 - half))
        if not (learnt.label.any() and asked.label.any()):
            return False
        plain, crossed = (_found(_fit(learnt, crossed=with_), asked) for with_ in (False, True))
        gains.append(crossed - plain)
    gain = np.concatenate(gains)
    return bool(gain.mean() > gain.std() / np.sqrt(len(gain)))


def _found(coefficients: Floats, examples: Examples) -> Floats:
    """Return NDCG@10 of each user's own items, over all windows; a row takes all its ranks.

    Not the likelihood: whose items come back more often than another's is told by products too,
    and no list has any use for it.
    """
    odds = coefficients[0] + examples.features @ coefficients[1:]
    number = np.cumsum(np.diff(examples.user, prepend=-1) != 0)
    order = np.lexsort((-odds, number))
    last = np.cumsum(examples.stands_for[order])
    starts = np.flatnonzero(np.diff(number, prepend=0))
    before = np.append(0.0, last)[starts]
    rank = last - before[number - 1]
    discount = np.where(rank <= K, 1.0 / np.log2(1.0 + rank), 0.0)
    found = (examples.worth * examples.label)[order] * discount
    _, user = np.unique(examples.user[order], return_inverse=True)
    return np.asarray(np.bincount(user, weights=found), dtype=np.float64)


def _fit(examples: Examples, *, crossed: bool) -> Floats:
    weight = examples.stands_for * examples.worth
    weight *= examples.stands_for.sum() / weight.sum()
    features = examples.features
    if not crossed:
        kept = np.delete(np.arange(features.shape[1]), PRODUCTS)
        found = logistic(features[:, kept], examples.label, weight, ridge=RIDGE)
        coefficients = np.zeros(1 + features.shape[1])
        coefficients[np.append(0, 1 + kept)] = found
        return coefficients
    # The ridge holds products down, and would hold what they share with their features down too.
    centre = features[:, :N_CROSSED].mean(axis=0)
    around = features.copy()
    around[:, PRODUCTS] = products(features[:, :N_CROSSED], centre)
    return around_zero(logistic(around, examples.label, weight, ridge=RIDGE), centre)


def around_zero(coefficients: Floats, centre: Floats) -> Floats:
    """Return those of plain products: ``(a − c)(b − d) = ab − d·a − c·b + cd``."""
    found, of_products = coefficients.copy(), coefficients[1:][PRODUCTS]
    np.subtract.at(found, 1 + LEFT, of_products * centre[RIGHT])
    np.subtract.at(found, 1 + RIGHT, of_products * centre[LEFT])
    found[0] += of_products @ (centre[LEFT] * centre[RIGHT])
    return found


def _calibrated(coefficients: Floats, examples: Examples) -> Floats:
    """Return them with the intercept at which as many pairs come back as did.

    They were learnt from users who came back for something; chances are those of everyone's pairs.
    """
    odds = coefficients[0] + examples.features @ coefficients[1:]
    share = float(np.clip(np.average(examples.label, weights=examples.stands_for), 1e-6, 1 - 1e-6))
    goal = special.logit(share)

    def surplus(shift: float) -> float:
        chance = special.expit(odds + shift)
        return float(np.average(chance, weights=examples.stands_for)) - share

    found = coefficients.copy()
    found[0] += optimize.brentq(surplus, goal - odds.max() - 1.0, goal - odds.min() + 1.0)
    return found
