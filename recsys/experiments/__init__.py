"""Which ranking is better, and for whom: experiments, from their plan to their verdict.

An experiment is written down before it starts, and what it decides by does not change afterwards.
"""

from recsys.experiments.assignment import SCHEMES, Scheme, position, positions
from recsys.experiments.definition import (
    ConfidenceSequenceDesign,
    Decision,
    Experiment,
    FixedHorizonDesign,
    GroupSequentialDesign,
    Guardrail,
    Plan,
    define,
)
from recsys.experiments.enrolment import Enrolled, Enrolment

__all__ = [
    "SCHEMES",
    "ConfidenceSequenceDesign",
    "Decision",
    "Enrolled",
    "Enrolment",
    "Experiment",
    "FixedHorizonDesign",
    "GroupSequentialDesign",
    "Guardrail",
    "Plan",
    "Scheme",
    "define",
    "position",
    "positions",
]
