"""From item to item: bought together, similar, trending, and what completes a cart.

Everything is learnt in training and kept as plain arrays without a user in them.
"""

from recsys.models.related.baskets import Baskets, basket_table, build_baskets
from recsys.models.related.config import RelatedConfig
from recsys.models.related.related import Related, related_from
from recsys.models.related.similar import Similar, fit_similar, similar_from
from recsys.models.related.together import Found, Together, fit_together, together_from
from recsys.models.related.trending import (
    TrendCounts,
    Trending,
    count_trends,
    fit_trending,
    trend_table,
    trending_from,
)

__all__ = [
    "Baskets",
    "Found",
    "Related",
    "RelatedConfig",
    "Similar",
    "Together",
    "TrendCounts",
    "Trending",
    "basket_table",
    "build_baskets",
    "count_trends",
    "fit_similar",
    "fit_together",
    "fit_trending",
    "related_from",
    "similar_from",
    "together_from",
    "trend_table",
    "trending_from",
]
