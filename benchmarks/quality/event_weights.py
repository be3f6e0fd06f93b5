"""Whether learnt event weights rank better than equal ones, on the visits of RetailRocket.

    RECSYS_DATA=FOLDER python benchmarks/quality/event_weights.py [--repeats R] [--output FILE]

`FOLDER/retailrocket_filtered/events.parquet` holds views, carts and purchases: `user_id, item_id,
quantity, event`, **without times, and without an order that could stand for them**: all views come
first, then all carts, then all purchases, each sorted by user and item, and a user has each kind of
event with an item once at most. A user's last rows are her purchases whatever happened when, so a
cut by file order would leave no purchase to learn from. The file's own figures are printed first.

So "later" is asked in the two ways that the file can answer. Pairs of user and item are drawn at
random, three in ten of every user's. *New item*: all rows of a drawn pair are hidden, and the items
are to be found from her others. *Next step*: of a drawn pair only the purchase is hidden (or cart
and purchase); its view stays, as does its cart, since a purchase comes after them. It asks which of
the things she looked at she buys; the cart may be a part of that very purchase, so it flatters a
large weight of carts. There what has reached the target already is not asked for, for the file
cannot show it again.

Weights are chosen by NDCG@10 on pairs drawn in the same way from what is left, each ranker and
question for itself; then everything left is learnt from again and the drawn pairs judge, once.
Only sizes of weights differ: `equal` is 1 each; `equal, scaled` may choose its size, because the
confidence ``1 + alpha · log1p(r)`` depends on it; `learnt` may choose among all of `GRID`, and so
among those too. The model's own settings stay at their defaults. Repeats draw other pairs and other
starting factors. A user's value is her mean over the repeats that ask about her; differences are
paired by user, with Student's t. Repeats share users and most pairs, so users are the unit, and
intervals do not cover what another shop would do. Prints one JSON document of aggregates.
"""

import argparse
import json
import math
import os
import platform
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import narwhals as nw
import numpy as np
import pandas as pd
from scipy import sparse

from recsys.events.schema import EVENT, ITEM_ID, QUANTITY, TIME, USER_ID
from recsys.interactions import InteractionsConfig, build_histories, hold_out, pair_table
from recsys.metrics import Metric, hit_matrix, ndcg, recall
from recsys.models.als import confidence_slope, factorise
from recsys.models.config import ModelConfig
from recsys.models.fit import support
from recsys.models.fold_in import confidence, fit_fold_in
from recsys.statistics import holm, mean_interval, paired_t
from recsys.statistics.intervals import Interval
from recsys.types import Flags, Floats, Indices, UserItems
from recsys.vocabulary import Vocabulary

Weights = tuple[float, float, float]
"""What a view, a cart and a purchase are worth."""
Ranker = Callable[[UserItems, Indices, int], Floats]
"""Interactions, user indices and a seed to scores, shape ``(n_asked, n_items)``."""

CHOSEN_BY = "ndcg@10"
MEASURES: dict[str, tuple[Metric, int]] = {CHOSEN_BY: (ndcg, 10), "recall@20": (recall, 20)}
FILE = Path("retailrocket_filtered", "events.parquet")
KINDS = ("view", "cart", "purchase")
HIDDEN = 0.3
"""The share of a user's items that are drawn."""
K = 20
EQUAL: Weights = (1.0, 1.0, 1.0)
DEFAULT: Weights = (1.0, 3.0, 5.0)
TENFOLD_CARTS: Weights = (1.0, 10.0, 10.0)
RATIOS: tuple[Weights, ...] = (
    (1.0, 0.0, 0.0), EQUAL, (1.0, 0.0, 3.0), (1.0, 1.0, 3.0), (1.0, 3.0, 3.0), DEFAULT,
    (1.0, 3.0, 10.0), (1.0, 10.0, 3.0), TENFOLD_CARTS, (1.0, 10.0, 30.0),
    (0.0, 1.0, 1.0), (0.0, 1.0, 3.0), (0.0, 0.0, 1.0),
)  # fmt: skip
SCALED: tuple[tuple[float, Weights], ...] = (
    (0.1, EQUAL), (10.0, EQUAL), (0.1, DEFAULT), (10.0, DEFAULT), (0.1, TENFOLD_CARTS),
)  # fmt: skip
GRID = RATIOS + tuple((scale * v, scale * c, scale * p) for scale, (v, c, p) in SCALED)
EQUALS = tuple(weights for weights in GRID if len(set(weights)) == 1)
MAIN = "learnt - equal, scaled"
COMPARED = (
    ("equal", "learnt"), ("equal, scaled", "learnt"), ("default", "learnt"),
    ("equal", "default"), ("equal", "equal, other seed"),
)  # fmt: skip
"""The last is the noise of a seed: nothing else differs."""
CHOSEN = ("equal, scaled", "learnt")
OTHER_SEED = 1000
TIE = 1e-6
"""How much popularity counts beside a score: it orders what the score leaves equal."""


class Question(NamedTuple):
    """What is hidden of a drawn pair, what makes it a target, and what is left out of lists."""

    hides: tuple[str, ...]
    target: tuple[str, ...]
    left_out: str

    def __str__(self) -> str:
        task = "new item" if self.hides == KINDS else "next step"
        return f"{task}: {' or '.join(self.target)}; {self.left_out} left out"


KNOWN, NOTHING, REACHED = "known items", "nothing", "what has reached it"
BOUGHT, TAKEN = ("purchase",), ("cart", "purchase")
TARGETS = (BOUGHT, TAKEN, KINDS)
TASKS: tuple[tuple[Question, ...], ...] = (
    (*(Question(KINDS, target, KNOWN) for target in TARGETS), Question(KINDS, BOUGHT, NOTHING)),
    (Question(BOUGHT, BOUGHT, REACHED),),
    (Question(TAKEN, TAKEN, REACHED),),
)
"""Questions that hide the same rows share what is learnt."""


class Judged(NamedTuple):
    """One repeat of a question for a ranker: weights by name, and values of users by name."""

    question: Question
    ranker: str
    weights: dict[str, Weights]
    values: dict[str, pd.DataFrame]
    own_share: float


class Shop(NamedTuple):
    """All events, and the indices of who and what occurs in them."""

    events: pd.DataFrame
    users: Vocabulary
    items: Vocabulary


@dataclass(frozen=True)
class Split:
    """What is known and what is hidden, each a 0/1 matrix ``(n_users, n_items)`` by kind."""

    known: dict[str, UserItems]
    hidden: dict[str, UserItems]

    def worth(self, weights: Weights) -> UserItems:
        """Return the interactions ``r``: without times and with one of each, a weighted sum."""
        pairs = zip(weights, KINDS, strict=True)
        return _without_zeros(sum(weight * self.known[kind] for weight, kind in pairs))

    def targets(self, question: Question) -> UserItems:
        """Return what is to be found."""
        return _any(self.hidden, question.target)

    def left_out(self, question: Question) -> UserItems:
        """Return what no list may hold."""
        kinds = {KNOWN: KINDS, NOTHING: (), REACHED: question.target}[question.left_out]
        return _any(self.known, kinds)

    def own_share(self, question: Question) -> float:
        """Return the share of targets that the user dealt with, in what is known."""
        targets = self.targets(question)
        return float(targets.multiply(_any(self.known, KINDS)).sum() / targets.sum())

    @cached_property
    def asked(self) -> Indices:
        """Users of whom anything is hidden."""
        return np.flatnonzero(np.diff(_any(self.hidden, KINDS).indptr))


def _any(kinds: dict[str, UserItems], names: Iterable[str]) -> UserItems:
    """Mark the pairs that have an event of any of these kinds."""
    empty = sparse.csr_matrix(next(iter(kinds.values())).shape)
    return _without_zeros(sum((kinds[name] for name in names), start=empty)).sign()


def _without_zeros(matrix: Any) -> UserItems:
    found: UserItems = sparse.csr_matrix(matrix)
    found.eliminate_zeros()
    return found


def shop_of(rows: pd.DataFrame) -> Shop:
    """Bring rows into the form that the library aggregates; their order is not used."""
    ids = {name: rows[name].astype(str).astype(object) for name in (USER_ID, ITEM_ID)}
    events = pd.DataFrame({**ids, EVENT: rows[EVENT], QUANTITY: 1.0, TIME: 0})
    return Shop(events, Vocabulary(events[USER_ID]), Vocabulary(events[ITEM_ID]))


def facts(rows: pd.DataFrame) -> dict[str, Any]:
    """Say what the file itself tells of its order, and how events of a pair go together."""
    kind = rows[EVENT].map({name: number for number, name in enumerate(KINDS)})
    keys = list(zip(kind, rows[USER_ID], rows[ITEM_ID], strict=True))
    place = rows.groupby(USER_ID).cumcount() / rows.groupby(USER_ID)[USER_ID].transform("size")
    bought = rows[EVENT] == "purchase"
    pairs = rows.groupby([USER_ID, ITEM_ID])[EVENT].agg(lambda kinds: " + ".join(kinds))
    return {
        "rows": len(rows),
        "users": int(rows[USER_ID].nunique()),
        "items": int(rows[ITEM_ID].nunique()),
        "sorted by kind, user and item": keys == sorted(set(keys)),
        "share of purchases in the last 30 % of a user's rows": float(
            (place[bought] >= 0.7).mean()
        ),
        "users with it": rows.groupby(EVENT)[USER_ID].nunique().to_dict(),
        "pairs by their events": pairs.value_counts().to_dict(),
    }


def divide(events: pd.DataFrame, hides: tuple[str, ...], seed: int) -> tuple[Flags, Flags]:
    """Draw pairs; return which rows stay and which are hidden, shape ``(n_rows,)`` each."""
    pairs = pd.MultiIndex.from_frame(events[[USER_ID, ITEM_ID]])
    distinct = events[[USER_ID, ITEM_ID]].drop_duplicates()
    drawn = hold_out(distinct, seed=seed, users=1.0, items=HIDDEN)
    chosen = pairs.isin(pd.MultiIndex.from_frame(drawn))
    hidden = np.asarray(chosen & events[EVENT].isin(hides).to_numpy())
    return ~hidden, hidden


def split(shop: Shop, hides: tuple[str, ...], seed: int) -> tuple[Split, Split]:
    """Return the split that chooses, made of what the other leaves, and the split that judges."""
    stays, hidden = divide(shop.events, hides, 2 * seed)
    left = shop._replace(events=shop.events[stays])
    learnt, chosen = divide(left.events, hides, 2 * seed + 1)
    judging = Split(_by_kind(shop, shop.events[stays]), _by_kind(shop, shop.events[hidden]))
    choosing = Split(_by_kind(shop, left.events[learnt]), _by_kind(shop, left.events[chosen]))
    return choosing, judging


def _by_kind(shop: Shop, events: pd.DataFrame) -> dict[str, UserItems]:
    return {kind: interactions(shop, events, {kind: 1.0}) for kind in KINDS}


def interactions(shop: Shop, events: pd.DataFrame, weights: dict[str, float]) -> UserItems:
    """Return the library's ``r`` of some events of the shop."""
    config = InteractionsConfig(event_weights=weights)
    frame = nw.from_native(events).lazy()
    table = pair_table(frame, config, as_of=0, timed=False, half_lives=(math.inf,))
    return build_histories(table, shop.users, shop.items, as_of=0).user_items()


def als(worth: UserItems, asked: Indices, seed: int) -> Floats:
    """Score by ALS with default settings and a fold-in around the mean user."""
    config = ModelConfig(seed=seed)
    supported = support(worth) >= InteractionsConfig().min_item_users
    weights = worth.copy()
    weights.data = confidence(worth.data, confidence_slope(worth, supported, config.alpha))
    nobody = sparse.csr_matrix((worth.shape[0], 0))
    fold_in = fit_fold_in(factorise(weights, supported, config), supported, nobody, [])
    vectors = np.stack(
        [
            fold_in.user_vector(row.indices, row.data, fold_in.mean, "mean", config.prior_strength)
            for row in (weights[user] for user in asked)
        ]
    )
    return np.asarray(vectors.astype(np.float32) @ fold_in.item_factors.T)


def neighbours(worth: UserItems, asked: Indices, seed: int) -> Floats:
    """Score by co-occurrence, a walk of three steps: item to user to item.

    ``Σ_j w_uj · Σ_v (w_vj / |w_·j|) (w_vi / |w_v·|)`` with ``w = log1p(r)`` and ``|·|`` a sum, so
    that neither a user of thousands of items nor an item of everybody's counts for many (Cooper,
    Lee, Radinsky & Siantov, "Random Walks in Recommender Systems", WWW 2014). A plain cosine of
    items found purchases worse than popularity does, on the pairs that choose.
    """
    del seed
    weights = sparse.csr_matrix(worth.log1p(), dtype=np.float32)
    to_users = _each_over(weights, _sums(weights, axis=0)) @ weights[asked].T
    # By way of users: their pairs are fewer than the pairs of items.
    shares = _each_over(weights.T.tocsr(), _sums(weights, axis=1))
    scores = np.ascontiguousarray((shares @ to_users.toarray()).T)
    return _with_popularity(scores, worth)


def _sums(matrix: UserItems, *, axis: int) -> Floats:
    return np.asarray(matrix.sum(axis=axis), dtype=np.float64).ravel()


def _each_over(matrix: UserItems, sums: Floats) -> UserItems:
    """Divide each column by its sum; a column of zeros stays one."""
    scale = 1 / np.where(sums > 0, sums, 1.0)
    return sparse.csr_matrix(matrix @ sparse.diags_array(scale.astype(np.float32)))


def own(worth: UserItems, asked: Indices, seed: int) -> Floats:
    """Score the user's own items by what they are worth, then all others by popularity."""
    del seed
    return _with_popularity(worth[asked].toarray().astype(np.float32), worth)


def _with_popularity(scores: Floats, worth: UserItems) -> Floats:
    popularity = _sums(worth, axis=0)
    largest = float(scores.max()) or 1.0
    return np.asarray(scores / largest + TIE * popularity / popularity.max())


RANKERS: dict[str, Ranker] = {"als": als, "neighbours": neighbours, "own items": own}


def best(scores: Floats, left_out: UserItems) -> Indices:
    """Return the `K` best items of each row, best first; -1 where nothing is left."""
    allowed = scores.copy()
    allowed[left_out.nonzero()] = -np.inf
    found = np.sort(np.argpartition(-allowed, K, axis=1)[:, :K], axis=1)
    order = np.argsort(-np.take_along_axis(allowed, found, axis=1), axis=1, kind="stable")
    ranked = np.take_along_axis(found, order, axis=1)
    kept = np.isfinite(np.take_along_axis(allowed, ranked, axis=1))
    return np.where(kept, ranked, -1).astype(np.int64)


def judge(
    data: Split, questions: Iterable[Question], ranker: Ranker, weights: Weights, seed: int
) -> dict[Question, pd.DataFrame]:
    """Return NDCG@10 and Recall@20 of every user who has a target, by question."""
    worth = data.worth(weights)
    scores = ranker(worth, data.asked, seed)
    found = {}
    for question in questions:
        targets = data.targets(question)[data.asked]
        has = np.flatnonzero(np.diff(targets.indptr))
        users, pairs = data.asked[has], targets[has].tocoo()
        lists = best(scores[has], data.left_out(question)[users])
        wanted = (pairs.row.astype(np.int64), pairs.col.astype(np.int64))
        hits, n_relevant = hit_matrix(lists, *wanted, n_items=worth.shape[1])
        values = {name: measure(hits, n_relevant, k=k) for name, (measure, k) in MEASURES.items()}
        found[question] = pd.DataFrame(values, index=users)
    return found


def choose(
    data: Split, questions: tuple[Question, ...], ranker: Ranker, seed: int
) -> dict[Question, dict[str, Weights]]:
    """Return the weights of every name, by question; the first of equally good ones."""
    trials = {weights: judge(data, questions, ranker, weights, seed) for weights in GRID}

    def top(question: Question, among: tuple[Weights, ...]) -> Weights:
        def value(weights: Weights) -> float:
            return float(trials[weights][question][CHOSEN_BY].mean())

        return max(among, key=value)

    return {
        question: {
            "equal": EQUAL,
            "equal, scaled": top(question, EQUALS),
            "default": DEFAULT,
            "learnt": top(question, GRID),
        }
        for question in questions
    }


def one_repeat(shop: Shop, questions: tuple[Question, ...], seed: int) -> list[Judged]:
    """Choose weights and judge them, once, for every ranker."""
    choosing, judging = split(shop, questions[0].hides, seed)
    found = []
    for name, ranker in RANKERS.items():
        chosen = choose(choosing, questions, ranker, seed)
        wanted = {weights for names in chosen.values() for weights in names.values()}
        values = {w: judge(judging, questions, ranker, w, seed) for w in sorted(wanted)}
        again = judge(judging, questions, ranker, EQUAL, seed + OTHER_SEED)
        for question, names in chosen.items():
            by_name = {of: values[weights][question] for of, weights in names.items()}
            by_name["equal, other seed"] = again[question]
            found.append(Judged(question, name, names, by_name, judging.own_share(question)))
    return found


def summary(repeats: list[Judged]) -> dict[str, Any]:
    """Put the repeats of one question and ranker together, by user."""
    names = list(repeats[0].values)
    means = {
        name: pd.concat([repeat.values[name] for repeat in repeats]).groupby(level=0).mean()
        for name in names
    }
    return {
        "question": str(repeats[0].question),
        "ranker": repeats[0].ranker,
        "users": len(means["equal"]),
        "share of targets among own items": round(np.mean([r.own_share for r in repeats]), 3),
        "weights chosen": {name: [repeat.weights[name] for repeat in repeats] for name in CHOSEN},
        "means": {name: _means(values) for name, values in means.items()},
        "differences": {
            f"{other} - {one}": _differences(means[one], means[other]) for one, other in COMPARED
        },
    }


def _means(values: pd.DataFrame) -> dict[str, Any]:
    return {name: _rounded(mean_interval(_column(values, name))) for name in MEASURES}


def _differences(one: pd.DataFrame, other: pd.DataFrame) -> dict[str, Any]:
    found = {name: paired_t(_column(one, name), _column(other, name)) for name in MEASURES}
    return {
        name: {
            "difference": _rounded(pair.difference),
            "relative": _rounded(pair.relative),
            "p": round(pair.p, 5),
        }
        for name, pair in found.items()
    }


def _column(values: pd.DataFrame, name: str) -> Floats:
    return np.asarray(values[name], dtype=np.float64)


def _rounded(interval: Interval) -> list[float]:
    return [round(value, 5) for value in (interval.mean, interval.low, interval.high)]


def run(shop: Shop, repeats: int) -> list[dict[str, Any]]:
    """Return the summary of every question and ranker."""
    found: dict[tuple[str, str], list[Judged]] = {}
    for questions in TASKS:
        for seed in range(repeats):
            for judged in one_repeat(shop, questions, seed):
                found.setdefault((str(judged.question), judged.ranker), []).append(judged)
    rows = [summary(of) for of in found.values()]
    first = [row["differences"][MAIN][CHOSEN_BY] for row in rows]
    for row, p in zip(first, holm(np.array([row["p"] for row in first])), strict=True):
        row["p, Holm over all questions and rankers"] = round(float(p), 5)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    if "RECSYS_DATA" not in os.environ:
        parser.error("set RECSYS_DATA to the folder of data sets; see data/README.md")
    rows = pd.read_parquet(Path(os.environ["RECSYS_DATA"]) / FILE)
    start = time.perf_counter()
    result = {
        "python": platform.python_version(),
        "repeats": arguments.repeats,
        "file": facts(rows),
        "found": run(shop_of(rows), arguments.repeats),
        "seconds": round(time.perf_counter() - start),
    }
    text = json.dumps(result, indent=1)
    if arguments.output:
        arguments.output.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
