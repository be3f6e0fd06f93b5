"""Facts made by hand: features as they are told, or gathered from events as serving does."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from recsys.interactions import InteractionsConfig, build_catalogue
from recsys.segments import Reference, UserFacts, gather_facts, learn_reference, needs_of
from recsys.segments.facts import Read
from recsys.segments.profiles import Span
from recsys.vocabulary import Vocabulary

from .conftest import AS_OF, event_frame

NOTHING = pd.DataFrame({"available": []}, index=pd.Index([], dtype=object))
NOBODY = pd.DataFrame(index=pd.Index([], dtype=object))

Values = Sequence[float]
MANNERS = ["events", "active_days", "recency", "last_seen", "tenure", "last_gap", "gap", "p_alive"]
MONEY = ["orders", "spend", "order_value", "order_trend"]


class Few:
    """Asks for the features of the first axes alone; all of them would take a second each time."""

    columns = ()

    def __init__(self, windows: Sequence[float] = (np.inf,)) -> None:
        self.reads = tuple(Read(feature, days) for feature in MANNERS + MONEY for days in windows)

    def moments(self, as_of: int) -> tuple[int, ...]:
        return (as_of,)


def few_facts(facts_of: Callable[..., UserFacts]) -> Callable[..., UserFacts]:
    """Return `facts_of` that works out few features."""

    def make(
        rows: list[dict[str, Any]],
        *,
        windows: Sequence[float] = (np.inf,),
        asking: Sequence[Any] = (),
        **others: Any,
    ) -> UserFacts:
        return facts_of(rows, windows=(), asking=(Few(windows), *asking), **others)

    return make


class AtMoments(dict[Span, Any]):
    """Features by the moment that a span ends at, whatever its length."""

    def __init__(self, moments: Mapping[int, Mapping[str, Values]]) -> None:
        super().__init__()
        self.moments = moments

    def __missing__(self, span: Span) -> dict[str, Any]:
        features = self.moments[span.until]
        return {name: np.asarray(values, dtype=np.float64) for name, values in features.items()}


def made_facts(
    features: Mapping[str, Values] | None = None,
    *,
    moments: Mapping[int, Mapping[str, Values]] | None = None,
    attributes: Mapping[str, Sequence[Any]] | None = None,
    as_of: int = AS_OF,
    timed: bool = True,
) -> UserFacts:
    """Users u0, u1, … with these features at the moment, or at each of some moments."""
    at = {as_of: features or {}} if moments is None else moments
    columns = [*at[as_of].values(), *(attributes or {}).values()]
    users = Vocabulary([f"u{number:02d}" for number in range(len(columns[0]))])
    return UserFacts(
        users,
        as_of,
        AtMoments(at),
        {},
        pd.DataFrame({name: list(column) for name, column in (attributes or {}).items()}).set_axis(
            users.ids if attributes else [], axis="index"
        ),
        build_catalogue(NOTHING, [], ()),
        timed,
        Reference(np.empty(0), np.empty(0)),
    )


def gathered(
    rows: Sequence[Mapping[str, Any]],
    asking: Sequence[Any],
    *,
    items: pd.DataFrame = NOTHING,
    attributes: pd.DataFrame = NOBODY,
    as_of: int = AS_OF,
    like: UserFacts | None = None,
) -> UserFacts:
    """Facts as of a moment from events of any time; `like` those of training, or for training."""
    frame = event_frame([dict(row) for row in rows])
    frame = frame[frame["time"] < as_of]
    events = nw.from_native(frame).lazy()
    config = InteractionsConfig()
    columns = ("category", "brand")
    catalogue = like.catalogue if like else build_catalogue(items, frame["item_id"], columns)
    reference = (
        like.reference
        if like
        else learn_reference(events, items, catalogue, target=config.target, timed=True)
    )
    return gather_facts(
        events,
        Vocabulary([row["user_id"] for row in rows]),
        attributes,
        catalogue,
        reference,
        needs_of(asking, as_of=as_of),
        interactions=config,
        as_of=as_of,
        timed=True,
        learning=like is None,
    )
