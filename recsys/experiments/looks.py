"""What a look at an experiment may say, by the design that was written down before."""

import math
from typing import Protocol

from scipy.optimize import brentq

from recsys.experiments.definition import (
    ConfidenceSequenceDesign,
    FixedHorizonDesign,
    GroupSequentialDesign,
    Plan,
)
from recsys.statistics import ConfidenceSequence, Estimate, Interval, bounds

LEAST_P = 1e-12
"""Where p of planned looks ends: bounds of smaller errors are not looked for."""


class Look(Protocol):
    """One look at the data: how sure a difference is at it."""

    @property
    def decides(self) -> bool:
        """Whether the design allows a verdict now."""
        ...

    @property
    def is_last(self) -> bool:
        """Whether the design has no later look."""
        ...

    def p(self, found: Estimate) -> float:
        """Return the smallest error rate at which the difference counts now."""
        ...

    def interval(self, found: Estimate, alpha: float) -> Interval:
        """Return the interval that goes with a two-sided error rate."""
        ...


class FixedLook:
    """The one look of a fixed horizon; any earlier one decides nothing.

    Parameters
    ----------
    time
        Share of the planned users that have come; 1 where none were planned.
    stopped
        Whether the experiment is over.
    """

    def __init__(self, time: float, *, stopped: bool) -> None:
        self.decides = self.is_last = stopped or time >= 1

    def p(self, found: Estimate) -> float:
        """Return Student's."""
        return found.p()

    def interval(self, found: Estimate, alpha: float) -> Interval:
        """Return Student's."""
        return found.interval(1 - alpha)


class PlannedLook:
    """The latest of the planned looks that have come.

    Its p is the smallest two-sided error rate whose bound the difference crosses: a repeated p of
    Jennison & Turnbull, which holds whichever looks were taken before.

    Parameters
    ----------
    design
        The looks.
    time
        Share of the planned users that have come.
    stopped
        Whether the experiment is over, be it early: then this is the last look.

    References
    ----------
    Jennison, Turnbull, "Group Sequential Methods with Applications to Clinical Trials", 2000, §9.
    """

    def __init__(self, design: GroupSequentialDesign, time: float, *, stopped: bool) -> None:
        self._design = design
        come = [look for look in design.looks if look <= time + 1e-12]
        if stopped and time < 1 and (not come or come[-1] < time):
            come.append(time)
        self._times = come
        self.decides = bool(come)
        self.is_last = stopped or time >= 1

    def p(self, found: Estimate) -> float:
        """See the class."""
        if not self._times:
            return 1.0
        if not found.error > 0:
            return found.p()
        z = abs(found.mean / found.error)
        if z < self._bound(1 - 1e-9):
            return 1.0
        if z >= self._bound(LEAST_P):
            return LEAST_P
        ends = (math.log(LEAST_P), -1e-9)
        log_p = brentq(lambda x: self._bound(math.exp(x)) - z, *ends, xtol=1e-8)
        return math.exp(log_p)

    def interval(self, found: Estimate, alpha: float) -> Interval:
        """Return ``mean ± bound · error``: a repeated confidence interval."""
        margin = self._bound(alpha) * found.error if self._times else math.inf
        return Interval(found.mean, found.mean - margin, found.mean + margin, found.n)

    def _bound(self, alpha: float) -> float:
        design = self._design
        return bounds(self._times, design.spending, alpha=alpha, power=design.power)[-1]


class AnyLook:
    """One of as many looks as one likes.

    Parameters
    ----------
    planned
        Users at which intervals are narrowest.
    alpha
        The error rate that they are tuned to.
    time
        Share of the planned users that have come.
    stopped
        Whether the experiment is over.
    """

    decides = True

    def __init__(self, planned: int, alpha: float, time: float, *, stopped: bool) -> None:
        self._tuned = ConfidenceSequence.tuned(planned, alpha=alpha)
        self.is_last = stopped or time >= 1

    def p(self, found: Estimate) -> float:
        """Return a p that may be looked at any time."""
        return self._tuned.p(found)

    def interval(self, found: Estimate, alpha: float) -> Interval:
        """Return one of a sequence of intervals that hold all at once."""
        return ConfidenceSequence(alpha, self._tuned.rho).interval(found)


def look_at(plan: Plan, users: int, *, stopped: bool) -> Look:
    """Return the look that a plan allows once so many users have come."""
    time = users / plan.planned_users if plan.planned_users else float(stopped)
    match plan.decision:
        case FixedHorizonDesign():
            return FixedLook(time, stopped=stopped)
        case GroupSequentialDesign():
            return PlannedLook(plan.decision, time, stopped=stopped)
        case ConfidenceSequenceDesign():
            return AnyLook(plan.planned_users or max(users, 1), plan.alpha, time, stopped=stopped)
