"""Time one request, and see how much of the catalogue it looks at.

    python benchmarks/speed/ranking.py --config recsys.toml [--users 300] [--known 0 1 3 10]
    python benchmarks/speed/ranking.py --items 27000 100000 1000000

With a config: the active bundle and the customers of its state, with all and with the first few of
their items known, by every variant named. With sizes: catalogues of drawn factors, ranked by
factors alone, where bounds help least, and with popularity, beside one product over everything.
Set OPENBLAS_NUM_THREADS=1: on cores that have other work, threads of BLAS wait for each other.
Prints one JSON document; times are milliseconds.
"""

import argparse
import json
import os
import platform
import time
from collections.abc import Callable, Iterable
from importlib.metadata import version
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from recsys.bundle import BundleStore
from recsys.config import RecsysConfig, load_config
from recsys.models import Model
from recsys.models.shelves import Shelves, shelve
from recsys.ranking import Customers, Ranker, Request, Variant, describe, reasons
from recsys.ranking.listing import Listing
from recsys.ranking.published import open_bundle
from recsys.ranking.ranker import GATHERED
from recsys.ranking.search import Allowed, Search, Side
from recsys.state import StateStore
from recsys.vocabulary import Vocabulary

D = 128
REQUEST = Request(10)
DEFAULT = ("segment_aware", "als", "popular")


class Items:
    """The part of a model that a search looks at."""

    further = None
    rows, product, reach = Model.rows, Model.product, Model.reach

    def __init__(self, columns: np.ndarray, shelves: Shelves) -> None:
        self.columns, self.shelves = columns, shelves


def timed(work: Callable[[int], Any], numbers: Iterable[int]) -> tuple[dict[str, float], list[Any]]:
    walls, results = [], []
    for number in numbers:
        start = time.perf_counter()
        results.append(work(number))
        walls.append(time.perf_counter() - start)
    at = {"median": 50, "p99": 99}
    return {name: round(1e3 * np.percentile(walls, q), 3) for name, q in at.items()}, results


def share_of(looked_at: list[int], n_items: int) -> dict[str, float]:
    at = {"median": 50, "p99": 99}
    return {name: round(np.percentile(looked_at, q) / n_items, 5) for name, q in at.items()}


def cut(events: pd.DataFrame, most: int) -> pd.DataFrame:
    """Keep the events of the first few items of each user."""
    items = events[["user_id", "item_id"]].dropna().drop_duplicates()
    kept = items[items.groupby("user_id").cumcount() < most]
    return events.merge(kept, on=["user_id", "item_id"])


def measure(ranker: Ranker, customers: Customers, variant: Variant) -> dict[str, Any]:
    users, centre = range(len(customers.users)), ranker.centre(variant)
    n_items = len(ranker.model.items)
    allowed = Allowed(ranker.model.catalogue.available)

    def told(user: int) -> Any:
        found, left = rankings[user], scorers[user].root
        return reasons(ranker.model, customers, user, found, centre=centre, root=left)

    def looked_at(user: int) -> int:
        listing = Listing(scorers[user], REQUEST, allowed, None, most=n_items // GATHERED)
        listing.ranking()
        return listing.search.looked_at

    rank, rankings = timed(lambda user: ranker.rank(customers, user, variant, REQUEST), users)
    side, scorers = timed(lambda user: ranker.scorer(customers, user, variant), users)
    answer, _ = timed(lambda user: ranker.answer(scorers[user], REQUEST), users)
    start = time.perf_counter()
    batch = sum(1 for _ in ranker.rank_all(customers, users, variant, REQUEST))
    each = 1e3 * (time.perf_counter() - start) / batch
    return {
        "rank": rank,
        "of this the user side": side,
        "of this the request": answer,
        "reasons": timed(told, users)[0],
        "rank_all, each": round(each, 3),
        "kilobytes of a user side": round(np.median([kilobytes(one) for one in scorers])),
        "share looked at": share_of([looked_at(user) for user in users], n_items),
    }


def kilobytes(scorer: Any) -> float:
    arrays = [scorer.root, scorer.query, scorer.items, scorer.worth, scorer.visits]
    arrays += [values for term in scorer.own.values() for values in term]
    groups = scorer.model.catalogue.groups
    return sum(a.nbytes for a in arrays if a is not None and a is not groups) / 1024


def served(
    config: RecsysConfig, n_users: int, known: list[int], names: list[str]
) -> dict[str, Any]:
    start = time.perf_counter()
    published = open_bundle(BundleStore(config.store.path).load())
    opened = time.perf_counter() - start
    ranker, model = published.ranker, published.ranker.model
    state, variants = StateStore(config.state.url), config.every_variant()
    every = state.user_ids()
    users = every[:: max(1, len(every) // n_users)][:n_users]
    events, attributes = state.events_of(users), state.attributes_of(users)
    newest = state.newest_time()
    as_of = published.as_of if newest is None else max(published.as_of, newest + 1)
    start = time.perf_counter()
    shelve(model.columns, len(model.fold_in.mean))
    found: dict[str, Any] = {
        "items": len(model.items),
        "columns": model.columns.shape[1],
        "users": len(users),
        "seconds to open": round(opened, 2),
        "of this the shelves": round(time.perf_counter() - start, 3),
        "bytes of shelves to those of columns": weight_of(model.shelves, model.columns),
    }
    for n in (None, *known):
        table = events if n is None else cut(events, n)
        frame = nw.from_native(table).lazy()
        customers = describe(frame, Vocabulary(users), attributes, model, as_of=as_of)
        name = "all items known" if n is None else f"{n} items known"
        found[name] = {v: measure(ranker, customers, variants[v]) for v in names}
    return found


def weight_of(shelves: Shelves, columns: np.ndarray) -> float:
    arrays = (shelves.items, shelves.shelf_of, shelves.longest, shelves.highest, shelves.lowest)
    return round(sum(array.nbytes for array in arrays) / columns.nbytes, 4)


def drawn(n_items: int, requests: int) -> dict[str, Any]:
    """Factors without any structure, longer for popular items, as learnt ones are."""
    rng = np.random.default_rng(n_items)
    popularity = -np.log(1.0 + np.arange(n_items)) - np.log(np.log(n_items))
    lengths = np.exp(0.15 * (popularity - popularity.mean()) + rng.normal(scale=0.2, size=n_items))
    columns = rng.standard_normal((n_items, D + 1), dtype=np.float32)
    columns[:, :D] *= (lengths / np.sqrt(D))[:, np.newaxis]
    columns[:, D] = popularity
    columns = columns[rng.permutation(n_items)]
    start = time.perf_counter()
    shelves = shelve(columns, D)
    seconds = time.perf_counter() - start
    shop, users = Items(columns, shelves), rng.normal(size=(requests, D))
    found: dict[str, Any] = {
        "seconds to put on shelves": round(seconds, 3),
        "megabytes of columns": round(columns.nbytes / 2**20),
        "bytes of shelves to those of columns": weight_of(shelves, columns),
    }
    for name, weight in (("factors alone", 0.0), ("factors and popularity", 1.0)):
        queries = np.column_stack([users, np.full(requests, weight)]).astype(np.float32)
        found[name] = compared(shop, queries)
    return found


def compared(shop: Any, queries: np.ndarray) -> dict[str, Any]:
    """The search beside a product over everything and the k-th best of it."""
    n_items, numbers = len(shop.columns), range(len(queries))
    everything = Allowed(np.ones(n_items, dtype=bool))

    def search(number: int) -> tuple[list[int], int]:
        side = Side(shop, queries[number], [])
        one = Search(side, everything, REQUEST.k, most=n_items // GATHERED)
        return one.candidates().tolist(), one.looked_at

    def product(number: int) -> tuple[list[int], int]:
        scores = shop.columns @ queries[number]
        kth = np.partition(scores, n_items - REQUEST.k)[n_items - REQUEST.k]
        return np.flatnonzero(scores >= kth).tolist(), n_items

    by_shelves, found = timed(search, numbers)
    whole, expected = timed(product, numbers)
    scores = [queries[number] @ shop.columns[items].T for number, (items, _) in enumerate(found)]
    others = [queries[number] @ shop.columns[items].T for number, (items, _) in enumerate(expected)]
    same = [
        np.allclose(np.sort(a)[-REQUEST.k :], np.sort(b)[-REQUEST.k :])
        for a, b in zip(scores, others, strict=True)
    ]
    return {
        "search": by_shelves,
        "product over everything": whole,
        "share looked at": share_of([looked_at for _, looked_at in found], n_items),
        "the same best": bool(np.all(same)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config")
    parser.add_argument("--users", type=int, default=300)
    parser.add_argument("--known", type=int, nargs="*", default=[0, 1, 3, 10])
    parser.add_argument("--variants", nargs="*", default=list(DEFAULT))
    parser.add_argument("--items", type=int, nargs="*", default=[])
    parser.add_argument("--requests", type=int, default=50)
    arguments = parser.parse_args()
    result: dict[str, Any] = {
        "machine": {
            "cores": os.cpu_count(),
            "load": round(os.getloadavg()[0], 1),
            "python": platform.python_version(),
            "processor": platform.machine(),
            "OPENBLAS_NUM_THREADS": os.environ.get("OPENBLAS_NUM_THREADS"),
        },
        "versions": {name: version(name) for name in ("numpy", "scipy")},
    }
    if arguments.config:
        config = load_config(arguments.config)
        result["served"] = served(config, arguments.users, arguments.known, arguments.variants)
    for n_items in arguments.items:
        result[f"{n_items} items drawn"] = drawn(n_items, arguments.requests)
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
