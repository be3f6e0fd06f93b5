from collections.abc import Callable
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
import pytest

from recsys.events.schema import EVENT_COLUMNS
from recsys.events.times import parse_time
from recsys.interactions import (
    HALF_LIVES,
    InteractionsConfig,
    build_catalogue,
    build_histories,
    pair_table,
)
from recsys.segments import UserFacts, profiles_over
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
        timed: bool = True,
    ) -> UserFacts:
        events = nw.from_native(event_frame(rows)).lazy()
        config = InteractionsConfig()
        table = pair_table(events, config, as_of=AS_OF, timed=timed, half_lives=HALF_LIVES)
        empty = pd.DataFrame({"available": []}, index=pd.Index([], dtype=object))
        catalogue = build_catalogue(
            empty if items is None else items, table["item_id"], ("category", "brand")
        )
        known = Vocabulary(users or sorted({row["user_id"] for row in rows}))
        histories = build_histories(table, known, catalogue.items, as_of=AS_OF)
        described = profiles_over(windows, events, config.target, as_of=AS_OF, timed=timed)
        file = pd.DataFrame(index=pd.Index([], dtype=object)) if attributes is None else attributes
        return UserFacts(histories, described, file, catalogue, timed)

    return make
