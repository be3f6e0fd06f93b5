"""What an experiment is judged by: what users do after they have first been part of it."""

from collections.abc import Mapping
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import Field, field_validator, model_validator

from recsys.errors import ConfigError, nearest
from recsys.events.schema import MICROSECONDS_PER_DAY, PURCHASE
from recsys.events.times import parse_days
from recsys.types import Config

ANY_EVENT: Final = "*"
USER: Final = "user"
LIST: Final = "list"

Value: TypeAlias = Literal[
    "events", "any", "days", "orders", "amount", "quantity", "margin", "milliseconds"
]
Quantile: TypeAlias = Annotated[float, Field(gt=0.5, lt=1)]


def _micros(duration: str) -> int:
    return int(parse_days(duration) * MICROSECONDS_PER_DAY)


class MetricConfig(Config):
    """A number for each user: of some of her events, from her first list of the experiment on."""

    event: str = Field(PURCHASE, description="the kind of event; * is any")
    value: Value = Field(
        "events",
        description="events: how many; any: 1 if there is one; days, orders: on how many days, in "
        "how many baskets; amount, quantity: their sum; margin: quantities times what the items' "
        "`margin` says is earned with a piece; milliseconds: how long her lists took to make, no "
        "event",
    )
    per: str = Field(
        USER, description="over what: user, list (lists she was served), or a kind of event"
    )
    attributed: bool = Field(
        False, description="whether only events count that name a list of the experiment"
    )
    after: str | None = Field(None, description="count from so long after her first list")
    window: str | None = Field(
        None, description="count until so long after her first list; default until the end"
    )
    before: str = Field("28d", description="so long before her first list says what she was like")
    winsorise: Quantile | None = Field(
        None, description="values above this quantile of all users count as much as it"
    )
    better: Literal["more", "less"] = Field("more", description="which way is better")

    @field_validator("after", "window", "before")
    @classmethod
    def _is_a_duration(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                parse_days(value)
            except ConfigError as error:
                raise ValueError(str(error)) from error
        return value

    @model_validator(mode="after")
    def _has_a_window(self) -> "MetricConfig":
        if self.after and self.window and self.starts >= self.ends:
            raise ValueError(f"window = {self.window!r} ends before after = {self.after!r}")
        if self.is_ratio and self.winsorise:
            raise ValueError("winsorise is for values of users, not for a ratio")
        if self.is_of_lists and (self.per != LIST or self.attributed or self.after or self.window):
            raise ValueError('milliseconds are of lists: per = "list", and no window')
        return self

    @property
    def is_ratio(self) -> bool:
        """Whether it is a sum over a sum, and not a mean over users."""
        return self.per != USER

    @property
    def is_of_lists(self) -> bool:
        """Whether it is told by lists alone, and no event plays a part."""
        return self.value == "milliseconds"

    @property
    def needs_lists(self) -> bool:
        """Whether nothing is told of it before lists of an experiment have been served."""
        return self.attributed or self.per == LIST

    @property
    def sign(self) -> int:
        """1 where more is better, −1 where less is."""
        return 1 if self.better == "more" else -1

    @property
    def starts(self) -> int:
        """Microseconds after the first list."""
        return _micros(self.after) if self.after else 0

    @property
    def ends(self) -> int:
        """Microseconds after the first list; 0: it has no end of its own."""
        return _micros(self.window) if self.window else 0

    @property
    def looks_back(self) -> int:
        """Microseconds before the first list."""
        return _micros(self.before)


METRICS: Final[Mapping[str, MetricConfig]] = {
    "ctr": MetricConfig(event="click", per=LIST, attributed=True),
    "add_to_cart": MetricConfig(event="cart", per=LIST, attributed=True),
    "conversion": MetricConfig(value="any"),
    "orders": MetricConfig(value="orders"),
    "revenue": MetricConfig(value="amount"),
    "units": MetricConfig(value="quantity"),
    "margin": MetricConfig(value="margin"),
    "activity": MetricConfig(event=ANY_EVENT, value="days"),
    "retention": MetricConfig(event=ANY_EVENT, value="any", after="7d", window="14d"),
    "return_rate": MetricConfig(event="return", per=PURCHASE, better="less"),
    "latency": MetricConfig(value="milliseconds", per=LIST, better="less"),
}
"""Those that are always there; a config's own replace one of the same name."""


def of_items(name: str, metrics: Mapping[str, MetricConfig]) -> MetricConfig:
    """Return a metric that counts what is done with items of a list.

    Raises
    ------
    ConfigError
        When there is none of that name, or it is of another kind.
    """
    if name not in metrics:
        raise ConfigError(f"there is no metric {name!r}{nearest(name, metrics)}")
    metric = metrics[name]
    plain = metric.value == "events" and metric.better == "more" and metric.event != ANY_EVENT
    if not (metric.attributed and plain and not metric.after and not metric.window):
        raise ConfigError(
            f"the metric {name!r} does not count what is done with items of a list: name one of "
            "one kind of events that is attributed, without a window, where more is better, such "
            "as ctr"
        )
    return metric


def measurable(
    metrics: Mapping[str, MetricConfig], margins: Mapping[str, float] | None
) -> Mapping[str, MetricConfig]:
    """Return the metrics that can be measured: those of margins only where some are known."""
    return {name: one for name, one in metrics.items() if margins or one.value != "margin"}
