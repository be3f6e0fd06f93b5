"""The ``[experiments]`` table of the config."""

from collections.abc import Mapping

from pydantic import Field

from recsys.experiments.metrics import METRICS, MetricConfig
from recsys.types import Config


class ExperimentsConfig(Config):
    """What holds for every experiment of a shop."""

    holdout: float = Field(
        0.0, ge=0, lt=1, description="the share of users who take part in no experiment"
    )
    shadow: float = Field(
        0.1,
        ge=0,
        le=1,
        description="of how many lists it is worked out, once they are sent, whether another "
        "variant would have listed something else; at most five a second of each process",
    )
    metrics: dict[str, MetricConfig] = Field(
        {}, description="[experiments.metrics.NAME]: metrics besides the built-in ones"
    )

    def every_metric(self) -> Mapping[str, MetricConfig]:
        """Return the built-in and the configured metrics."""
        return {**METRICS, **self.metrics}
