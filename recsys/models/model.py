"""Everything that training learns about items, as plain arrays: no user is in it."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from recsys.interactions import Catalogue, InteractionsConfig
from recsys.models.config import ModelConfig
from recsys.models.evidence import Evidence
from recsys.models.fold_in import FoldIn
from recsys.models.habit import GroupHabit, Habit
from recsys.models.neighbours import Neighbours
from recsys.models.newcomers import (
    groups_of_new,
    longer_habit,
    longer_neighbours,
    longer_reference,
)
from recsys.models.shelves import Shelves, shelve
from recsys.models.taste import category_shares
from recsys.segments import Axis, Reference, columns_of
from recsys.types import Factors, Floats, Indices
from recsys.vocabulary import Vocabulary

ALS = "als"
POPULARITY = "popularity"
HABIT = "habit"
NEIGHBOURS = "neighbours"
TASTE = "taste"
TREND = "trend"
PRIOR = "prior:"
COLUMN = "column_"

Arrays = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Model:
    """What ranking needs besides a user and a recipe.

    Attributes
    ----------
    catalogue
        Items, their availability and text columns.
    columns
        The item side of the dot product: ``[y_i | lifts of each axis | trend_i | log p_i]``,
        float32, shape ``(n_items, d + n_segments + 2)``; see `blocks`.
    newcomers
        The row of an item that came after training, by the code of its category, shape
        ``(n_groups + 1, d + n_segments + 2)``; the last one is for a category without any item.
    fold_in
        Makes a user's vector.
    slope
        What `confidence` takes: how much more a known pair weighs.
    habit
        Makes a user's own-item terms.
    neighbours
        The items close to each item.
    axes
        Cut points of every axis, in column order.
    reference
        What profiles are measured against.
    kappa
        The estimated shrinkage of each axis' prior; None: the axis says nothing.
    popularity_half_life
        Days; infinite = no decay.
    interactions, config
        What events are worth, and the hyper-parameters.
    timed
        Whether the data had times.
    further
        Rows of the items that the catalogue has beyond those of `columns`: they came after
        training, see `offering`. None: there are none.
    """

    catalogue: Catalogue
    columns: Factors
    newcomers: Factors
    fold_in: FoldIn
    slope: float
    habit: Habit
    neighbours: Neighbours
    axes: tuple[Axis, ...]
    reference: Reference
    kappa: dict[str, float | None]
    popularity_half_life: float
    interactions: InteractionsConfig
    config: ModelConfig
    timed: bool
    further: Factors | None = None

    @property
    def kinds(self) -> tuple[str, ...]:
        """The contacts besides purchases that the model reads."""
        return self.habit.evidence.kinds

    @property
    def items(self) -> Vocabulary:
        """The item vocabulary."""
        return self.catalogue.items

    @cached_property
    def segments(self) -> dict[str, slice]:
        """Each axis' slice of the segments."""
        return columns_of(self.axes)

    @cached_property
    def blocks(self) -> dict[str, slice]:
        """Each dense signal's slice of the columns, in the fixed order of the score's terms."""
        d = len(self.fold_in.mean)
        priors = {
            PRIOR + name: slice(d + axis.start, d + axis.stop)
            for name, axis in self.segments.items()
        }
        last = self.columns.shape[1] - 1
        return {
            ALS: slice(0, d),
            POPULARITY: slice(last, last + 1),
            TREND: slice(last - 1, last),
            **priors,
        }

    @cached_property
    def shelves(self) -> Shelves:
        """The items by what they can score at most."""
        return shelve(self.columns, len(self.fold_in.mean))

    def rows(self, items: Indices) -> Factors:
        """Return the item side of the dot product of some items, shape ``(n, n_columns)``."""
        if self.further is None:
            return self.columns.take(items, axis=0)
        rows = np.empty((len(items), self.columns.shape[1]), dtype=self.columns.dtype)
        old = items < len(self.columns)
        rows[old] = self.columns.take(items[old], axis=0)
        rows[~old] = self.further.take(items[~old] - len(self.columns), axis=0)
        return rows

    def product(self, queries: Factors) -> Factors:
        """Return the dot product of one user side, or of several, and every item.

        Shape ``(n_items,)`` or ``(n_users, n_items)``.
        """
        products = queries @ self.columns.T
        if self.further is None:
            return products
        return np.concatenate([products, queries @ self.further.T], axis=-1)

    def block(self, signal: str) -> Factors:
        """Return the columns of a signal for every item, shape ``(n_items, width)``."""
        columns = self.blocks[signal]
        if self.further is None:
            return self.columns[:, columns]
        return np.concatenate([self.columns[:, columns], self.further[:, columns]])

    def reach(self, query: Factors) -> float:
        """Return at least ``Σ_c |query_c c_ic|`` of any item."""
        reach = self.shelves.reach(query)
        if self.further is not None:
            reach = max(reach, float((np.abs(self.further) @ np.abs(query)).max()))
        return reach

    def offering(self, catalogue: Catalogue) -> "Model":
        """Return the model with what is known by now of the items, and with new ones behind them.

        A new item is what `newcomers` says of its category.
        """
        changed = replace(self, catalogue=catalogue)
        groups = groups_of_new(self.catalogue, catalogue)
        if len(groups):
            changed = replace(
                changed,
                further=self.newcomers[groups],
                fold_in=self.fold_in.beside(len(groups)),
                habit=longer_habit(self.habit, groups),
                neighbours=longer_neighbours(self.neighbours, len(groups)),
                reference=longer_reference(self.reference, len(groups)),
            )
        # They depend on the columns alone, and take their time.
        changed.__dict__["shelves"] = self.shelves
        return changed

    @property
    def log_popularity(self) -> Floats:
        """``log p_i``, shape ``(n_items,)``."""
        return self.block(POPULARITY)[:, 0].astype(np.float64)

    @cached_property
    def category_shares(self) -> Floats:
        """The share of each category in the shop's purchases, shape ``(n_groups,)``."""
        return category_shares(self.catalogue.groups, self.log_popularity)

    @property
    def own(self) -> tuple[str, ...]:
        """The signals of a user's own history."""
        return HABIT, NEIGHBOURS, TASTE

    @property
    def signals(self) -> tuple[str, ...]:
        """Every signal this model has, in the fixed order of the score's terms."""
        return (*self.blocks, *self.own)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return every array by the name it has in a bundle."""
        text = {COLUMN + name: values for name, values in self.catalogue.columns.items()}
        return {
            "item_ids": self.items.ids,
            "item_available": self.catalogue.available,
            "item_columns": self.columns,
            "newcomer_columns": self.newcomers,
            "item_price_position": self.reference.price_position,
            "item_launched": self.reference.launched,
            "item_supported": self.fold_in.supported,
            "gram": self.fold_in.gram,
            "spread": self.fold_in.spread,
            "mean_user": self.fold_in.mean,
            "segment_effects": self.fold_in.effects,
            "segment_shares": self.fold_in.shares,
            "precisions": self.fold_in.precisions,
            "repeat_rate": self.habit.rate,
            "repeat_pace": self.habit.pace,
            "repeat_coefficients": self.habit.coefficients,
            "rebought": self.habit.rebought,
            "newcomer_repeat_rate": self.habit.groups.rate,
            "newcomer_repeat_pace": self.habit.groups.pace,
            "newcomer_rebought": self.habit.groups.rebought,
            "neighbour_starts": self.neighbours.indptr,
            "neighbour_items": self.neighbours.indices,
            "neighbour_values": self.neighbours.data,
            **text,
        }

    def learnt(self) -> dict[str, Any]:
        """Return the learnt numbers that are not arrays, as JSON."""
        return {
            "axes": [axis.model_dump(mode="json") for axis in self.axes],
            "norms": {name: dict(norms) for name, norms in self.reference.norms.items()},
            "own_brands": list(self.reference.own_brands),
            "kappa": self.kappa,
            "popularity_half_life": _finite(self.popularity_half_life),
            "slope": self.slope,
            "repeat_mean": self.habit.mean,
            "evidence": asdict(self.habit.evidence),
            "interactions": self.interactions.model_dump(mode="json"),
            "model": self.config.model_dump(mode="json"),
            "timed": self.timed,
        }


def model_from(arrays: Arrays, learnt: Mapping[str, Any]) -> Model:
    """Build the model again from what `Model.arrays` and `Model.learnt` gave."""
    text = {
        name.removeprefix(COLUMN): values
        for name, values in arrays.items()
        if name.startswith(COLUMN)
    }
    items = Vocabulary.of_sorted(arrays["item_ids"])
    d = len(arrays["mean_user"])
    return Model(
        catalogue=Catalogue(items, arrays["item_available"], text),
        columns=arrays["item_columns"],
        newcomers=arrays["newcomer_columns"],
        fold_in=_fold_in_from(arrays, d),
        slope=float(learnt["slope"]),
        habit=_habit_from(arrays, learnt),
        neighbours=Neighbours(
            arrays["neighbour_starts"], arrays["neighbour_items"], arrays["neighbour_values"]
        ),
        axes=tuple(Axis.model_validate(axis) for axis in learnt["axes"]),
        reference=_reference_from(arrays, learnt),
        kappa=dict(learnt["kappa"]),
        popularity_half_life=_infinite(learnt["popularity_half_life"]),
        interactions=InteractionsConfig.model_validate(learnt["interactions"]),
        config=ModelConfig.model_validate(learnt["model"]),
        timed=bool(learnt["timed"]),
    )


def _reference_from(arrays: Arrays, learnt: Mapping[str, Any]) -> Reference:
    return Reference(
        arrays["item_price_position"],
        arrays["item_launched"],
        tuple(learnt["own_brands"]),
        dict(learnt["norms"]),
    )


def _fold_in_from(arrays: Arrays, d: int) -> FoldIn:
    return FoldIn(
        arrays["item_columns"][:, :d],
        arrays["item_supported"],
        arrays["gram"],
        arrays["spread"],
        arrays["mean_user"],
        arrays["segment_effects"],
        arrays["segment_shares"],
        arrays["precisions"],
    )


def _habit_from(arrays: Arrays, learnt: Mapping[str, Any]) -> Habit:
    return Habit(
        arrays["repeat_rate"],
        arrays["repeat_pace"],
        arrays["rebought"],
        arrays["repeat_coefficients"],
        float(learnt["repeat_mean"]),
        GroupHabit(
            arrays["newcomer_repeat_rate"],
            arrays["newcomer_repeat_pace"],
            arrays["newcomer_rebought"],
        ),
        Evidence(**{**learnt["evidence"], "kinds": tuple(learnt["evidence"]["kinds"])}),
    )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _infinite(value: float | None) -> float:
    return math.inf if value is None else float(value)
