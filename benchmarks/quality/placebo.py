"""Whether segments of people drawn by lot earn anything: they should not.

    RECSYS_PROTOCOLS=FOLDER python benchmarks/quality/placebo.py [NAME ...] [--permutations 20]
        [--output FILE]

Memberships are dealt out anew among the users everywhere: where priors and the centre of the
fold-in are learnt, in the windows' cases (among cases of which as much is known) and among the
users who are asked about. Then the weights are learnt again. Factors, habit and neighbours depend
on no membership and are fitted once. Prints one JSON document: `segment_aware` less `no_segments`
on the protocol's targets, with the true memberships and on average over permutations with Student's
t interval, and how often each axis or the centre earned a weight, and the median weight.
"""

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse
from threadpoolctl import threadpool_limits

from recsys.config import RecsysConfig
from recsys.models import PRIOR, Model, confidence
from recsys.models.als import factorise
from recsys.models.fit import with_memberships
from recsys.models.fold_in import Factorisation
from recsys.pipelines.cases import BETWEEN, Cases
from recsys.pipelines.progress import silent
from recsys.pipelines.snapshot import Snapshot
from recsys.pipelines.train import Fitter, Trained
from recsys.random import generator
from recsys.ranking import Customers, Variant, describe
from recsys.ranking.learning import Learner, Learnt
from recsys.ranking.recency import recency_of
from recsys.ranking.trials import Trial, collect, columns_of, lay_out
from recsys.segments import Memberships
from recsys.statistics import mean_interval

sys.path.insert(0, str(Path(__file__).parent))
from protocols import train
from questions import (
    Question,
    customers_of,
    lists_of,
    open_question,
    protocols_folder,
    score,
    write,
)

FULL, PLAIN = "segment_aware", "no_segments"
NAMES = ("ml-1m_cold", "tafeng_temporal", "completejourney_cold", "completejourney_temporal")
METRIC = "ndcg@10"


@dataclass(frozen=True)
class Fitted:
    """A model, and what it takes to learn its segments' part again.

    Attributes
    ----------
    model
        With the true memberships.
    snapshot, memberships
        Of the users it was learnt from.
    factors
        Those of the model, with the users'.
    """

    model: Model
    snapshot: Snapshot
    memberships: Memberships
    factors: Factorisation

    def dealt(self, rng: np.random.Generator) -> Model:
        """Return the model with the memberships of its users dealt out anew."""
        dealt = deal(self.memberships, rng)
        return with_memberships(self.model, dealt, self.snapshot.histories, self.factors)


class Asked(NamedTuple):
    """The left-out users of one window, as its model sees them."""

    fitted: Fitted
    cases: Cases
    customers: Customers

    @property
    def amounts(self) -> Any:
        """How much is known of each case."""
        return np.asarray([case.rpartition(BETWEEN)[2] for case in self.cases.users.ids.tolist()])


class Drawn(NamedTuple):
    """What one permutation led to.

    Attributes
    ----------
    differences
        NDCG@10 of `segment_aware` less that of `no_segments`, by how much is revealed.
    learnt
        Of `segment_aware`.
    """

    differences: dict[str, float]
    learnt: Learnt


def deal(memberships: Memberships, rng: np.random.Generator, among: Any = None) -> Memberships:
    """Deal rows of memberships out anew, among users of the same group where groups are given.

    Parameters
    ----------
    memberships
        Of some users.
    rng
        The lot.
    among
        The group of each user, shape ``(n_users,)``; default: all are of one.
    """
    n_users = len(memberships.users)
    groups = np.zeros(n_users, dtype=np.int64) if among is None else among
    order = np.arange(n_users)
    for group in np.unique(groups):
        places = np.flatnonzero(groups == group)
        order[places] = rng.permutation(places)
    return replace(memberships, matrix=sparse.csr_matrix(memberships.matrix[order]))


def run(
    root: Path, name: str, permutations: int, *, settings: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Train on one protocol, deal memberships out anew so many times, and score the lists."""
    with tempfile.TemporaryDirectory() as scratch:
        question = open_question(root, name, Path(scratch), settings)
        trained = train(question, (FULL, PLAIN), {})
        asked = list(customers_of(question, trained))
        file = Path(scratch) / "lists.parquet"
        true = differences(question, trained, asked, file)
        windows, now = refitted(trained, question.config)
        drawn = []
        for number in range(permutations):
            rng = generator(question.config.model.seed, "placebo", str(number))
            again = learnt_again(trained, windows, now, rng)
            dealt = [(amount, dealt_customers(one, rng)) for amount, one in asked]
            found = differences(question, again, dealt, file)
            drawn.append(Drawn(found, again.learnt[FULL]))
    return {"true": told(Drawn(true, trained.learnt[FULL])), **summary(drawn)}


def refitted(trained: Trained, config: RecsysConfig) -> tuple[list[Asked], Fitted]:
    """Fit the windows' models once more, and find the users' factors of every model."""
    learning, fitter = trained.learning, Fitter(config, 0, silent)
    recency = recency_of(learning.rounds)
    windows = []
    with threadpool_limits(1, "blas"):
        for window in learning.windows:
            memberships = window.start.possible_memberships(config)
            model = fitter.fit(window.start, memberships, window.past, recency)
            cases = window.cases
            customers = describe(
                cases.events, cases.users, cases.attributes, model, as_of=window.start.as_of
            )
            fitted = Fitted(model, window.start, memberships, factors_of(model, window.start))
            windows.append(Asked(fitted, cases, customers))
        factors = factors_of(trained.model, learning.now)
    return windows, Fitted(trained.model, learning.now, trained.memberships, factors)


def factors_of(model: Model, snapshot: Snapshot) -> Factorisation:
    """Factorise as the model was: it keeps no user."""
    weights = snapshot.histories.user_items()
    weights.data = confidence(weights.data, model.slope)
    return factorise(weights, model.fold_in.supported, model.config)


def learnt_again(
    trained: Trained, windows: Sequence[Asked], now: Fitted, rng: np.random.Generator
) -> Trained:
    """Learn the weights of both variants with memberships dealt out anew everywhere."""
    columns = columns_of(axis.name for axis in now.model.axes)
    rows: list[Trial] = []
    with threadpool_limits(1, "blas"):
        for number, one in enumerate(windows):
            customers = dealt_customers(one.customers, rng, one.amounts)
            targets, owners = one.cases.targets, one.cases.owners
            model = one.fitted.dealt(rng)
            rows += collect(model, customers, targets, columns, owners, window=number)
        learner = Learner(lay_out(rows, columns))
        learnt = {
            name: learner.learn(
                variant.signals(now.model.segments),
                centre=variant.recipe.centre or "mean",
                repeat=variant.recipe.repeat,
            )
            for name, variant in trained.variants.items()
        }
        return replace(trained, model=now.dealt(rng), learnt=learnt)


def earned(full: Learnt) -> bool:
    """Tell whether any axis, or the centre of the fold-in, earned a weight."""
    moved = full.weights.centre == "segments"
    return moved or any(name.startswith(PRIOR) for name in full.weights.signals)


def dealt_customers(customers: Customers, rng: np.random.Generator, among: Any = None) -> Customers:
    """Return users with somebody else's memberships."""
    return replace(customers, memberships=deal(customers.memberships, rng, among))


def differences(
    question: Question, trained: Trained, asked: Sequence[tuple[str, Customers]], file: Path
) -> dict[str, float]:
    """Return the scorer's NDCG@10 of the full variant less that of the plain one."""

    def scored(variant: Variant, amount: str, customers: Customers) -> float:
        found = score(question, lists_of(trained, customers, variant), amount, file)
        return float(found["all"][METRIC])

    full, plain = trained.variants[FULL], trained.variants[PLAIN]
    if not earned(trained.learnt[FULL]):
        return dict.fromkeys((amount for amount, _ in asked), 0.0)
    return {
        amount: scored(full, amount, customers) - scored(plain, amount, customers)
        for amount, customers in asked
    }


def told(drawn: Drawn) -> dict[str, Any]:
    """Lay out one training."""
    rounded = {amount: round(value, 5) for amount, value in drawn.differences.items()}
    return {
        "difference": rounded,
        "weights": weights_of(drawn.learnt),
        "centre": drawn.learnt.weights.centre,
    }


def weights_of(learnt: Learnt) -> dict[str, float]:
    """Return the largest weight of each axis that was tried, over histories of any length."""
    tried = [name for name in learnt.gains if name.startswith(PRIOR)]
    return {name: round(max(learnt.weights.signals.get(name, (0.0,))), 4) for name in tried}


def summary(drawn: Sequence[Drawn]) -> dict[str, Any]:
    """Lay out what the permutations say together."""
    weights = [weights_of(one.learnt) for one in drawn]
    axes = sorted({axis for one in weights for axis in one})
    by_axis = {axis: np.array([one.get(axis, 0.0) for one in weights]) for axis in axes}
    centres = [one.learnt.weights.centre for one in drawn]
    return {
        "permutations": len(drawn),
        "difference": {
            amount: interval_of([one.differences[amount] for one in drawn])
            for amount in drawn[0].differences
        },
        "median weight": {axis: float(np.median(values)) for axis, values in by_axis.items()},
        "got a weight": {axis: int((values > 0).sum()) for axis, values in by_axis.items()},
        "centre moved": centres.count("segments"),
    }


def interval_of(values: Sequence[float]) -> dict[str, Any]:
    """Return the mean with its interval, the extremes, and whether the interval contains 0."""
    found = mean_interval(np.asarray(values))
    return {
        "mean": round(found.mean, 6),
        "interval": [round(found.low, 6), round(found.high, 6)],
        "extremes": [round(min(values), 5), round(max(values), 5)],
        "contains 0": bool(found.low <= 0 <= found.high),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(NAMES))
    parser.add_argument("--permutations", type=int, default=20)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    root, result = protocols_folder(parser), {}
    for name in arguments.names:
        result[name] = run(root, name, arguments.permutations)
        text = write(result, arguments.output)
    print(text)


if __name__ == "__main__":
    main()
