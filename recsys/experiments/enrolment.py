"""Whether a user takes part in an experiment, and with what variant."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from recsys.experiments.assignment import NOBODY, place, places, position, positions, ranges
from recsys.experiments.definition import Arm, Experiment
from recsys.types import Indices

HOLDOUT_SALT = "holdout"
"""Of the layer before all layers."""
Weights = Mapping[str, Mapping[str, float]]
"""Axis -> segment -> weight."""


class Enrolled(NamedTuple):
    """A user in an experiment.

    Attributes
    ----------
    experiment
        Its name.
    arm
        What she is given; the control where she is given both.
    variants
        Everything that she might have been given, the control first.
    interleaved
        Whether she is given lists of both.
    """

    experiment: str
    arm: Arm
    variants: tuple[str, ...]
    interleaved: bool = False


class Enrolment:
    """Assigns users to an experiment.

    Three positions of a user decide, each under a salt of its own: whether she is held out of
    every experiment, where she is in the layer, and which arm is hers.

    Parameters
    ----------
    experiment
        As it was defined.
    coverage
        How far its ramp has come; default what the plan says.
    holdout
        The share of users who take part in no experiment.
    """

    def __init__(
        self, experiment: Experiment, *, coverage: float | None = None, holdout: float = 0.0
    ) -> None:
        plan = experiment.plan
        self.experiment = experiment
        self._scheme, self._salt = plan.scheme, plan.salt or plan.name
        filters = {HOLDOUT_SALT: (holdout, 1.0), f"layer:{plan.layer}": plan.part}
        # What everybody passes need not be hashed.
        self._filters = [(salt, part) for salt, part in filters.items() if part != (0.0, 1.0)]
        # Interleaved lists are the same for everybody: there is one arm, that of all.
        self._interleaves = plan.kind == "interleaving"
        shares = [1.0] if self._interleaves else [arm.share for arm in experiment.arms]
        self._ranges = ranges(shares, plan.coverage if coverage is None else coverage)

    def of(self, unit_id: str, segments: Weights) -> Enrolled | None:
        """Return what a user or session is given; None: she takes no part.

        Parameters
        ----------
        unit_id
            What the plan assigns.
        segments
            Her segments now.
        """
        if not self._addresses(segments) or not self._is_in_its_layer(unit_id):
            return None
        arm = place(position(self._scheme, self._salt, unit_id), self._ranges)
        plan = self.experiment.plan
        if arm == NOBODY:
            return None
        return Enrolled(plan.name, self.experiment.arms[arm], plan.variants, self._interleaves)

    def of_all(self, unit_ids: Sequence[str]) -> Indices:
        """Return the number of each one's arm, `NOBODY` if none, whatever the audience is.

        Returns
        -------
        ndarray
            Shape ``(n,)``.
        """
        found = places(positions(self._scheme, self._salt, unit_ids), self._ranges)
        for salt, within in self._filters:
            found[places(positions(self._scheme, salt, unit_ids), [within]) == NOBODY] = NOBODY
        return found

    def _is_in_its_layer(self, unit_id: str) -> bool:
        return all(
            place(position(self._scheme, salt, unit_id), [within]) != NOBODY
            for salt, within in self._filters
        )

    def _addresses(self, segments: Weights) -> bool:
        audience = self.experiment.plan.audience
        return all(
            any(segments.get(axis, {}).get(name, 0.0) > 0 for name in names)
            for axis, names in audience.items()
        )
