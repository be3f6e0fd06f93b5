"""What segments earn in a shop whose truth is known, beside an oracle that knows the lifts.

    python benchmarks/quality/planted.py [--events N] [--users N] [--seeds N] [--output FILE]

A simulated shop: age and gender decide what is bought, income and region decide nothing. Some users
are held out, little of them is revealed, and what they buy in the last month is to be found. The
oracle is the same ranker with the planted log lifts in the place of the learnt ones, at one weight
up to 1, and with the other weights and the centre of `no_segments` or of `segment_aware`: whichever
finds the most of these very targets. A third variant has priors and no segments in the centre of
its fold-in, which says the same as they do: there axes must earn their weights alone. Prints one
JSON document: which axes got a weight, NDCG@10 by how much is revealed, and the share of the
oracle's gain over `no_segments` that `segment_aware` reaches, with an interval over shops.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from recsys.config import RecsysConfig, parse_config
from recsys.evaluation import EvaluationConfig
from recsys.evaluation.protocols import Asked, Question, warm_up
from recsys.interactions import Targets, targets_of
from recsys.metrics import hit_matrix, ndcg
from recsys.models import PRIOR, Model
from recsys.pipelines.ingest import open_shop
from recsys.pipelines.train import Trained, fit
from recsys.ranking import Customers, Ranker, Request, Variant, describe
from recsys.ranking.recipe import make_variant
from recsys.simulation import SimulationConfig, Truth, simulate
from recsys.simulation.config import AXES
from recsys.statistics import mean_interval
from recsys.types import Floats

FULL, PLAIN, ALONE = "segment_aware", "no_segments", "axes_alone"
VARIANTS = {ALONE: {"like": FULL, "centre": "mean"}}
LIFTS = {"age": 1.0, "gender": 0.5, "income": 0.0, "region": 0.0}
"""Planted: standard deviation of an axis' log lifts; 0 = empty."""
INFORMATIVE = tuple(axis for axis, lift in LIFTS.items() if lift)
EVERYTHING = 100_000
REVEAL = (0, 1, 3, 5, EVERYTHING)
LITTLE = REVEAL[:-1]
"""Items known of a user where segments matter."""
GRID = (0.0, 0.25, 0.5, 0.75, 1.0)
K = 10


class Found(NamedTuple):
    """What one shop led to.

    Attributes
    ----------
    plain, full, alone, oracle
        NDCG@10 of each asked user by what is revealed: amount -> values, shape ``(n_users,)``.
    base
        Whose other weights the oracle took, and the weight of the planted lifts.
    learnt
        What was learnt of segments, by variant.
    """

    plain: dict[int, Floats]
    full: dict[int, Floats]
    alone: dict[int, Floats]
    oracle: dict[int, Floats]
    base: tuple[str, float]
    learnt: dict[str, Any]


def shop_of(seed: int, events: int, users: int) -> SimulationConfig:
    """Return a shop whose levels of price follow from nothing, so that income is empty."""
    return SimulationConfig(events=events, users=users, seed=seed, lifts=LIFTS, price_effect=0.0)


def run(
    config: SimulationConfig, *, asked: int = 1000, settings: Mapping[str, Any] | None = None
) -> Found:
    """Simulate a shop, learn, and rank for users of whom little is known."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "shop"
        simulate(config, folder)
        content = config_of(folder, settings or {})
        shop = open_shop(content)
        evaluation = EvaluationConfig(
            protocol="warm_up", users=asked, reveal=REVEAL, reveal_from="last", test_window="30d"
        )
        target = content.interactions.target
        (question,) = warm_up(shop, evaluation, target, seed=config.seed)
        variants = content.chosen([PLAIN, FULL, ALONE])
        trained = fit(question.training, content, as_of=question.as_of, variants=variants)
        found = found_by(question, trained, variants, Truth(config))
        shop.close()
        return found


def config_of(folder: Path, settings: Mapping[str, Any]) -> RecsysConfig:
    """Return the config of a simulated shop: an axis for each attribute."""
    files = {"events": "events/*.parquet", "users": "users.parquet", "items": "items.parquet"}
    axes = {axis: {"kind": "attribute", "column": axis} for axis in LIFTS}
    content = {"data": files, "segments": axes, "variants": VARIANTS}
    return parse_config({**content, "evaluation": {"test_window": "30d"}, **settings}, folder)


def found_by(
    question: Question, trained: Trained, variants: Sequence[Variant], truth: Truth
) -> Found:
    """Judge the variants and the oracle on every part of a question."""
    parts = {part.reveal or 0: part for part in question.asked}
    described = {n: describe_part(question, part, trained.model) for n, part in parts.items()}
    ranker = trained.ranker()
    plain, full, alone = (
        {n: judged(ranker, variant, *one) for n, one in described.items()} for variant in variants
    )
    little = [n for n in described if n in LITTLE]
    tried = {}
    for base, weight in product((PLAIN, FULL), GRID):
        oracle, variant = oracle_of(trained, truth, base, weight)
        tried[base, weight] = {n: judged(oracle, variant, *one) for n, one in described.items()}
    best = max(tried, key=lambda one: np.mean([tried[one][n].mean() for n in little]))
    learnt = {name: learnt_words(trained, name) for name in (FULL, ALONE)}
    return Found(plain, full, alone, tried[best], best, learnt)


def describe_part(question: Question, part: Asked, model: Model) -> tuple[Customers, Targets]:
    """Work out who the asked users are by what is revealed, and what they are to be shown."""
    targets = targets_of(part.targets, model.items)
    events = part.known.events(before=question.as_of)
    attributes = part.known.users(as_of=question.as_of)
    customers = describe(events, targets.users, attributes, model, as_of=question.as_of)
    return customers, targets


def judged(ranker: Ranker, variant: Variant, customers: Customers, targets: Targets) -> Floats:
    """Return NDCG@10 of each user."""
    every = range(len(customers.users))
    lists = np.full((len(every), K), -1, dtype=np.int64)
    for row, ranking in zip(
        lists, ranker.rank_all(customers, every, variant, Request(k=K)), strict=True
    ):
        row[: len(ranking.items)] = ranking.items
    n_items = len(ranker.model.items)
    hits, n_relevant = hit_matrix(lists, targets.user_index, targets.items, n_items=n_items)
    return ndcg(hits, n_relevant, k=K)


def oracle_of(trained: Trained, truth: Truth, base: str, weight: float) -> tuple[Ranker, Variant]:
    """Return the ranker of a variant with the planted lifts as its only priors, at one weight."""
    plain, learnt = trained.variants[PLAIN].recipe, trained.learnt[base].weights
    priors = tuple(PRIOR + axis for axis in INFORMATIVE)
    recipe = plain.model_copy(update={"signals": (*plain.signals, *priors)})
    variant = make_variant("oracle", recipe)
    even = dict.fromkeys(priors, (weight,) * len(learnt.knots))
    weights = learnt.model_copy(update={"signals": {**learnt.signals, **even}})
    return Ranker(with_planted_lifts(trained.model, truth), {variant.learns: weights}), variant


def with_planted_lifts(model: Model, truth: Truth) -> Model:
    """Put the planted log lifts of every item's category in the place of the learnt lifts."""
    columns = model.columns.copy()
    catalogue = truth.preference.catalogue
    # Items of the truth are sorted by id; the catalogue's stand by category and brand.
    category = catalogue.category[np.argsort(catalogue.number)]
    items = model.items.index_of(truth.items)
    for axis in model.axes:
        rows = [AXES[axis.name].index(segment) for segment in axis.segments]
        lifts = truth.preference.lifts[axis.name][rows][:, category].T
        columns[items[items >= 0], model.blocks[PRIOR + axis.name]] = lifts[items >= 0]
    return replace(model, columns=columns)


def learnt_words(trained: Trained, name: str) -> dict[str, Any]:
    """Lay out the largest weight of each axis, what it gained in learning, and the centre."""
    found = trained.learnt[name]
    weights = found.weights
    return {
        "weights": {axis: max(weights.signals.get(PRIOR + axis, (0.0,))) for axis in LIFTS},
        "gains": found.gains,
        "centre": weights.centre,
        "kappa": trained.model.kappa,
    }


def share_reached(ours: Floats, best: Floats) -> dict[str, Any]:
    """Return Σ ours / Σ best over shops, with Student's t interval of a ratio of means.

    ``R = Σ a / Σ o``; its error is that of the mean of ``a − R o`` over the mean of ``o``.
    """
    ratio = float(ours.sum() / best.sum())
    found: dict[str, Any] = {"share": round(ratio, 3), "shops": len(ours)}
    if len(ours) > 1:
        spread = mean_interval((ours - ratio * best) / best.mean())
        found["interval"] = [round(ratio + spread.low, 3), round(ratio + spread.high, 3)]
    return found


def summary(found: Sequence[Found]) -> dict[str, Any]:
    """Lay out what the shops say together."""
    return {
        "learnt": {
            name: {
                "weights": {
                    axis: [round(one.learnt[name]["weights"][axis], 3) for one in found]
                    for axis in LIFTS
                },
                "centres": [one.learnt[name]["centre"] for one in found],
                "gains": [one.learnt[name]["gains"] for one in found],
            }
            for name in (FULL, ALONE)
        },
        "oracles": [one.base for one in found],
        "by what is revealed": {name: point(found, amounts) for name, amounts in points()},
    }


def points() -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield the points of the curve, and the users of whom little is known together."""
    for amount in REVEAL:
        yield ("all" if amount == EVERYTHING else str(amount)), (amount,)
    yield "little", LITTLE


def point(found: Sequence[Found], amounts: Sequence[int]) -> dict[str, Any]:
    """Return the means of every ranking, and the share of the oracle's gain."""
    means = {
        name: np.array([[getattr(one, name)[n].mean() for n in amounts] for one in found]).mean(1)
        for name in ("plain", "full", "alone", "oracle")
    }
    ours, best = means["full"] - means["plain"], means["oracle"] - means["plain"]
    ndcgs = {name: round(float(values.mean()), 4) for name, values in means.items()}
    return {**ndcgs, **share_reached(ours, best)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=120_000)
    parser.add_argument("--users", type=int, default=4_000)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    found = []
    for seed in range(arguments.seeds):
        found.append(run(shop_of(seed, arguments.events, arguments.users)))
        said = {"events": arguments.events, "users": arguments.users, **summary(found)}
        text = json.dumps(said, indent=1)
        if arguments.output:
            arguments.output.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
