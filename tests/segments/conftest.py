from collections.abc import Callable
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
import pytest

from recsys.events.schema import EVENT_COLUMNS
from recsys.events.times import parse_time
from recsys.interactions import InteractionsConfig, build_catalogue
from recsys.segments import FEATURES, UserFacts, gather_facts, learn_reference, needs_of
from recsys.segments.facts import Read
from recsys.segments.shares import Column
from recsys.vocabulary import Vocabulary

AS_OF = parse_time("2024-07-01")
DAY = 86_400_000_000
INTEGERS = ("time", "amount", "discount")
NUMBERS = ("quantity", "rating", "sentiment")


def event_frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Events as they stand inside; `days` is how long before the moment, `amount` minor units."""
    frame = pd.DataFrame(rows).reindex(columns=[*EVENT_COLUMNS, "days"])
    if frame["days"].notna().any():
        frame["time"] = AS_OF - (frame["days"].astype(float) * DAY).astype("int64")
    frame["event"] = frame["event"].astype("object").fillna("purchase")
    frame["event_id"] = [f"e{number}" for number in range(len(frame))]
    types = dict.fromkeys(INTEGERS, "Int64") | dict.fromkeys(NUMBERS, "float64")
    texts = [name for name in EVENT_COLUMNS if name not in types]
    frame[texts] = frame[texts].astype("object").where(frame[texts].notna(), None)
    return frame.drop(columns="days").astype(types)


class Everything:
    """Asks for every feature over some windows, and for every column of the items."""

    def __init__(self, windows: tuple[float, ...]) -> None:
        self.reads = tuple(Read(feature, days) for feature in FEATURES for days in windows)
        self.columns = (Column("category", 1), Column("category", 2), Column("brand", 1))

    def moments(self, as_of: int) -> tuple[int, ...]:
        return (as_of,)


@pytest.fixture(scope="session")
def facts_of() -> Callable[..., UserFacts]:
    """Facts of a few hand-made events, read through the code that training uses."""

    def make(
        rows: list[dict[str, Any]],
        *,
        users: list[str] | None = None,
        attributes: pd.DataFrame | None = None,
        items: pd.DataFrame | None = None,
        windows: tuple[float, ...] = (np.inf,),
        asking: tuple[Any, ...] = (),
        timed: bool = True,
        own_brands: tuple[str, ...] = (),
    ) -> UserFacts:
        frame = event_frame(rows)
        events = nw.from_native(frame).lazy()
        config = InteractionsConfig()
        empty = pd.DataFrame({"available": []}, index=pd.Index([], dtype=object))
        file = empty if items is None else items
        catalogue = build_catalogue(file, frame["item_id"].dropna(), ("category", "brand"))
        return gather_facts(
            events,
            Vocabulary(users or sorted({row["user_id"] for row in rows})),
            pd.DataFrame(index=pd.Index([], dtype=object)) if attributes is None else attributes,
            catalogue,
            learn_reference(
                events, file, catalogue, target=config.target, timed=timed, own_brands=own_brands
            ),
            needs_of((Everything(windows), *asking), as_of=AS_OF),
            interactions=config,
            as_of=AS_OF,
            timed=timed,
            learning=True,
        )

    return make
