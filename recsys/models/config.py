"""Hyper-parameters of the factor model."""

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from recsys.models.neighbours import NeighboursConfig
from recsys.models.related.config import RelatedConfig
from recsys.types import Config


class ModelConfig(Config):
    """The ``[model]`` table of the config."""

    factors: PositiveInt = Field(128, description="length of a latent vector")
    iterations: PositiveInt = Field(15, description="ALS sweeps over both sides")
    regularization: NonNegativeFloat = Field(
        0.002,
        description="λ in training: a vector is pulled to zero by λ times its row's confidence",
    )
    alpha: PositiveFloat = Field(
        1.0, description="known pairs weigh alpha / √density more than the others"
    )
    prior_strength: PositiveFloat = Field(
        1.0, description="s of the fold-in: how hard a short history is pulled to its centre"
    )
    kappa_scale: PositiveFloat = Field(
        1.0, description="what the estimated strength of the priors' shrinkage is multiplied by"
    )
    neighbours: NeighboursConfig = NeighboursConfig()
    related: RelatedConfig = RelatedConfig()
    seed: int = Field(42, ge=0, description="seed of every draw in training")
