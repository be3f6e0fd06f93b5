"""Two arms' users with a value of one metric, and their means with as little noise as can be."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from recsys.experiments.metrics import MetricConfig
from recsys.experiments.outcomes import BEFORE, PER
from recsys.statistics import Estimate, cuped, estimate, estimate_ratio, stratified, welch
from recsys.types import Flags, Floats, Indices


class Sample(NamedTuple):
    """Users of the control and of one treatment.

    Attributes
    ----------
    values, per
        Of each user; the metric is ``Σ values / Σ per``, `per` is 1 for a mean over users.
    before
        The same as `values` before the start; equal for all where nothing is known.
    strata
        A number for each user's stratum.
    treated
        Whether she is of the treatment.
    """

    values: Floats
    per: Floats
    before: Floats
    strata: Indices
    treated: Flags

    @property
    def sides(self) -> tuple[Flags, Flags]:
        """Who is of the control, who of the treatment."""
        return ~self.treated, self.treated

    @property
    def is_enough(self) -> bool:
        """Whether both arms have two users, and something to divide by."""
        return all(side.sum() >= 2 and self.per[side].sum() > 0 for side in self.sides)

    def plain(self) -> tuple[Estimate, Estimate]:
        """Return both arms' means, or ratios, as they are."""
        control, treatment = (estimate_ratio(self.values[s], self.per[s]) for s in self.sides)
        return control, treatment

    def linear(self) -> tuple[Floats, Floats]:
        """Return a value for each user of either arm, whose mean is the arm's mean or ratio.

        ``R + (y_u − R x_u) / x̄``; for a mean over users just ``y_u``.
        """
        found = []
        for side in self.sides:
            tops, bottoms = self.values[side], self.per[side]
            ratio = tops.sum() / bottoms.sum()
            found.append(ratio + (tops - ratio * bottoms) / bottoms.mean())
        return found[0], found[1]


def take_sample(
    units: pd.DataFrame,
    name: str,
    metric: MetricConfig,
    among: Flags,
    treated: Flags,
    strata: Indices,
) -> Sample:
    """Take those of some users who have a value; large ones are cut down to a quantile of these.

    Parameters
    ----------
    units
        See `Outcomes`.
    name, metric
        What is compared.
    among, treated, strata
        Who is compared, who of them is of the treatment, and everybody's stratum, shape
        ``(n_units,)``.
    """
    values = units[name].to_numpy(dtype=np.float64)
    chosen = among & ~np.isnan(values)
    if metric.winsorise is not None and chosen.any():
        values = np.minimum(values, np.quantile(values[chosen], metric.winsorise))
    per = units[name + PER].to_numpy(dtype=np.float64) if metric.is_ratio else np.ones(len(units))
    before = units[name + BEFORE].to_numpy(dtype=np.float64)
    return Sample(values[chosen], per[chosen], before[chosen], strata[chosen], treated[chosen])


class Means(NamedTuple):
    """Both arms' means, adjusted.

    Attributes
    ----------
    control, treatment
        The means.
    adjusted_by
        ``cuped``, ``strata``, both or nothing.
    noise
        The variance of the difference over that without adjustment; 1 where there is none.
    """

    control: Estimate
    treatment: Estimate
    adjusted_by: tuple[str, ...]
    noise: float

    @property
    def difference(self) -> Estimate:
        """Treatment less control."""
        return welch(self.control, self.treatment)


def means(sample: Sample) -> Means:
    """Take away noise that was there before: by `cuped`, then by strata.

    Parameters
    ----------
    sample
        With two users in either arm.
    """
    values, by = sample.linear(), []
    plain = welch(*sample.plain()).error
    if np.ptp(sample.before) > 0:
        control, treatment = sample.sides
        values = cuped((sample.before[control], sample.before[treatment]), values)
        by.append("cuped")
    found = estimate(values[0]), estimate(values[1])
    strata = _strata(sample, values)
    if strata is not None:
        by.append("strata")
        found = strata
    error = welch(*found).error
    return Means(*found, tuple(by), (error / plain) ** 2 if plain > 0 else 1.0)


def _strata(sample: Sample, values: tuple[Floats, Floats]) -> tuple[Estimate, Estimate] | None:
    """Weigh strata by the users of both arms; None where they are no two, or too small."""
    numbers = np.unique(sample.strata)
    if len(numbers) < 2:
        return None
    sides = [
        [side_values[sample.strata[side] == number] for number in numbers]
        for side_values, side in zip(values, sample.sides, strict=True)
    ]
    if not any(min(map(len, pair)) > 1 for pair in zip(*sides, strict=True)):
        return None
    found = stratified(*sides)
    return found.control, found.treatment
