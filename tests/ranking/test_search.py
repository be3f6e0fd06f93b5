"""The search finds what a full scan finds, and looks at little for it."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.models import Grouped, Model, Sparse
from recsys.models.shelves import shelve
from recsys.ranking.search import Allowed, Search, Side

SCALES = st.sampled_from([1e-9, 1.0, 1e9])


class Shop:
    """The part of a model that a search looks at; the last `n_new` items came after training."""

    def __init__(self, columns, d, size, n_new):
        n_trained = len(columns) - n_new
        self.columns, self.further = columns[:n_trained], columns[n_trained:] if n_new else None
        self.shelves = shelve(self.columns, d, size)

    rows, product, reach = Model.rows, Model.product, Model.reach


def shop_of(columns, d, size=4, n_new=0):
    return Shop(columns, d, size, n_new)


def drawn(rng, n_items, scale, steps):
    """Columns of some scale; with `steps`, of so few kinds that most scores are tied."""
    columns = (rng.normal(size=(n_items, 7)) * scale).astype(np.float32)
    if steps and n_items:
        columns = columns[rng.integers(min(steps, n_items), size=n_items)]
    return columns


def parts_of(rng, n_items, scale, names):
    parts = []
    if "long" in names:
        parts.append((0.3, sparse_of(rng, n_items, n_items // 2, scale)))
    if "short" in names:
        parts.append((2.0, sparse_of(rng, n_items, n_items // 10, scale)))
    if "down" in names:
        term = sparse_of(rng, n_items, n_items // 3, scale)
        parts.append((1.0, Sparse(term.items, -np.abs(term.values))))
    if "grouped" in names:
        groups = rng.integers(3, size=n_items)
        parts.append((0.7, Grouped(groups, rng.normal(size=3) * scale)))
    return parts


def sparse_of(rng, n_items, size, scale):
    items = np.sort(rng.choice(n_items, size=size, replace=False))
    return Sparse(items, rng.normal(size=size) * scale)


def exact_scores(columns, query, parts):
    """Every item by itself, in float64."""
    scores = columns.astype(np.float64) @ query.astype(np.float64)
    for weight, term in parts:
        scores = scores + weight * term.at(np.arange(len(columns)))
    return scores


def best_of(scores, items, k):
    return items[np.lexsort((items, -scores[items]))][:k].tolist()


@settings(max_examples=400, deadline=None)
@given(
    st.integers(0, 100_000),
    st.sampled_from([0, 1, 3, 40, 200]),
    st.sampled_from([None, 1, 5]),
    st.sampled_from([1, 10, 300]),
    SCALES,
    SCALES,
    st.sets(st.sampled_from(["long", "short", "down", "grouped"])),
    st.sampled_from([0.0, 0.5, 0.98]),
    st.sampled_from(["never", "soon", "few"]),
    st.sampled_from([0, 1, 20]),
)
def test_the_best_are_among_the_candidates(
    seed, n_items, steps, k, scale, loudness, names, excluded, giving_up, n_new
):
    rng = np.random.default_rng(seed)
    columns = drawn(rng, n_items, scale, steps)
    query = (rng.normal(size=7) * loudness).astype(np.float32)
    parts = parts_of(rng, n_items, scale * loudness, names)
    flags = rng.random(n_items) >= excluded
    barred = np.flatnonzero(rng.random(n_items) < 0.2)
    side = Side(shop_of(columns, 4, n_new=min(n_new, n_items)), query, parts)
    most = 20 if giving_up == "soon" else n_items
    few = 1024 if giving_up == "few" else -1
    search = Search(side, Allowed(flags, barred), k, most=most, few=few)
    found = np.sort(search.candidates())
    allowed = np.setdiff1d(np.flatnonzero(flags), barred)
    exact = exact_scores(columns, query, parts)
    assert len(np.unique(found)) == len(found) and np.isin(found, allowed).all()
    assert best_of(exact, found, k) == best_of(exact, allowed, k)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([1, 10]))
def test_a_product_that_is_known_is_taken_as_it_is(seed, k):
    rng = np.random.default_rng(seed)
    columns = drawn(rng, 200, 1.0, None)
    query = rng.normal(size=7).astype(np.float32)
    parts = parts_of(rng, 200, 1.0, {"long", "grouped"})
    side = Side(shop_of(columns, 4), query, parts)
    everything = Allowed(np.ones(200, dtype=bool))
    search = Search(side, everything, k, most=0, few=-1)
    assert not search.settle()
    found = search.candidates((query[np.newaxis] @ columns.T)[0])
    exact = exact_scores(columns, query, parts)
    assert best_of(exact, found, k) == best_of(exact, np.arange(200), k)
    assert search.looked_at == 200


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), SCALES, st.sampled_from([0, 30]))
def test_no_score_is_further_off_than_the_error(seed, scale, n_new):
    rng = np.random.default_rng(seed)
    columns = drawn(rng, 100, scale, None)
    # What is new need not be like anything that training saw.
    columns[100 - n_new :] *= 50.0
    query = rng.normal(size=7).astype(np.float32)
    parts = parts_of(rng, 100, scale, {"long", "short", "down", "grouped"})
    side, items = Side(shop_of(columns, 4, n_new=n_new), query, parts), np.arange(100)
    exact = exact_scores(columns, query, parts)
    assert np.abs(side.add_parts(side.dense(items), items) - exact).max() <= side.error
    assert np.abs(side.all_scores(None) - exact).max() <= side.error


def test_a_shop_with_a_head_is_looked_at_in_part():
    """Popularity with a long tail, factors that grow with it, and a history: as in any shop."""
    rng = np.random.default_rng(0)
    n_items, d = 50_000, 16
    popularity = -np.log(np.arange(1, n_items + 1, dtype=np.float64)) - 4.0
    lengths = 1.0 / (1.0 + np.exp(-(popularity + 10.0)))
    factors = rng.normal(size=(n_items, d)) / np.sqrt(d) * lengths[:, np.newaxis]
    columns = np.column_stack([factors, popularity]).astype(np.float32)
    columns = columns[rng.permutation(n_items)]
    shop = shop_of(columns, d, size=64)
    own = sparse_of(rng, n_items, 2_000, 3.0)
    for parts in ([], [(1.0, own)], [(1.0, own), (0.1, sparse_of(rng, n_items, 20_000, 1.0))]):
        query = np.append(rng.normal(size=d), 0.7).astype(np.float32)
        search = Search(
            Side(shop, query, parts), Allowed(np.ones(n_items, dtype=bool)), 10, most=10**9
        )
        exact = exact_scores(columns, query, parts)
        assert best_of(exact, search.candidates(), 10) == best_of(exact, np.arange(n_items), 10)
        assert search.looked_at < n_items / 10
