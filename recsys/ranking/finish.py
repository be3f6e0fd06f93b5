"""What comes after the blend, worked out once for a variant and a model."""

import numpy as np

from recsys.events.schema import CATEGORY
from recsys.models import ALS, PRIOR, Model
from recsys.ranking.arrangement import Objective
from recsys.ranking.calibration import Calibration, CalibrationConfig, category_mix, expected_mix
from recsys.ranking.diversity import Mmr, MmrConfig, by_category, by_factors
from recsys.ranking.in_force import InForce, compile_rules
from recsys.ranking.recipe import Recipe
from recsys.ranking.rules import value_codes
from recsys.types import Floats, Indices


class Finish:
    """The rules, the second aim and the exploration of a recipe, on one model's catalogue.

    Parameters
    ----------
    recipe
        What is asked for.
    model
        The items.
    """

    def __init__(self, recipe: Recipe, model: Model) -> None:
        self.recipe = recipe
        self.model = model
        self._orders = compile_rules(recipe.rules, model.catalogue, model.axes)
        aim = recipe.diversity
        if isinstance(aim, CalibrationConfig):
            codes, values = value_codes(model.catalogue, aim.column, aim.level)
            self._codes, self._n_codes = codes, len(values)
        elif isinstance(aim, MmrConfig) and ALS in recipe.signals:
            factors = model.blocks[ALS]
            self._similarity = by_factors(lambda items: model.rows(items)[:, factors])
        elif isinstance(aim, MmrConfig):
            self._similarity = by_category(value_codes(model.catalogue, CATEGORY, None)[0])

    def in_force(self, membership: Floats, *, as_of: int) -> InForce:
        """Return the rules that hold for a customer at a moment."""
        return self._orders.for_user(membership, as_of=as_of)

    def objective(self, items: Indices, worth: Floats, membership: Floats) -> Objective | None:
        """Return the second aim of one list; None where the score alone counts.

        Parameters
        ----------
        items, worth
            The customer's history.
        membership
            Her row of the memberships: without a history her segments say what mix she wants.
        """
        aim = self.recipe.diversity
        if aim is None:
            return None
        if isinstance(aim, MmrConfig):
            return Mmr(aim.strength, self._similarity)
        mix = category_mix(worth, self._codes[items], self._n_codes)
        if not mix.any():
            mix = expected_mix(self._expected(membership), self._codes, self._n_codes)
        return Calibration(aim.strength, self._codes, mix)

    def _expected(self, membership: Floats) -> Floats:
        """``log p_i`` plus the mean lift of her segments: what people like her buy."""
        model = self.model
        popular = model.log_popularity
        known = [axis for axis, part in model.segments.items() if membership[part].any()]
        for axis in known:
            lifts = model.block(PRIOR + axis).astype(np.float64)
            popular = popular + lifts @ membership[model.segments[axis]] / len(known)
        return np.where(model.catalogue.available, popular, -np.inf)
