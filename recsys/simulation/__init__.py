"""A shop with known truth: seeded, of any size, written as Parquet."""

from recsys.simulation.config import SimulationConfig
from recsys.simulation.customers import Customers, Deed, Habits, Visit
from recsys.simulation.simulate import Simulated, simulate
from recsys.simulation.truth import Truth

__all__ = [
    "Customers",
    "Deed",
    "Habits",
    "Simulated",
    "SimulationConfig",
    "Truth",
    "Visit",
    "simulate",
]
