"""How well relations between items foretell: the rest of a basket, the next item, what rises on.

    RECSYS_PROTOCOLS=FOLDER python benchmarks/quality/item_to_item.py [NAME ...] [--questions N]

Reads `train.parquet` and `items.parquet` of each protocol and nothing else. With times, two windows
as long as the protocol's are cut off the end of it; what lies before a window is learnt from.
Baskets: one item of a later basket is hidden and looked for, given the others. Similar: given one
item of a user's last day, what she buys in the window and never bought before; without times, given
one item of a user who was left out, her others. Trending: users of the listed items in the window,
over those in the time before. Prints one JSON document: hit rate and NDCG at 10.
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse

from recsys.engines import connect, frame, literal, quote, rows
from recsys.events.schema import (
    BASKET_ID,
    EVENT,
    ITEM_ID,
    MICROSECONDS_PER_DAY,
    QUANTITY,
    TIME,
    USER_ID,
)
from recsys.events.times import parse_time
from recsys.interactions import InteractionsConfig
from recsys.models import ModelConfig, confidence
from recsys.models.als import confidence_slope, factorise
from recsys.models.related import (
    Baskets,
    RelatedConfig,
    Similar,
    Together,
    TrendCounts,
    basket_table,
    build_baskets,
    fit_similar,
    fit_together,
    fit_trending,
    trend_table,
)
from recsys.random import generator
from recsys.segments.queries import SESSION_ID
from recsys.vocabulary import Vocabulary

NAMES = ("tafeng_temporal", "completejourney_temporal", "ml-1m_cold", "gowalla")
TARGET = ["purchase", "rating", "checkin"]
K = 10
SIZES: tuple[int | None, ...] = (1, 2, None)
"""Items of a cart; None: all of the basket but the hidden one."""
HELD_OUT = 1000
"""Users left out where there are no times."""
CONFIG = RelatedConfig()
SUPPORT = InteractionsConfig().min_item_users
Score = Callable[[Any], Any]
"""Of all items, given some: item indices -> shape ``(n_items,)``."""


class Question(NamedTuple):
    """What is given and what is to be found: item indices."""

    given: Any
    wanted: Any


class Fold(NamedTuple):
    """What is learnt from, and what comes after."""

    name: str
    learnt: pd.DataFrame
    later: pd.DataFrame
    trends: dict[str, Any] | None


def folds(root: Path, name: str) -> Iterable[Fold]:
    """Two windows off the end of a protocol's train; without times, users who are left out."""
    folder = root / name
    meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    source = literal(str(folder / "train.parquet"))
    with connect() as connection:
        names = {row[0] for row in rows(connection, f"DESCRIBE SELECT * FROM {source}")}
        timed = "timestamp" in names
        columns = {
            USER_ID: "user_id::varchar",
            ITEM_ID: "item_id::varchar",
            EVENT: "event",
            TIME: "epoch_us(timestamp::timestamp)" if timed else "NULL::bigint",
            QUANTITY: "quantity::double" if "quantity" in names else "NULL::double",
            BASKET_ID: "basket_id::varchar" if "basket_id" in names else "NULL::varchar",
            SESSION_ID: "NULL::varchar",
        }
        select = ", ".join(f"{value} AS {quote(column)}" for column, value in columns.items())
        connection.execute(f"CREATE TABLE events AS SELECT {select} FROM {source}")

        def baskets(where: str) -> pd.DataFrame:
            return basket_table(frame(connection, "events", where), TARGET, timed=timed)

        if not timed:
            everyone = baskets("true")
            users = np.sort(everyone[USER_ID].unique())
            out = generator(0, "held out").permutation(users)[:HELD_OUT]
            held = everyone[USER_ID].isin(out)
            yield Fold(name, everyone[~held], everyone[held], None)
            return
        length = meta["test_days"] * MICROSECONDS_PER_DAY
        for number in (0, 1):
            stop = parse_time(meta["test_start"]) - number * length
            start = stop - length
            before, after = f"{TIME} < {start}", f"{TIME} >= {start} AND {TIME} < {stop}"
            past = frame(connection, "events", before)
            trends = trend_table(past, TARGET, as_of=start, days=CONFIG.trend_days)
            until = start + round(CONFIG.trend_days * MICROSECONDS_PER_DAY)
            coming = frame(connection, "events", f"{TIME} < {until}")
            ahead = trend_table(coming, TARGET, as_of=until, days=CONFIG.trend_days)
            found = {"past": trends, "ahead": ahead[ahead["after"]]}
            yield Fold(f"{name}, window {number}", baskets(before), baskets(after), found)


def carts(table: pd.DataFrame, items: Vocabulary, size: int | None, n: int) -> list[Question]:
    """Hide one item of a basket; `size` of the others are given, or all of them."""
    index = items.index_of(table[ITEM_ID])
    known = (
        table[index >= 0].assign(index=index[index >= 0]).sort_values([USER_ID, "basket", "index"])
    )
    groups = [part.to_numpy() for _, part in known.groupby([USER_ID, "unit", "basket"])["index"]]
    groups = [part for part in groups if len(part) > (size or 1)]
    rng = generator(0, "carts", str(size))
    shuffled = (rng.permutation(groups[at]) for at in rng.permutation(len(groups))[:n])
    return [Question(p[1:] if size is None else p[1 : 1 + size], p[:1]) for p in shuffled]


def judged(questions: list[Question], score: Score) -> dict[str, float]:
    """Hit rate and NDCG at 10; what is given is never listed."""
    hits, gains = [], []
    discounts = 1 / np.log2(np.arange(K) + 2)
    for given, wanted in questions:
        values = np.array(score(given), dtype=np.float64)
        values[given] = -np.inf
        pool = np.flatnonzero(values >= np.partition(values, -K)[-K])
        top = pool[np.lexsort((pool, -values[pool]))][:K]
        found = np.isin(top, wanted) & np.isfinite(values[top])
        hits.append(found.any())
        gains.append(found @ discounts / discounts[: min(K, len(wanted))].sum())
    return {"hit": round(float(np.mean(hits)), 4), "ndcg": round(float(np.mean(gains)), 4)}


def counted(baskets: Baskets) -> tuple[Any, Any]:
    """How often two items are together, shape ``(n_items, n_items)``, and each alone."""
    support = np.bincount(baskets.matrix.indices, minlength=baskets.matrix.shape[1])
    both = sparse.csr_matrix(baskets.matrix.T @ baskets.matrix).astype(np.float64)
    both.setdiag(0)
    return both, support.astype(np.float64)


def summed(values: Any) -> Score:
    return lambda given: np.asarray(values[given].sum(axis=0)).ravel()


def plain_scores(baskets: Baskets) -> dict[str, Score]:
    """What there is without the rules here: popularity, counts, confidence, lift, cosine."""
    both, support = counted(baskets)
    n = max(baskets.matrix.shape[0], 1)
    row = np.repeat(np.arange(len(support)), np.diff(both.indptr))
    given, other = support[row], support[both.indices]

    def weighed(values: Any) -> Score:
        return summed(sparse.csr_matrix((values, both.indices, both.indptr), shape=both.shape))

    expected = given * other / n
    return {
        "popularity": lambda _: support,
        "count": summed(both),
        "confidence": weighed(both.data / given),
        "lift": weighed(both.data / expected),
        "damped lift": weighed(np.log((both.data + 1.0) / (expected + 1.0))),
        "cosine": weighed(both.data / np.sqrt((given + 20) * (other + 20))),
    }


def spread(found: tuple[Any, Any], n_items: int) -> Any:
    values = np.zeros(n_items)
    values[found[0]] = found[1]
    return values


def rule_scores(rules: Together) -> dict[str, Score]:
    """The rules with and without those of pairs, and with popularity for what no rule reaches."""
    n_items = len(rules.support)
    nothing = fit_together(Baskets(sparse.csr_matrix((0, n_items), dtype=np.int32), "day"), CONFIG)
    items_only = replace(
        rules,
        pairs=nothing.pairs,
        pair_support=nothing.pair_support,
        pair_rules=nothing.pair_rules,
    )
    log_p = np.log((rules.support + 1.0) / (rules.support + 1.0).sum())

    def blended(weight: float) -> Score:
        return lambda cart: log_p + weight * spread(rules.cart_term(cart), n_items)

    return {
        "rules of items": lambda cart: spread(items_only.cart_term(cart), n_items),
        "rules of items and pairs": lambda cart: spread(rules.cart_term(cart), n_items),
        **{f"log p + {w:g} × term": blended(w) for w in (3.0, 10.0, 30.0, 100.0)},
    }


def similar_scores(table: pd.DataFrame, items: Vocabulary) -> tuple[dict[str, Score], float]:
    """Users as baskets: the plain scores, and `Similar` with and without factors."""
    users = Vocabulary(table[USER_ID])
    cells = (users.index_of(table[USER_ID]), items.index_of(table[ITEM_ID]))
    matrix = sparse.csr_matrix((np.ones(len(table)), cells), shape=(len(users), len(items)))
    matrix.data[:] = 1.0
    supported = np.bincount(matrix.indices, minlength=len(items)) >= SUPPORT
    ones = sparse.csr_matrix(matrix, dtype=np.int32)
    weights = matrix.copy()
    slope = confidence_slope(matrix, supported, ModelConfig().alpha)
    weights.data = confidence(matrix.data, slope)
    factors = factorise(weights, supported, ModelConfig()).item_factors
    groups = np.zeros(len(items), dtype=np.int64)
    start = time.process_time()
    fit = fit_similar(matrix, factors, supported, groups, CONFIG, seed=0)
    seconds = time.process_time() - start
    bare = fit_similar(matrix, np.zeros_like(factors), supported, groups, CONFIG, seed=0)

    def of(similar: Similar) -> Score:
        return lambda given: spread(similar.similar(int(given[0]), k=len(items)), len(items))

    lengths = np.maximum(np.linalg.norm(factors, axis=1, keepdims=True), 1e-9)
    directions = factors / lengths
    return {
        **plain_scores(Baskets(ones, "user")),
        "factors": lambda given: directions @ directions[given[0]],
        "similar, by users only": of(bare),
        "similar": of(fit),
    }, seconds


def next_items(fold: Fold, items: Vocabulary, n: int) -> list[Question]:
    """One item a user had, and all that she went on to without having had it before."""
    rng = generator(0, "next items")
    learnt = fold.learnt if fold.trends else fold.later
    mine = learnt.groupby(USER_ID)[ITEM_ID].unique()
    later = fold.later.groupby(USER_ID)[ITEM_ID].unique()
    both = mine.index.intersection(later.index).sort_values()
    questions = []
    for user in rng.permutation(both.to_numpy())[:n]:
        known = np.sort(items.index_of(mine[user]))
        known = known[known >= 0]
        if not len(known):
            continue
        given = rng.choice(known, size=1)
        past = known if fold.trends else given
        wanted = np.setdiff1d(items.index_of(later[user]), past)
        wanted = wanted[wanted >= 0]
        if len(wanted):
            questions.append(Question(given, wanted))
    return questions


def trends_ahead(trends: dict[str, Any], items: Vocabulary) -> dict[str, Any]:
    """Users of 20 listed items in the next window over those in the window before the newest."""
    past = trends["past"]
    after = past["after"].to_numpy(dtype=bool)

    def users(table: pd.DataFrame) -> Any:
        index = items.index_of(table[ITEM_ID])
        return np.bincount(index[index >= 0], minlength=len(items)).astype(np.float64)

    before, now, ahead = users(past[~after]), users(past[after]), users(trends["ahead"])
    fit = fit_trending(TrendCounts(before[np.newaxis], now[np.newaxis]), [], now)
    raw = np.where(now >= 5, (now + 0.5) / (before + 0.5), 0.0)
    lists = {
        "rising": fit.top(k=20)[0],
        "raw ratio": np.argsort(-raw, kind="stable")[:20],
        "popular": np.argsort(-now, kind="stable")[:20],
        "every item": np.arange(len(items)),
    }
    return {
        name: {
            "before": round(float(before[found].mean()), 1),
            "now": round(float(now[found].mean()), 1),
            "ahead": round(float(ahead[found].mean()), 1),
        }
        for name, found in lists.items()
    }


def run(fold: Fold, n: int) -> dict[str, Any]:
    items = Vocabulary(fold.learnt[ITEM_ID])
    start = time.process_time()
    baskets = build_baskets(fold.learnt, items, largest=CONFIG.largest_basket, seed=0)
    rules = fit_together(baskets, CONFIG)
    seconds = {"together": round(time.process_time() - start, 1)}
    megabytes = sum(values.nbytes for values in rules.arrays().values()) / 2**20
    asked = {str(size or "all"): carts(fold.later, items, size, n) for size in SIZES}
    scores = {**plain_scores(baskets), **rule_scores(rules)}
    carts_found = {
        name: {size: judged(questions, score) for size, questions in asked.items()}
        for name, score in scores.items()
    }
    scores, seconds["similar"] = similar_scores(fold.learnt, items)
    questions = next_items(fold, items, n)
    return {
        "baskets": baskets.matrix.shape[0],
        "unit": baskets.unit,
        "pairs with rules": len(rules.pairs),
        "processor seconds": seconds,
        "MB of rules": round(megabytes, 1),
        "carts": carts_found,
        "next item": {name: judged(questions, score) for name, score in scores.items()},
        "trending": trends_ahead(fold.trends, items) if fold.trends else None,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(NAMES))
    parser.add_argument("--questions", type=int, default=2000)
    arguments = parser.parse_args()
    root = Path(os.environ["RECSYS_PROTOCOLS"])
    found = {
        fold.name: run(fold, arguments.questions)
        for name in arguments.names
        for fold in folds(root, name)
    }
    print(json.dumps(found, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
