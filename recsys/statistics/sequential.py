"""Looking as often as one likes: intervals that hold at every look."""

import math
from dataclasses import dataclass

from recsys.statistics.intervals import Estimate, Interval, check_confidence


@dataclass(frozen=True)
class ConfidenceSequence:
    """Intervals that all hold the truth at once, at every look, with probability 1 − α.

    After `n` users, with ``s² = error² n`` and ``m = n ρ²``,
    ``mean ± s sqrt(2 (m + 1) / (n ρ)² · log(sqrt(m + 1) / α))``.
    It is asymptotic: it holds from a number of users on at which means are normal.

    Parameters
    ----------
    alpha
        Share of experiments in which some look misses the truth.
    rho
        Where the sequence is narrowest, see `tuned`.

    References
    ----------
    Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas, "Time-uniform central limit theory and asymptotic
    confidence sequences", arXiv 2103.06476, equations 9 and 155.
    """

    alpha: float
    rho: float

    @staticmethod
    def tuned(n: int, *, alpha: float = 0.05) -> "ConfidenceSequence":
        """Return the sequence that is narrowest at `n` users of both groups together.

        ``ρ² = (−2 log α + log(1 − 2 log α)) / n``, equation 161 of the same.

        Raises
        ------
        ValueError
            When `n` or `alpha` is out of range.

        Examples
        --------
        >>> round(ConfidenceSequence.tuned(5000).rho, 5)
        0.03984
        """
        check_confidence(1 - alpha)
        if n < 1:
            raise ValueError(f"a sequence is tuned to at least one user, got {n}")
        doubt = -2 * math.log(alpha)
        return ConfidenceSequence(alpha, math.sqrt((doubt + math.log1p(doubt)) / n))

    def interval(self, found: Estimate) -> Interval:
        """Return the interval of a difference after `found.n` users."""
        n = found.n
        more = n * self.rho**2 + 1
        width = 2 * more * math.log(math.sqrt(more) / self.alpha) / (n * self.rho) ** 2
        margin = found.error * math.sqrt(n * width)
        return Interval(found.mean, found.mean - margin, found.mean + margin, n)

    def p(self, found: Estimate) -> float:
        """Return a p that may be looked at any time; over looks take the smallest.

        ``min(1, 1 / e)``, ``e = exp(m z² / (2 (m + 1))) / sqrt(m + 1)``: the same as the mixture
        sequential probability ratio test of Johari, Pekelis, Walsh (arXiv 1512.04922) with a
        normal mixture of variance ``τ²``, ``n ρ² = n_arm τ² / (σ_c² + σ_t²)``.
        """
        if not found.error > 0:
            return 1.0 if found.mean == 0 or math.isnan(found.error) else 0.0
        m, z = found.n * self.rho**2, found.mean / found.error
        log_e = m * z * z / (2 * (m + 1)) - math.log1p(m) / 2
        return min(1.0, math.exp(-log_e))
