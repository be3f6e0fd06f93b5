"""Evidence: what contacts with an item, a view or a cart, tell of its purchase.

A pair that was never bought gets ``log1p(p_ui / p̄)``, the term of a habit of that chance:
``p_ui = σ(γ₀ + γ · g_ui)`` is the chance that it is bought within the window ahead, learnt on the
pairs with a contact. The features ``g_ui`` are, for each kind of contact, ``log1p(C_h)`` at three
half-lives (``C_h = Σ over days with one 2^(−age / h)``) and ``2^(−t / 20 days)``, t = time since
the last one, 0 where it was followed by a purchase; and the stars of a rating. In the odds of a
pair that was bought the same features stand beside those of its habit.

Impressions that led to nothing can only lower a score: a pair with impressions alone gets
``log1p((p_ui − p₀) / p̄)``, never below `FLOOR`, with ``p_ui = σ(a + b · log1p(n_ui))``, n the days
with impressions, ``b ≤ 0`` and ``p₀ = σ(a)``. An item that was taken back as often as it was bought
has no habit.

Without times nothing of this can be learnt: the strongest contact of a pair is then worth a fixed
share of a purchase, `FIXED`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy import special

from recsys.interactions.contacts import RATING, Contacts
from recsys.interactions.weights import CONTACT_HALF_LIVES
from recsys.models.logistic import logistic
from recsys.types import Flags, Floats

IMPRESSION = "impression"
RETURN = "return"
FRESH_HALF_LIFE = 20.0
"""Days."""
FLOOR = -0.5
"""What impressions alone take from a score at most."""
FIXED: Mapping[str, float] = {"cart": 0.3, "favorite": 0.2, "view": 0.1, "click": 0.1}
"""Without times: the chance of a purchase after a contact, as a share of p̄."""
INTERCEPT = "intercept"
SLOPE = "slope"
STARS = "stars"


@dataclass(frozen=True)
class Evidence:
    """What contacts are worth, learnt in training; plain numbers by name.

    Attributes
    ----------
    kinds
        The kinds of contact it was learnt from; none in a shop where only purchases are known.
    bought
        Feature -> coefficient in the odds of pairs that were bought.
    unbought
        Feature -> coefficient in the odds of the others; empty = no contact says anything.
    ignored
        ``a`` and ``b`` of impressions that led to nothing; empty = they say nothing.
    fixed
        Kind of contact -> share of p̄; only without times.
    """

    kinds: tuple[str, ...] = ()
    bought: Mapping[str, float] = field(default_factory=dict)
    unbought: Mapping[str, float] = field(default_factory=dict)
    ignored: Mapping[str, float] = field(default_factory=dict)
    fixed: Mapping[str, float] = field(default_factory=dict)

    def odds(self, contacts: Contacts, since_bought: Floats) -> Floats:
        """Return what contacts add to the log odds of bought pairs, shape ``(n_pairs,)``.

        Parameters
        ----------
        contacts
            Of the pairs.
        since_bought
            Days since their last purchase.
        """
        features = contact_features(contacts, spoken_kinds(self.kinds), since_bought)
        return _weighed(features, feature_names(spoken_kinds(self.kinds)), self.bought)

    def terms(self, contacts: Contacts, mean: float) -> Floats:
        """Return the terms of pairs that were never bought, shape ``(n_pairs,)``.

        Parameters
        ----------
        contacts
            Of the pairs.
        mean
            ``p̄``, the mean chance that a bought pair is bought again.
        """
        chance = self._chance(contacts, mean)
        surplus = np.where(_spoken(contacts, self.kinds), chance, self._ignored(contacts))
        return np.asarray(np.log1p(np.maximum(surplus / mean, np.expm1(FLOOR))))

    def _chance(self, contacts: Contacts, mean: float) -> Floats:
        if self.fixed:
            worth = [share * (contacts.days(kind) > 0) for kind, share in self.fixed.items()]
            return np.asarray(mean * np.max(worth, axis=0))
        if not self.unbought:
            return np.zeros(len(contacts.rating))
        kinds = telling_kinds(self.kinds)
        odds = _weighed(contact_features(contacts, kinds), feature_names(kinds), self.unbought)
        return np.asarray(special.expit(self.unbought[INTERCEPT] + odds))

    def _ignored(self, contacts: Contacts) -> Floats:
        """``p_ui − p₀``, at most 0."""
        if not self.ignored:
            return np.zeros(len(contacts.rating))
        start, slope = self.ignored[INTERCEPT], self.ignored[SLOPE]
        odds = start + slope * np.log1p(contacts.days(IMPRESSION))
        return np.asarray(special.expit(odds) - special.expit(start))


def taken_back(contacts: Contacts, visits: Floats) -> Flags:
    """Tell which bought pairs were returned as often as they were bought."""
    return np.asarray((visits > 0) & (contacts.days(RETURN) >= visits))


def feature_names(kinds: Iterable[str]) -> list[str]:
    """Return the names of the features, in the order of their columns."""
    names = []
    for kind in kinds:
        names += [f"{kind}, half-life {half_life:g}" for half_life in CONTACT_HALF_LIVES]
        names.append(f"{kind}, fresh")
        names += [STARS] if kind == RATING else []
    return names


def contact_features(
    contacts: Contacts, kinds: Sequence[str], since_bought: Floats | None = None
) -> Floats:
    """Return ``g_ui`` of each pair, shape ``(n_pairs, n_features)``; see `feature_names`.

    Parameters
    ----------
    contacts
        Of the pairs.
    kinds
        Those to look at; a kind that is not known of these pairs never happened.
    since_bought
        Days since the last purchase of each pair; None where nothing was bought.
    """
    columns = [np.empty((len(contacts.rating), 0))]
    for kind in kinds:
        columns.append(_features_of(contacts, kind, since_bought))
        if kind == RATING:
            columns.append(np.nan_to_num(contacts.rating)[:, np.newaxis])
    return np.hstack(columns)


def _features_of(contacts: Contacts, kind: str, since_bought: Floats | None) -> Floats:
    if kind not in contacts.kinds:
        return np.zeros((len(contacts.rating), len(CONTACT_HALF_LIVES) + 1))
    number = contacts.kinds.index(kind)
    since = contacts.since_last[:, number]
    newest = ~np.isnan(since) if since_bought is None else since < since_bought
    fresh = np.where(newest, 0.5 ** (np.nan_to_num(since) / FRESH_HALF_LIFE), 0.0)
    return np.column_stack([np.log1p(contacts.decayed[:, number]), fresh])


def fit_evidence(
    contacts: Contacts, visits: Floats, bought_next: Flags | None, coefficients: Floats
) -> Evidence:
    """Learn what contacts tell.

    Parameters
    ----------
    contacts
        Of all pairs, as of the start of a window.
    visits
        Days of purchase of each pair.
    bought_next
        Whether each was bought within the window; None without times.
    coefficients
        Those of the contacts' features in the odds of bought pairs.
    """
    kinds, names = contacts.kinds, feature_names(spoken_kinds(contacts.kinds))
    if bought_next is None:
        return Evidence(kinds, fixed={kind: FIXED[kind] for kind in kinds if kind in FIXED})
    label, spoken = bought_next.astype(np.float64), _spoken(contacts, kinds)
    open_pairs = np.flatnonzero((visits == 0) & spoken)
    shown = np.flatnonzero((visits == 0) & ~spoken & (contacts.days(IMPRESSION) > 0))
    return Evidence(
        kinds,
        # No coefficients: nothing was bought again, and nothing could be learnt.
        dict(zip(names, coefficients.tolist(), strict=len(coefficients) > 0)),
        _unbought(contacts.take(open_pairs), label[open_pairs]),
        _ignored(contacts.take(shown), label[shown]),
    )


def _unbought(contacts: Contacts, label: Floats) -> dict[str, float]:
    if not label.any():
        return {}
    kinds = telling_kinds(contacts.kinds)
    found = logistic(contact_features(contacts, kinds), label)
    return dict(zip([INTERCEPT, *feature_names(kinds)], found.tolist(), strict=True))


def _ignored(contacts: Contacts, label: Floats) -> dict[str, float]:
    if not label.any():
        return {}
    start, slope = logistic(np.log1p(contacts.days(IMPRESSION))[:, np.newaxis], label).tolist()
    return {INTERCEPT: start, SLOPE: slope} if slope < 0 else {}


def spoken_kinds(kinds: Iterable[str]) -> list[str]:
    """Return the kinds that speak of an item that was bought: an impression is the shop's deed."""
    return [kind for kind in kinds if kind != IMPRESSION]


def telling_kinds(kinds: Iterable[str]) -> list[str]:
    """Return the kinds that speak of an item that was never bought."""
    return [kind for kind in kinds if kind not in (IMPRESSION, RETURN)]


def _spoken(contacts: Contacts, kinds: Sequence[str]) -> Flags:
    """Tell which pairs have a contact of the user's own."""
    days = [contacts.days(kind) > 0 for kind in telling_kinds(kinds)]
    return np.any(days, axis=0) if days else np.zeros(len(contacts.rating), dtype=bool)


def _weighed(features: Floats, names: Sequence[str], weights: Mapping[str, float]) -> Floats:
    values = np.asarray([weights.get(name, 0.0) for name in names])
    # A sum along each row: the same for one user as among a thousand, unlike a matrix product.
    return np.asarray((features * values).sum(axis=1))
