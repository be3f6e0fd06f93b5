"""Variants: named ranking recipes, and the identity by which they are known everywhere."""

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field, model_validator

from recsys.errors import ConfigError, nearest
from recsys.models import ALS, HABIT, NEIGHBOURS, POPULARITY, PRIOR, TASTE, TREND, Centre
from recsys.ranking.calibration import CalibrationConfig
from recsys.ranking.diversity import MmrConfig
from recsys.ranking.exploration import ExplorationConfig
from recsys.ranking.rules import Rule
from recsys.types import Config

PRIORS = "priors"
"""In a recipe: the prior of every axis."""
Repeat = Literal["never", "learned", "always"]
Aim = Annotated[MmrConfig | CalibrationConfig, Field(discriminator="kind")]
LEARNT_FROM = ("signals", "centre", "repeat")
"""What learnt weights depend on: variants that differ in anything else share them."""
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Recipe(Config):
    """A ``[variants.NAME]`` table of the config: how a list is ranked."""

    like: str | None = Field(None, description="another variant: what is not said here is its")
    signals: tuple[str, ...] = Field(
        (),
        description="als, popularity, trend, priors (all axes), prior:AXIS, habit, neighbours, "
        "taste",
    )
    centre: Centre | None = Field(
        None,
        description="of the fold-in: segments (where that has earned something) | mean; default "
        "segments where priors are listed",
    )
    repeat: Repeat = Field(
        "learned", description="never | learned | always: whether known items may be ranked"
    )
    weights: Literal["learned"] | dict[str, Weight] = Field(
        "learned",
        description="learned in train, or a fixed number for each signal; "
        "the one of priors is shared evenly by the axes a user is known on",
    )
    rules: dict[str, Rule] = Field(
        {}, description="by name: pin, boost, bury, require, forbid, cap or offer"
    )
    diversity: Aim | None = Field(
        None, description="a second aim beside the score: mmr or calibration"
    )
    exploration: ExplorationConfig | None = Field(
        None, description="places filled by lot: plackett_luce or swaps"
    )

    @model_validator(mode="after")
    def _check(self) -> "Recipe":
        for signal in self.signals:
            _check_signal(signal)
        if not self.signals and self.like is None:
            raise ValueError("signals is missing; name some, or another variant with like")
        if isinstance(self.weights, dict) and set(self.weights) != set(self.signals):
            raise ValueError(
                f"weights must name exactly the signals {list(self.signals)}, not "
                f"{sorted(self.weights)}"
            )
        return self

    def over(self, base: "Recipe") -> "Recipe":
        """Return `base` with what this table says in its own words; rules of both hold."""
        said = {name: getattr(self, name) for name in self.model_fields_set if name != "like"}
        if "rules" in said:
            said["rules"] = {**base.rules, **self.rules}
        return Recipe.model_validate({**dict(base), **said})

    @property
    def uses_priors(self) -> bool:
        """Whether any segment prior is listed."""
        return any(signal == PRIORS or signal.startswith(PRIOR) for signal in self.signals)

    @property
    def fold_in_centre(self) -> Centre | None:
        """The centre of the fold-in; None where no factors are asked for."""
        return (self.centre or "mean") if ALS in self.signals else None

    def resolved(self) -> "Recipe":
        """Fill in every default, so that two ways to say the same are the same recipe."""
        centre: Centre = self.centre or ("segments" if self.uses_priors else "mean")
        signals = tuple(sorted(set(self.signals)))
        return self.model_copy(update={"like": None, "centre": centre, "signals": signals})


def _check_signal(signal: str) -> None:
    known = (ALS, POPULARITY, TREND, PRIORS, HABIT, NEIGHBOURS, TASTE)
    if signal not in known and not signal.startswith(PRIOR):
        raise ValueError(f"unknown signal {signal!r}; known are {', '.join(known)} and {PRIOR}AXIS")


class Variant(NamedTuple):
    """A recipe with its identity.

    Attributes
    ----------
    name
        As in the config.
    recipe
        With every default filled in.
    digest
        SHA-256 of the recipe's canonical JSON: nothing learnt enters it.
    """

    name: str
    recipe: Recipe
    digest: str

    @property
    def learns(self) -> str:
        """SHA-256 of the part of the recipe that weights depend on: variants may share them."""
        return _digest({name: getattr(self.recipe, name) for name in LEARNT_FROM})

    def signals(self, axes: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the model's signals this recipe lists, in no order.

        Raises
        ------
        ConfigError
            When ``prior:AXIS`` names an axis the model does not have.
        """
        every = tuple(PRIOR + axis for axis in axes)
        listed = [s for name in self.recipe.signals for s in (every if name == PRIORS else (name,))]
        for signal in listed:
            if signal.startswith(PRIOR) and signal not in every:
                raise ConfigError(
                    f"the variant {self.name!r} lists {signal!r} and there is no such axis; "
                    f"axes are {', '.join(axes) or 'none'}: "
                    "define it under [segments] and train again"
                )
        return tuple(dict.fromkeys(listed))


def make_variant(name: str, recipe: Recipe) -> Variant:
    """Resolve a recipe and give it its identity."""
    resolved = recipe.resolved()
    return Variant(name, resolved, _digest(resolved.model_dump(mode="json")))


def _digest(said: Mapping[str, Any]) -> str:
    text = json.dumps(said, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


PERSONAL = (ALS, POPULARITY, TREND, HABIT, NEIGHBOURS, TASTE)
"""Every signal but those of segments."""
BUILT_IN: dict[str, Recipe] = {
    "popular": Recipe(signals=("popularity",), weights={"popularity": 1.0}),
    "popular_by_segment": Recipe(
        signals=("popularity", "priors"), weights={"popularity": 1.0, "priors": 1.0}
    ),
    # Habit decides; popularity only orders what habit leaves equal.
    "own_purchases": Recipe(
        signals=("habit", "popularity"),
        weights={"habit": 1.0, "popularity": 1e-6},
        repeat="always",
    ),
    "als": Recipe(signals=("als",), weights={"als": 1.0}, centre="mean"),
    "no_segments": Recipe(signals=PERSONAL, centre="mean"),
    "segment_aware": Recipe(signals=(*PERSONAL, PRIORS)),
}
"""Always available as baselines; a configured variant of the same name replaces one."""


def variants(configured: Mapping[str, Recipe]) -> dict[str, Variant]:
    """Return the built-in and the configured variants by name.

    Raises
    ------
    ConfigError
        When a variant is like one that is not there, or like itself.
    """
    every = {**BUILT_IN, **configured}
    return {name: make_variant(name, _inherited(name, every, ())) for name in every}


def _inherited(name: str, every: Mapping[str, Recipe], heirs: tuple[str, ...]) -> Recipe:
    recipe = every[name]
    if recipe.like is None:
        return recipe
    if recipe.like in (name, *heirs):
        circle = " → ".join((*heirs, name, recipe.like))
        raise ConfigError(f"[variants] are like each other in a circle: {circle}")
    if recipe.like not in every:
        raise ConfigError(
            f"[variants.{name}] like = {recipe.like!r} is no variant{nearest(recipe.like, every)}"
        )
    return recipe.over(_inherited(recipe.like, every, (*heirs, name)))
