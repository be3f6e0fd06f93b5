"""Groups that the data themselves show: clusters of profiles."""

from typing import Any, Final, Literal

import numpy as np
from pydantic import Field, field_validator

from recsys.errors import nearest
from recsys.segments.axis import AxisBase, AxisFit, AxisKind, Window, one_hot, window_days
from recsys.segments.clustering import Clusters, Stability, fit_clusters
from recsys.segments.clustering import assign as assign_clusters
from recsys.segments.facts import Read, UserFacts
from recsys.segments.profiles import FEATURES
from recsys.types import Floats, Membership

CLUSTERS: Final = "clusters"
CURVE: Final = "stability"


class ClustersConfig(AxisBase):
    """What customers are clustered by."""

    kind: Literal["clusters"]
    features: tuple[str, ...] = Field(
        ("orders", "order_value", "recency", "active_days", "order_items", "order_trend"),
        min_length=1,
        description="profile features; one that is constant or unknown is left out",
    )
    k: int | Literal["auto"] = Field(
        "auto", description="number of clusters; auto = the largest number that is stable"
    )
    most: int = Field(8, ge=2, description="the largest number that auto tries")
    window: Window = Field("none", description='how far back events count; "none" = all of them')
    seed: int = Field(0, ge=0, description="of the draws and the starts of k-means")

    @field_validator("k")
    @classmethod
    def _divides(cls, value: int | Literal["auto"]) -> int | Literal["auto"]:
        if value != "auto" and value < 2:
            raise ValueError("clusters are 2 or more")
        return value

    @field_validator("features")
    @classmethod
    def _are_known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if name not in FEATURES:
                raise ValueError(f"{name!r} is no profile feature{nearest(name, FEATURES)}")
        if len({*value}) < len(value):
            raise ValueError("one feature is named twice")
        return value

    @property
    def reads(self) -> tuple[Read, ...]:
        """The features that customers are clustered by."""
        return tuple(Read(name, window_days(self.window)) for name in self.features)


def fit(config: ClustersConfig, facts: UserFacts) -> AxisFit:
    """Learn the clusters.

    Raises
    ------
    ConfigError
        When there are too few users, or they are all alike.
    """
    k = None if config.k == "auto" else config.k
    found = fit_clusters(
        _table(config, facts), config.features, k=k, most=config.most, seed=config.seed
    )
    clusters = found.clusters
    features = clusters.scaling.features
    definitions = tuple(_definition(features, centroid) for centroid in clusters.centroids)
    learnt = {
        CLUSTERS: clusters.model_dump(mode="json"),
        CURVE: [_as_json(stability) for stability in found.curve],
    }
    return AxisFit(segments=clusters.names, definitions=definitions, learnt=learnt)


def _as_json(stability: Stability) -> dict[str, Any]:
    return stability._asdict()


def _definition(features: tuple[str, ...], centroid: tuple[float, ...]) -> str:
    parts = zip(features, centroid, strict=True)
    distances = ", ".join(f"{name} {distance:+.1f}" for name, distance in parts)
    return f"nearest to {distances} standard deviations from the mean"


def assign(config: ClustersConfig, fitted: AxisFit, facts: UserFacts) -> Membership:
    """Put each user into the nearest cluster; of whom no feature is known is unknown."""
    clusters = Clusters.model_validate(fitted.learnt[CLUSTERS])
    return one_hot(assign_clusters(clusters, _table(config, facts)), len(fitted.segments))


def _table(config: ClustersConfig, facts: UserFacts) -> Floats:
    days = window_days(config.window)
    return np.column_stack([facts.feature(name, window=days) for name in config.features])


KIND = AxisKind(ClustersConfig, fit, assign)
