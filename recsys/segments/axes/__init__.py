"""The families of axes: a new one is one file and two lines here."""

from typing import Annotated

from pydantic import Field

from recsys.segments.axes import (
    activity,
    aipl,
    attribute,
    brand,
    breadth,
    clusters,
    combine,
    frequency,
    imported,
    interest,
    lifecycle,
    novelty,
    price,
    rfm,
    rules,
    spending,
    value,
)
from recsys.segments.axis import AxisKind

AxisConfig = Annotated[
    lifecycle.LifecycleConfig
    | aipl.AiplConfig
    | rfm.RfmConfig
    | spending.SpendingConfig
    | frequency.FrequencyConfig
    | activity.ActivityConfig
    | value.ValueConfig
    | price.PriceConfig
    | brand.BrandConfig
    | novelty.NoveltyConfig
    | breadth.BreadthConfig
    | interest.InterestConfig
    | attribute.AttributeConfig
    | imported.ImportedConfig
    | clusters.ClustersConfig
    | rules.RulesConfig
    | combine.CombineConfig,
    Field(discriminator="kind"),
]

KINDS: dict[str, AxisKind] = {
    "lifecycle": lifecycle.KIND,
    "aipl": aipl.KIND,
    "rfm": rfm.KIND,
    "spending": spending.KIND,
    "frequency": frequency.KIND,
    "activity": activity.KIND,
    "value": value.KIND,
    "price": price.KIND,
    "brand": brand.KIND,
    "novelty": novelty.KIND,
    "breadth": breadth.KIND,
    "interest": interest.KIND,
    "attribute": attribute.KIND,
    "imported": imported.KIND,
    "clusters": clusters.KIND,
    "rules": rules.KIND,
    "combine": combine.KIND,
}

__all__ = ["KINDS", "AxisConfig"]
