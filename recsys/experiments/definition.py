"""What an experiment says before it starts, and keeps to."""

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias

from pydantic import Field, PositiveFloat, PositiveInt, field_validator, model_validator

from recsys.errors import ConfigError, nearest
from recsys.experiments.assignment import Scheme
from recsys.statistics import Spending
from recsys.types import Config

Share = Annotated[float, Field(gt=0, le=1)]


class FixedHorizonDesign(Config):
    """One look, when the planned users have come: nothing before it is a verdict."""

    kind: Literal["fixed_horizon"] = "fixed_horizon"


class GroupSequentialDesign(Config):
    """A few looks at planned shares of the users; all of them err `alpha` together."""

    kind: Literal["group_sequential"] = "group_sequential"
    looks: tuple[Share, ...] = Field(
        (0.25, 0.5, 0.75, 1.0), description="shares of the planned users, ascending to 1"
    )
    spending: Spending = Field(
        "obrien_fleming", description="how the error rate is spent: obrien_fleming, pocock, power"
    )
    power: PositiveFloat = Field(2.0, description="the exponent of power")

    @field_validator("looks")
    @classmethod
    def _ascend(cls, looks: tuple[float, ...]) -> tuple[float, ...]:
        if not looks or looks[-1] != 1 or sorted(set(looks)) != list(looks):
            raise ValueError(f"looks ascend to 1, got {list(looks)}")
        return looks


class ConfidenceSequenceDesign(Config):
    """As many looks as one likes; intervals hold at all of them at once, and are wider."""

    kind: Literal["confidence_sequence"] = "confidence_sequence"


Decision: TypeAlias = Annotated[
    FixedHorizonDesign | GroupSequentialDesign | ConfidenceSequenceDesign,
    Field(discriminator="kind"),
]


class Guardrail(Config):
    """What must not get worse by more than a margin.

    Shipping needs the one-sided test that it has not; a margin that is wider than what the users
    can show is a guardrail that never lets anything pass.
    """

    metric: str
    margin: float = Field(gt=0, lt=1, description="of the control's mean, the most that is lost")


class Plan(Config):
    """What a person writes down: see the fields."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$", description="its id, for ever")
    kind: Literal["ab", "interleaving"] = Field(
        "ab",
        description="ab: every customer has one of the variants; interleaving: everybody's lists "
        "hold items of both",
    )
    hypothesis: str = Field(min_length=1, description="what is expected, of whom, and why")
    control: str = Field(description="the variant that is there now")
    treatments: tuple[str, ...] = Field(min_length=1, description="the variants that may be better")
    shares: dict[str, PositiveFloat] = Field(
        {}, description="variant = its share of the users; default equal shares"
    )
    unit: Literal["user", "session"] = Field("user", description="what is assigned")
    layer: str = Field("default", min_length=1, description="its parts exclude each other")
    part: tuple[float, float] = Field((0.0, 1.0), description="of the layer's users, from and to")
    coverage: float = Field(1.0, gt=0, le=1, description="the share of its part that takes part")
    audience: dict[str, tuple[str, ...]] = Field(
        {}, description="axis = segments; users outside are not part; default everybody"
    )
    primary: str = Field(description="the metric that decides")
    guardrails: tuple[Guardrail, ...] = Field((), description="what must not get worse")
    segments: tuple[str, ...] = Field(
        (), description="axes whose segments' effects are declared now, and may decide"
    )
    strata: str | None = Field(None, description="the axis the analysis is stratified by")
    decision: Decision = Field(FixedHorizonDesign(), description="how it is decided")
    alpha: float = Field(0.05, gt=0, le=0.2, description="two-sided error rate")
    power: float = Field(0.8, ge=0.5, lt=1, description="share of such effects that are seen")
    effect: float | None = Field(None, gt=0, description="the relative effect it is planned for")
    planned_users: PositiveInt | None = Field(
        None, description="of all variants together; `recsys experiment design` works it out"
    )
    scheme: Scheme = Field("sha256-1", description="how users are assigned")
    salt: str | None = Field(None, description="of the assignment; default the name")

    @field_validator("part")
    @classmethod
    def _is_a_range(cls, part: tuple[float, float]) -> tuple[float, float]:
        if not 0 <= part[0] < part[1] <= 1:
            raise ValueError(f"a part goes from one share up to a higher one, got {list(part)}")
        return part

    @model_validator(mode="after")
    def _fits(self) -> "Plan":
        names = (self.control, *self.treatments)
        if len(set(names)) != len(names):
            raise ValueError(f"variants are named once, got {', '.join(names)}")
        if self.shares and set(self.shares) != set(names):
            raise ValueError(f"shares name exactly {', '.join(names)}, not {sorted(self.shares)}")
        if self.kind == "interleaving" and (
            len(self.treatments) > 1 or self.shares or self.guardrails or self.strata
        ):
            raise ValueError("an interleaving has one treatment, and no shares, guardrails, strata")
        if isinstance(self.decision, GroupSequentialDesign) and not self.planned_users:
            raise ValueError(
                "planned looks need planned_users; `recsys experiment design` works them out"
            )
        return self

    @property
    def variants(self) -> tuple[str, ...]:
        """The control first."""
        return (self.control, *self.treatments)

    def share(self, variant: str) -> float:
        """Return a variant's share of the users who take part."""
        given = self.shares or dict.fromkeys(self.variants, 1.0)
        return given[variant] / sum(given.values())


class Arm(NamedTuple):
    """A variant of an experiment: its identity, and its share of the users."""

    variant: str
    digest: str
    share: float


class Experiment(NamedTuple):
    """A plan whose variants are the very recipes they were when it was made.

    Attributes
    ----------
    plan
        What was written down.
    arms
        The control first.
    digest
        SHA-256 of plan and arms: what is analysed is what was written down.
    """

    plan: Plan
    arms: tuple[Arm, ...]
    digest: str

    @staticmethod
    def of(plan: Plan, arms: tuple[Arm, ...]) -> "Experiment":
        """Give a plan and its arms their digest."""
        return Experiment(plan, arms, digest_of(Experiment(plan, arms, "").said()))

    def said(self) -> dict[str, Any]:
        """Return all that it says, as JSON; the digest is of this."""
        arms = [arm._asdict() for arm in self.arms]
        return {"plan": self.plan.model_dump(mode="json"), "arms": arms}


def digest_of(said: Mapping[str, Any]) -> str:
    """Return the digest of all that an experiment says."""
    text = json.dumps(said, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def define(
    plan: Plan, digests: Mapping[str, str], axes: Mapping[str, tuple[str, ...]]
) -> Experiment:
    """Bind a plan to the variants and segments of a shop.

    Parameters
    ----------
    plan
        What a person wrote.
    digests
        Every variant's digest by its name.
    axes
        Segments by axis.

    Raises
    ------
    ConfigError
        When it names a variant, an axis or a segment that is not there.
    """
    for name in plan.variants:
        if name not in digests:
            raise ConfigError(f"the experiment names no variant {name!r}{nearest(name, digests)}")
    named = {**dict.fromkeys(plan.segments, ()), **plan.audience}
    for axis, segments in (named | ({plan.strata: ()} if plan.strata else {})).items():
        if axis not in axes:
            raise ConfigError(f"there is no axis {axis!r}{nearest(axis, axes)}")
        for segment in segments:
            if segment not in axes[axis]:
                raise ConfigError(
                    f"the axis {axis!r} has no segment {segment!r}{nearest(segment, axes[axis])}"
                )
    arms = tuple(Arm(name, digests[name], plan.share(name)) for name in plan.variants)
    return Experiment.of(plan, arms)
