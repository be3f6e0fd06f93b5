"""Every peer: what it is fitted by, what it needs, and the settings it may choose from."""

from collections.abc import Callable
from itertools import combinations, product
from typing import Any, NamedTuple

from . import baskets, factors, items, popularity
from .arrays import Train
from .popularity import Scorer

Setting = dict[str, Any]
MOST = 12
"""Settings of a peer, at most."""
KAPPAS = (3.0, 10.0, 30.0, 100.0)
TIMES, ATTRIBUTES, REPEATS = "times", "attributes of users", "repeats allowed"


class Peer(NamedTuple):
    """`settings` are tried first; `refined` gives further ones around the best of them."""

    fit: Callable[..., Scorer]
    settings: Callable[[Train], list[Setting]]
    needs: tuple[str, ...] = ()
    refined: Callable[[Setting], list[Setting]] = lambda _: []


def grid(**values: list[Any]) -> Callable[[Train], list[Setting]]:
    """Return the settings of every combination."""
    chosen = [dict(zip(values, row, strict=True)) for row in product(*values.values())]
    return lambda _: chosen


def divisions(train: Train) -> list[Setting]:
    """Return ways to divide users: by all axes, by each of them, and by pairs of them crossed."""
    axes = list(dict.fromkeys(train.axes.tolist()))
    alone = [axes, *([axis] for axis in axes if len(axes) > 1)]
    found = [{"axes": names, "crossed": False} for names in alone]
    found += [{"axes": list(pair), "crossed": True} for pair in combinations(axes, 2)]
    return found[: MOST - len(KAPPAS)]


def lifts(train: Train) -> list[Setting]:
    return [{**division, "kappa": None} for division in divisions(train)]


def around(*changes: Setting) -> Callable[[Setting], list[Setting]]:
    """Return the best setting with each of the changes."""
    return lambda best: [{**best, **change} for change in changes]


TIFU: list[Setting] = [
    {"size": size, "within": within, "between": between, "k": k, "alpha": alpha}
    for size, within, between, k, alpha in (
        (7, 0.9, 0.7, 300, 0.7), (3, 0.9, 0.6, 900, 0.2), (7, 1.0, 0.6, 300, 0.7),
        (3, 0.9, 0.7, 900, 0.9), (7, 0.9, 0.7, 900, 0.2), (3, 0.9, 0.6, 300, 0.7),
        (7, 1.0, 0.9, 300, 0.7), (7, 1.0, 0.9, 900, 0.9), (7, 0.9, 0.7, 300, 0.9),
    )
]  # fmt: skip
"""Those of the paper's shops first."""

PEERS: dict[str, Peer] = {
    "popular": Peer(popularity.popular, grid(weight=["count", "once"])),
    "recent_popular": Peer(
        popularity.recent_popular,
        grid(weight=["count", "once"], days=[7, 14, 28, 42, 63, 91]),
        (TIMES,),
    ),
    "segment_popular": Peer(
        popularity.segment_popular,
        divisions,
        (ATTRIBUTES,),
    ),
    "segment_lifts": Peer(
        popularity.segment_lifts,
        lifts,
        (ATTRIBUTES,),
        around(*({"kappa": kappa} for kappa in KAPPAS)),
    ),
    "own_frequency": Peer(
        popularity.own_frequency,
        grid(unit=["events", "baskets"], days=[42, 91, 182, None]),
        (TIMES, REPEATS),
    ),
    "own_recency": Peer(
        popularity.own_recency, grid(half_life=[0, 7, 14, 28, 56, 112, 224]), (TIMES, REPEATS)
    ),
    "tifu_knn": Peer(
        baskets.tifu_knn,
        lambda _: TIFU,
        (TIMES,),
        around({"k": 100}, {"alpha": 0.5}, {"alpha": 0.05}),
    ),
    "up_cf": Peer(
        baskets.up_cf,
        grid(last=[5, 25, 1000], locality=[5, 20], asymmetry=[0.25, 0.75]),
        (TIMES,),
    ),
    "item_knn": Peer(
        items.item_knn,
        grid(k=[20, 100, 500], shrink=[0.0, 20.0, 200.0], weight=["once"]),
        refined=around({"weight": "log"}, {"shrink": 1000.0}, {"k": 2000}),
    ),
    "rp3beta": Peer(
        items.rp3beta,
        grid(alpha=[0.5, 0.75, 1.0], beta=[0.25, 0.5, 0.75], k=[200], weight=["once"]),
        refined=around({"k": 50}, {"k": 1000}, {"weight": "log"}),
    ),
    "ease": Peer(
        items.ease,
        grid(regularization=[50.0, 200.0, 600.0, 2000.0, 6000.0], weight=["once"]),
        refined=around({"weight": "log"}),
    ),
    "implicit_als": Peer(
        factors.implicit_als,
        grid(factors=[64], alpha=[1.0, 8.0, 64.0], regularization=[3.0, 30.0, 100.0],
             weight=["log"]),
        refined=around({"factors": 128}, {"factors": 256}, {"weight": "count"}),
    ),
    "ials": Peer(
        factors.ials,
        grid(factors=[64], alpha0=[0.01, 0.1, 1.0], reg=[0.001, 0.003, 0.01], weight=["log"]),
        refined=around({"factors": 128}, {"factors": 256}, {"weight": "count"}),
    ),
    "feature_ials": Peer(
        factors.feature_ials,
        grid(factors=[64], alpha0=[0.03, 0.1, 0.3], reg=[0.001, 0.003, 0.01],
             reg_features=[10.0], weight=["log"]),
        (ATTRIBUTES,),
        around({"factors": 128}, {"reg_features": 0.1}, {"weight": "count"}),
    ),
}  # fmt: skip
