"""From a request to a ranking: signals, blend, filters, top-k, reasons."""

from recsys.ranking.answer import Ranking, Request, merged
from recsys.ranking.blend import Weights
from recsys.ranking.customers import Customers, Yardstick, describe
from recsys.ranking.ranker import Ranker
from recsys.ranking.reasons import Reason, reasons
from recsys.ranking.recipe import BUILT_IN, Recipe, Variant, make_variant, variants
from recsys.ranking.wording import Wording

__all__ = [
    "BUILT_IN",
    "Customers",
    "Ranker",
    "Ranking",
    "Reason",
    "Recipe",
    "Request",
    "Variant",
    "Weights",
    "Wording",
    "Yardstick",
    "describe",
    "make_variant",
    "merged",
    "reasons",
    "variants",
]
