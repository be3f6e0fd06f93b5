"""A protocol as a question, and slices of its training side that ask the same.

A question holds frames: what may be learnt, and for each *ask* what is known of those asked and
what they should find. Temporal protocols have the ask `all` (and `explore`: only items not bought
before), split ones `all`, cold ones an ask for each number of things revealed. Only `asked` reads
`targets.parquet`, and nothing but the scorer looks at what it returns.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

Meta = dict[str, Any]

SLICES = 2
"""Windows, or folds of users, that a setting is tried on; split protocols have one."""
ASKED = 4000
"""Users of a slice, at most."""
FOLD = {"items": 500, "baskets": 150}
"""Held-out users of a slice of a cold protocol, by what is revealed."""
HELD_OUT = 0.2
"""The share of a user's items that is held out where there are no times."""
PAIR = ["user_id", "item_id"]


@dataclass(frozen=True)
class Ask:
    """What is known of the users asked, what they should find, and whether known items may not."""

    known: pd.DataFrame
    targets: pd.DataFrame
    hides_known: bool


@dataclass(frozen=True)
class Question:
    """What may be learnt, the attributes of users, what may be listed, and the asks by name."""

    train: pd.DataFrame
    users: pd.DataFrame
    catalogue: frozenset[str]
    asks: dict[str, Ask]
    as_of: pd.Timestamp | None


def read_meta(folder: Path) -> Meta:
    meta: Meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    return meta


def read(folder: Path) -> Question:
    """Read what a protocol lets a recommender know; nobody is asked yet."""
    meta = read_meta(folder)
    users = text_ids(pd.read_parquet(folder / "users.parquet"))
    catalogue = pd.read_parquet(folder / "catalogue.parquet")["item_id"].astype(str)
    return Question(
        train=text_ids(pd.read_parquet(folder / "train.parquet")),
        users=users.drop(columns="held_out", errors="ignore"),
        catalogue=frozenset(catalogue),
        asks={},
        as_of=pd.Timestamp(meta["test_start"]) if "test_start" in meta else None,
    )


def text_ids(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(**{name: frame[name].astype(str) for name in PAIR if name in frame})


def asked(folder: Path, question: Question, explore: bool = False) -> Question:
    """Return the question with the protocol's own asks."""
    meta = read_meta(folder)
    targets = text_ids(pd.read_parquet(folder / "targets.parquet"))
    if meta["kind"] != "cold":
        known = of_users(question.train, targets)
        return replace(question, asks=warm_asks(known, targets, meta["exclude_train"], explore))
    asks = {}
    for n in meta["reveal"]:
        known = text_ids(pd.read_parquet(folder / f"reveal_{n}.parquet"))
        asks[str(n)] = Ask(known, later(targets, n), meta["exclude_train"])
    return replace(question, asks=asks)


def warm_asks(
    known: pd.DataFrame, targets: pd.DataFrame, hides_known: bool, explore: bool
) -> dict[str, Ask]:
    asks = {"all": Ask(known, targets, hides_known)}
    if explore:
        asks["explore"] = Ask(known, new_pairs(targets, known), hides_known=True)
    return asks


def of_users(frame: pd.DataFrame, asked: pd.DataFrame) -> pd.DataFrame:
    return frame[frame["user_id"].isin(set(asked["user_id"]))]


def new_pairs(targets: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    """Return the targets whose user and item do not occur together in `known`."""
    seen = pd.MultiIndex.from_frame(known[PAIR])
    return targets[~pd.MultiIndex.from_frame(targets[PAIR]).isin(seen)]


def later(targets: pd.DataFrame, revealed: int) -> pd.DataFrame:
    """Return what comes after the first `revealed` items, where targets have a position."""
    return targets[targets["position"] >= revealed] if "position" in targets else targets


def slices(folder: Path, question: Question, explore: bool = False) -> list[Question]:
    """Return questions of the same kind about the training side alone."""
    meta = read_meta(folder)
    if meta["kind"] == "temporal":
        return [window(question, meta, back, explore) for back in range(SLICES)]
    if meta["kind"] == "split":
        return [hold_out(question, meta)]
    reveal = cold_baskets if meta["reveal_unit"] == "baskets" else cold_items
    return [reveal(question, meta, fold) for fold in folds(question, meta)]


def listable(train: pd.DataFrame, meta: Meta) -> frozenset[str]:
    """Apply the protocol's rule of what may be listed to a smaller training side."""
    rows = train["item_id"].value_counts()
    return frozenset(rows.index[rows >= meta.get("min_rows", 1)])


def window(question: Question, meta: Meta, back: int, explore: bool) -> Question:
    """Ask for the `back`-th window before the cut, each as long as the protocol's own."""
    length = pd.Timedelta(days=meta["test_days"])
    end = question.as_of - back * length
    train = question.train[question.train["timestamp"] < end - length]
    catalogue = listable(train, meta)
    targets = bought(question.train, end - length, end, catalogue)
    targets = targets[targets["user_id"].isin(set(some(targets["user_id"], ASKED, back)))]
    known = of_users(train, targets)
    asks = warm_asks(known, targets, meta["exclude_train"], explore)
    return Question(train, question.users, catalogue, asks, end - length)


def bought(
    events: pd.DataFrame, start: pd.Timestamp, end: pd.Timestamp, catalogue: frozenset[str]
) -> pd.DataFrame:
    times = events["timestamp"]
    inside = events[(times >= start) & (times < end) & events["item_id"].isin(catalogue)]
    return inside[PAIR].drop_duplicates()


def some(users: pd.Series, n: int, seed: int) -> np.ndarray:
    """Draw at most `n` of the distinct users."""
    distinct = np.sort(users.unique().astype(object))
    return np.random.default_rng(seed).permutation(distinct)[:n]


def hold_out(question: Question, meta: Meta) -> Question:
    """Hold out a share of every user's items at random, and ask some of the users."""
    order = np.random.default_rng(0).permutation(len(question.train))
    shuffled = question.train.iloc[order]
    place = shuffled.groupby("user_id").cumcount()
    size = shuffled.groupby("user_id")["item_id"].transform("size")
    hidden = place < (HELD_OUT * size).astype(int)
    train = shuffled[~hidden]
    catalogue = listable(train, meta)
    targets = shuffled[hidden & shuffled["item_id"].isin(catalogue)]
    targets = targets[targets["user_id"].isin(set(some(targets["user_id"], ASKED, 0)))]
    asks = warm_asks(of_users(train, targets), targets, meta["exclude_train"], explore=False)
    return Question(train, question.users, catalogue, asks, None)


def folds(question: Question, meta: Meta) -> list[set[str]]:
    """Return disjoint sets of users with an attribute, each to be wholly held out."""
    attributes = question.users.drop(columns="user_id")
    described = question.users["user_id"][attributes.notna().any(axis=1)]
    users = question.train["user_id"]
    if "test_days" in meta:
        users = users[question.train["timestamp"] < slice_cut(question, meta)]
    n = FOLD[meta["reveal_unit"]]
    drawn = some(users[users.isin(set(described))], SLICES * n, 0)
    return [set(part) for part in np.array_split(drawn, SLICES)]


def slice_cut(question: Question, meta: Meta) -> pd.Timestamp:
    return question.as_of - pd.Timedelta(days=meta["test_days"])


def cold_baskets(question: Question, meta: Meta, fold: set[str]) -> Question:
    """Hold users out a window earlier, and reveal their last baskets before it."""
    cut = slice_cut(question, meta)
    before = question.train["timestamp"] < cut
    inside = question.train["user_id"].isin(fold)
    train = question.train[before & ~inside]
    catalogue = listable(train, meta)
    targets = bought(question.train[inside], cut, question.as_of, catalogue)
    past = of_users(question.train[before & inside], targets)
    recent = baskets_ago(past)
    asks = {str(n): Ask(past[recent < n], targets, meta["exclude_train"]) for n in meta["reveal"]}
    return Question(train, question.users, catalogue, asks, cut)


def cold_items(question: Question, meta: Meta, fold: set[str]) -> Question:
    """Hold users out, and reveal items of theirs drawn at random."""
    inside = question.train["user_id"].isin(fold)
    train, theirs = question.train[~inside], question.train[inside]
    catalogue = listable(train, meta)
    shuffled = theirs.iloc[np.random.default_rng(0).permutation(len(theirs))]
    place = shuffled.groupby("user_id").cumcount()
    listed = shuffled["item_id"].isin(catalogue)
    asks = {
        str(n): Ask(shuffled[place < n], shuffled[(place >= n) & listed], meta["exclude_train"])
        for n in meta["reveal"]
    }
    return Question(train, question.users, catalogue, asks, None)


def baskets_ago(events: pd.DataFrame) -> np.ndarray:
    """Return for each row how many baskets its user had after its own; 0 is the newest.

    A basket is a `basket_id`, or a day without one; baskets are ordered by their first time, then
    by id.
    """
    basket = events.get("basket_id", events["timestamp"].dt.floor("D"))
    frame = pd.DataFrame({"user": events["user_id"], "basket": basket, "time": events["timestamp"]})
    first = frame.groupby(["user", "basket"], sort=True)["time"].min().reset_index()
    first = first.sort_values(["user", "time", "basket"], ascending=[True, False, False])
    first["ago"] = first.groupby("user").cumcount()
    return frame.merge(first[["user", "basket", "ago"]], how="left")["ago"].to_numpy()
