"""From item to item, as of the cut: what is bought together, what is alike, what rises."""

from recsys.config import RecsysConfig
from recsys.events.schema import MICROSECONDS_PER_DAY
from recsys.events.shop import Shop
from recsys.models import ALS, Model
from recsys.models.related import (
    Related,
    RelatedConfig,
    Trending,
    basket_table,
    build_baskets,
    count_trends,
    fit_similar,
    fit_together,
    fit_trending,
    trend_table,
)
from recsys.pipelines.snapshot import Snapshot
from recsys.segments import Memberships


def relate(
    shop: Shop, config: RecsysConfig, now: Snapshot, memberships: Memberships, model: Model
) -> Related:
    """Learn the relations between items from everything before a snapshot's moment.

    Parameters
    ----------
    shop, config
        The data and the config.
    now
        As of the cut.
    memberships
        Of its users, and of those who count in what rises alone.
    model
        Fitted on it.
    """
    settings, seed = config.model.related, config.model.seed
    events, items = shop.learnable().events(before=now.as_of), now.catalogue.items
    table = basket_table(events, config.interactions.target, timed=shop.timed)
    baskets = build_baskets(table, items, largest=settings.largest_basket, seed=seed)
    similar = fit_similar(
        now.histories.positive_items(),
        model.columns[:, model.blocks[ALS]],
        model.fold_in.supported,
        now.catalogue.groups,
        settings,
        seed=seed,
    )
    trending = _trending(shop, config, now, memberships, model)
    return Related(fit_together(baskets, settings), similar, trending)


def _trending(
    shop: Shop, config: RecsysConfig, now: Snapshot, memberships: Memberships, model: Model
) -> Trending:
    settings = config.model.related
    popularity = model.log_popularity
    axes = list(model.segments.values())
    if not _two_windows(shop, settings, now.as_of):
        return fit_trending(None, axes, popularity)
    known, target = shop.events(before=now.as_of), config.interactions.target
    table = trend_table(known, target, as_of=now.as_of, days=settings.trend_days)
    return fit_trending(count_trends(table, memberships, model.items), axes, popularity)


def _two_windows(shop: Shop, settings: RelatedConfig, as_of: int) -> bool:
    span = shop.span()
    needed = 2 * round(settings.trend_days * MICROSECONDS_PER_DAY)
    return span is not None and span[0] <= as_of - needed
