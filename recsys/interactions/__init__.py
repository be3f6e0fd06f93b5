"""What events are worth for learning, and the histories, cuts and windows made of them."""

from recsys.interactions.catalogue import Catalogue, build_catalogue
from recsys.interactions.histories import Histories, build_histories, pair_table
from recsys.interactions.targets import (
    Targets,
    bought_between,
    came_back,
    hold_out,
    targets_of,
)
from recsys.interactions.weights import HALF_LIVES, InteractionsConfig

__all__ = [
    "HALF_LIVES",
    "Catalogue",
    "Histories",
    "InteractionsConfig",
    "Targets",
    "bought_between",
    "build_catalogue",
    "build_histories",
    "came_back",
    "hold_out",
    "pair_table",
    "targets_of",
]
