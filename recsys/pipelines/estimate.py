"""What a variant that nobody was shown would have earned, from lists that another drew by lot."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recsys.config import RecsysConfig
from recsys.errors import ConfigError, DataError
from recsys.events.schema import EVENT, ITEM_ID
from recsys.experiments.assignment import position
from recsys.experiments.counterfactual import NOTHING, Counterfactual, Slates, evaluate
from recsys.experiments.metrics import of_items
from recsys.interactions.own import OwnEvents
from recsys.pipelines.experiment import opened_state, published_now
from recsys.pipelines.progress import Progress, silent
from recsys.random import generator
from recsys.ranking import Customers, Request, Variant, make_variant
from recsys.ranking.customers import history_of
from recsys.ranking.exploration import ExplorationConfig, logged_chances, place_chances
from recsys.ranking.published import Published
from recsys.segments import from_names
from recsys.state import Entry, Exposure, StateStore
from recsys.types import Floats, Indices

STARTS: Final = 200
"""Starts of a list that are drawn to know the chance of an item at a place."""
ALIKE: Final = 1e-6
"""A logged chance that is worked out anew may differ by so much."""


@dataclass(frozen=True)
class Estimated:
    """What is known of a variant from lists of another.

    Attributes
    ----------
    variant, logged
        The one that is asked about, and the one whose lists there are.
    metric
        What is counted of a list.
    found
        The estimates.
    left_out
        Lists whose chances come out otherwise than they were logged: they were asked for with
        filters, or ranked by what is not known any more.
    other_lengths
        Lists that are longer or shorter than most, and left out too.
    """

    variant: str
    logged: str
    metric: str
    found: Counterfactual
    left_out: int
    other_lengths: int


def estimate(
    config: RecsysConfig,
    variant: str,
    logged: str,
    *,
    metric: str = "ctr",
    most: int = 10_000,
    seed: int = 0,
    progress: Progress = silent,
) -> Estimated:
    """Estimate what a variant would have earned; where it is known, the ledger has it too.

    Parameters
    ----------
    config
        The shop; the active model ranks, and only lists that it ranked are looked at.
    variant
        Whose value is asked for; without its own luck, if it has any.
    logged
        Whose lists were shown: it explores, and has neither rules nor a second aim.
    metric
        A metric of events that name a list.
    most
        At most so many lists, chosen by their ids.
    seed
        Of the drawn starts.
    progress
        Where to say how far it is.

    Raises
    ------
    ConfigError
        When a variant or metric is not there, or not of that kind.
    DataError
        When there are no such lists.
    """
    [asked, shown] = config.chosen([variant, logged])
    exploration = _luck_of(shown)
    event = of_items(metric, config.experiments.every_metric()).event
    with opened_state(config) as state:
        published = published_now(config, state)
        lists = _chosen(state, shown, published.manifest.version, most)
        if not lists:
            raise DataError(
                f"no list of {logged!r} was served by the active model: let it be served for a "
                "while, by default or in an experiment"
            )
        replay = _Replay(state, published, shown, asked, exploration, seed)
        with progress("lists", len(lists)) as advance:
            rows = []
            for one in lists:
                rows.append(replay.row(one))
                advance()
        alike = [row for row in rows if row is not None]
        known = _of_one_length(alike)
        if not known:
            raise DataError(
                f"of {len(lists)} lists of {logged!r} none has the chances that were logged: they "
                "were asked for with filters, or much of the state has changed since"
            )
        found = evaluate(_slates(known, _turned_to(state, known, event)))
        left_out = len(rows) - len(alike)
        result = Estimated(variant, logged, metric, found, left_out, len(alike) - len(known))
        _keep(state, result, shown, asked, max(one.time for one in lists))
    return result


def _luck_of(variant: Variant) -> ExplorationConfig:
    recipe = variant.recipe
    if recipe.exploration is None:
        raise ConfigError(
            f"the variant {variant.name!r} has no exploration: its lists say nothing of others"
        )
    if recipe.rules or recipe.diversity is not None:
        raise ConfigError(
            f"the variant {variant.name!r} has rules or a second aim: the chance of an item at a "
            "place is not known; explore without them"
        )
    return recipe.exploration


def _chosen(state: StateStore, shown: Variant, version: str, most: int) -> list[Exposure]:
    """Return lists that the model ranked, of each user together; which ones hangs on ids alone."""
    found = [
        one
        for part in state.exposures.of_variant(shown.digest)
        for one in part
        if one.model_version == version and one.sides is None and one.items
    ]
    found.sort(key=lambda one: position("sha256-1", "estimate", one.recommendation_id))
    return sorted(found[:most], key=lambda one: (one.user_id, one.time))


class _Row(NamedTuple):
    """One list, by its places."""

    user_id: str
    recommendation_id: str
    items: Sequence[str]
    shown: Indices
    wanted: Indices
    propensities: Floats
    marginals: Floats


class _Replay:
    """Ranks what was served again: with the luck it had, and by the variant that is asked about."""

    def __init__(
        self,
        state: StateStore,
        published: Published,
        shown: Variant,
        asked: Variant,
        exploration: ExplorationConfig,
        seed: int,
    ) -> None:
        self._state, self._published, self._seed = state, published, seed
        self._shown, self._asked = (_without_luck(one) for one in (shown, asked))
        self._exploration = exploration
        self._consents = state.consents()
        self._own: tuple[str, OwnEvents] | None = None

    def row(self, one: Exposure) -> _Row | None:
        """Return a list by its places; None where it did not come about as it was logged."""
        ranker, k = self._published.ranker, len(one.items)
        customers = self._customer(one)
        size = k + self._exploration.depth - 1
        candidates = ranker.rank(customers, 0, self._shown, Request(size, as_of=one.time))
        shown = ranker.model.items.index_of(one.items)
        places = {item: place for place, item in enumerate(candidates.items.tolist())}
        positions = np.array([places.get(item, -1) for item in shown.tolist()])
        chances = logged_chances(self._exploration, candidates.scores, positions)
        if (np.abs(chances - np.array(one.propensities)) > ALIKE).any():
            return None
        at = place_chances(
            self._exploration,
            candidates.scores,
            k,
            n_draws=STARTS,
            rng=generator(self._seed, "starts", one.recommendation_id),
        )
        best = ranker.rank(customers, 0, self._asked, Request(k, as_of=one.time)).items
        wanted = np.concatenate([best, np.full(k - len(best), NOTHING)])
        # The start that it really had is one more.
        marginals = (STARTS * at[np.arange(k), positions] + chances) / (STARTS + 1)
        return _Row(
            one.user_id, one.recommendation_id, one.items, shown, wanted, chances, marginals
        )

    def _customer(self, one: Exposure) -> Customers:
        """Describe a customer as she was when she was shown a list."""
        model = self._published.ranker.model
        if self._own is None or self._own[0] != one.user_id:
            self._own = one.user_id, self._state.own_events(one.user_id, model.items)
        events = self._own[1]
        moment = self._published.described_at(one.time - 1)
        customers = Customers(
            history_of(one.user_id, events.kept(events.times < one.time), model, as_of=moment),
            from_names(one.user_id, model.axes, one.segments),
        )
        alone = self._consents.get(one.user_id) == "segment_only"
        return customers.by_segments_alone() if alone else customers


def _without_luck(variant: Variant) -> Variant:
    recipe = variant.recipe.model_copy(update={"exploration": None})
    return make_variant(variant.name, recipe)


def _of_one_length(rows: Sequence[_Row]) -> list[_Row]:
    """Return the lists of the commonest length."""
    lengths = Counter(len(row.items) for row in rows)
    commonest = lengths.most_common(1)[0][0] if lengths else 0
    return [row for row in rows if len(row.items) == commonest]


def _turned_to(state: StateStore, rows: Sequence[_Row], event: str) -> set[tuple[str, str]]:
    """Return which items of which lists an event names."""
    ids = pa.array([row.recommendation_id for row in rows], pa.string())
    found: set[tuple[str, str]] = set()
    for part in state.event_tables():
        named = pc.is_in(part["recommendation_id"].cast(pa.string()), value_set=ids)
        chosen = part.filter(pc.and_(named, pc.equal(part[EVENT], event)))
        columns = (chosen["recommendation_id"].to_pylist(), chosen[ITEM_ID].to_pylist())
        found.update(zip(*columns, strict=True))
    return found


def _slates(rows: Sequence[_Row], turned_to: set[tuple[str, str]]) -> Slates:
    numbers = {user: number for number, user in enumerate(dict.fromkeys(r.user_id for r in rows))}
    rewards = [
        [float((row.recommendation_id, item) in turned_to) for item in row.items] for row in rows
    ]
    return Slates(
        np.array(rewards),
        np.stack([row.shown for row in rows]),
        np.stack([row.wanted for row in rows]),
        np.stack([row.propensities for row in rows]),
        np.stack([row.marginals for row in rows]),
        np.array([numbers[row.user_id] for row in rows]),
    )


def _keep(state: StateStore, result: Estimated, shown: Variant, asked: Variant, at: int) -> None:
    told = result.found.difference
    if told is not None and math.isfinite(told.low + told.high):
        who = (f"lists of {shown.name}", shown.name, asked.name, result.metric)
        digests = (shown.digest, asked.digest)
        ends = (told.mean, told.low, told.high)
        state.ledger.add(Entry("off_policy", *who, *digests, *ends, result.found.users, at))
