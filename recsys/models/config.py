"""Hyper-parameters of the factor model."""

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from recsys.types import Config


class ModelConfig(Config):
    """The ``[model]`` table of the config."""

    factors: PositiveInt = Field(64, description="length of a latent vector")
    iterations: PositiveInt = Field(15, description="ALS sweeps over both sides")
    regularization: NonNegativeFloat = Field(0.01, description="λ of the factors, in training")
    alpha: PositiveFloat = Field(10.0, description="confidence is 1 + alpha · log1p(|r|)")
    prior_strength: PositiveFloat = Field(
        1.0, description="s of the fold-in: how hard a short history is pulled to its centre"
    )
    seed: int = Field(42, ge=0, description="seed of every draw in training")
