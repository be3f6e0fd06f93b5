"""The truth of a simulated shop: who is what, who wants what, and every user's right ranking."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa

from recsys.errors import ConfigError, DataError, NotFoundError
from recsys.events.schema import CATEGORY, ITEM_ID, MICROSECONDS_PER_DAY, USER_ID
from recsys.events.times import format_time
from recsys.random import generator
from recsys.simulation.config import AXES, BLOCK, DAYS_PER_MONTH, TIERS, SimulationConfig
from recsys.simulation.ids import as_ids, item_ids, user_ids
from recsys.simulation.population import People, make_people
from recsys.simulation.preference import Preference, make_preference
from recsys.simulation.tables import attribute_columns, brand_names
from recsys.types import Floats, Ids, Indices

META: Final = "simulation.json"
RANKED_USERS, RANKED_ITEMS = 1_000, 20
FORMAT: Final = 1
MEANING: Final = {
    "lifts.parquet": "log lift of a category by segment; the mean over an axis' segments is 0",
    "items.parquet": "popularity and growth, months of launch and withdrawal, dearness within the "
    "category, and its repeat chance, pace in days and return rate",
    "users.parquet": "true attributes, level of price, favourite brand and loyalty, activity, the "
    "day of the first visit and the day from which there is none",
    "rankings.parquet": "items by the chance that they are what a user turns to next, at the end",
}


class Truth:
    """What only a simulator knows: each user's chance of turning to each item, at any time.

    It is worked out anew from the config, so that a shop of any size needs no room for it.

    Parameters
    ----------
    config
        The shop.

    Examples
    --------
    >>> truth = Truth(SimulationConfig(events=1000))
    >>> chances = truth.preferences(["0000", "0007"], truth.config.end_time)
    >>> chances.shape == (2, len(truth.items)), chances.sum(axis=1).round(12).tolist()
    (True, [1.0, 1.0])
    """

    def __init__(self, config: SimulationConfig) -> None:
        self.config = config
        self.preference: Preference = make_preference(config)
        self.items: Ids = as_ids(item_ids(config, np.arange(config.n_items)))
        """Item ids, sorted: the columns of `preferences`."""
        self._order = np.argsort(self.preference.catalogue.number)

    @classmethod
    def read(cls, folder: Path) -> "Truth":
        """Return the truth of the shop that was simulated into `folder`.

        Raises
        ------
        DataError
            When the folder holds no simulated shop.
        """
        path = folder / "truth" / META
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            return cls(SimulationConfig(**content["config"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{path} cannot be read: {error}; name a folder that `recsys simulate` wrote"
            ) from error

    def preferences(self, user_ids: Sequence[str], moment: int) -> Floats:
        """Return p(item | user), the chance that an item is what a user turns to next.

        Parameters
        ----------
        user_ids
            Whose; they need not have joined yet.
        moment
            Microseconds, within the period or just at its end.

        Returns
        -------
        Floats
            Shape ``(n_users, n_items)``, items in the order of `items`; rows sum to 1. The
            formula stands in `recsys.simulation.preference`.

        Raises
        ------
        NotFoundError
            When a user is none of the shop's.
        ConfigError
            When the moment is outside the period.
        """
        numbers = np.array([self._number(user_id) for user_id in user_ids], dtype=np.int64)
        month = self._month(moment)
        chances = np.empty((len(numbers), len(self.items)))
        for people, rows, places in self._found(numbers):
            chances[places] = self.preference.chances(people, rows, month)[:, self._order]
        return chances

    def activity(self, user_ids: Sequence[str]) -> Floats:
        """Return how often users visit, against the mean of these, shape ``(n_users,)``.

        Raises
        ------
        NotFoundError
            When a user is none of the shop's.
        """
        numbers = np.array([self._number(user_id) for user_id in user_ids], dtype=np.int64)
        found = np.empty(len(numbers))
        for people, rows, places in self._found(numbers):
            found[places] = people.activity[rows]
        return np.asarray(found / found.mean())

    @property
    def user_ids(self) -> list[str]:
        """Every user of the shop."""
        found: list[str] = user_ids(self.config, np.arange(self.config.n_users)).to_pylist()
        return found

    @property
    def prices(self) -> Indices:
        """Prices in minor units, in the order of `items`."""
        return np.asarray(self.preference.catalogue.price[self._order])

    def _number(self, user_id: str) -> int:
        number = int(user_id) if user_id.isascii() and user_id.isdigit() else -1
        if not 0 <= number < self.config.n_users or self._id(number) != user_id:
            raise NotFoundError(
                f"no user {user_id!r} in this shop; they are {self._id(0)} to "
                f"{self._id(self.config.n_users - 1)}"
            )
        return number

    def _id(self, number: int) -> str:
        return str(user_ids(self.config, np.array([number]))[0].as_py())

    def _month(self, moment: int) -> int:
        start, end = self.config.start_time, self.config.end_time
        if not start <= moment <= end:
            raise ConfigError(
                f"the moment {moment} is outside the shop's period, which is "
                f"{format_time(start)} to {format_time(end)}"
            )
        month = (moment - start) // (DAYS_PER_MONTH * MICROSECONDS_PER_DAY)
        return min(month, self.config.n_months - 1)

    def _found(self, numbers: Indices) -> Iterator[tuple[People, Indices, Indices]]:
        """Yield each block that is needed, its rows, and their places in `numbers`."""
        for block in np.unique(numbers // BLOCK).tolist():
            places = np.flatnonzero(numbers // BLOCK == block)
            yield make_people(self.config, block), numbers[places] % BLOCK, places


def write_meta(config: SimulationConfig, folder: Path) -> None:
    """Write what makes the shop anew, and what the tables beside it mean."""
    content = {"format": FORMAT, "config": config.model_dump(mode="json"), "tables": MEANING}
    (folder / META).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def lift_table(preference: Preference) -> "pa.Table":
    """Return ``axis, segment, category, lift``, a row for each."""
    rows = [
        (axis, segment, category, float(lifts[row, column]))
        for axis, lifts in preference.lifts.items()
        for row, segment in enumerate(AXES[axis])
        for column, category in enumerate(preference.catalogue.categories.names)
    ]
    frame = pd.DataFrame(rows, columns=["axis", "segment", CATEGORY, "lift"])
    return pa.Table.from_pandas(frame, preserve_index=False)


def hidden_items(config: SimulationConfig, preference: Preference) -> "pa.Table":
    """Return what drives each item, sorted by id."""
    items = preference.catalogue
    of_category = {
        name: getattr(items.categories, name)[items.category]
        for name in ("repeat", "pace", "return_rate")
    }
    columns = {name: getattr(items, name) for name in ("popularity", "growth", "dearness")}
    months = {"launched_month": items.launched, "withdrawn_month": items.withdrawn}
    ids = {ITEM_ID: item_ids(config, items.number)}
    return pa.table({**ids, **columns, **months, **of_category}).take(np.argsort(items.number))


def hidden_users(config: SimulationConfig, people: People) -> "pa.Table":
    """Return what drives each user; her own tastes are left to `Truth`."""
    columns = {USER_ID: user_ids(config, people.numbers), **attribute_columns(people)}
    columns["tier"] = pa.array([TIERS[tier] for tier in people.tier])
    columns["brand"] = pa.array(brand_names(config, people.brand))
    names = ("loyalty", "activity", "joins", "leaves")
    return pa.table({**columns, **{name: getattr(people, name) for name in names}})


def rankings(truth: Truth) -> "pa.Table":
    """Return the true top 20 at the end, ``user_id, item_id, rank, probability``.

    Of a seeded sample of 1,000 users where there are more. Ties go to the smaller item id.
    """
    config = truth.config
    rng = generator(config.seed, "rankings")
    size = min(RANKED_USERS, config.n_users)
    numbers = np.sort(rng.choice(config.n_users, size=size, replace=False))
    ids = user_ids(config, numbers).to_pylist()
    tables = [_top(truth, ids[first : first + 100]) for first in range(0, len(ids), 100)]
    return pa.concat_tables(tables)


def _top(truth: Truth, user_ids: list[str]) -> "pa.Table":
    chances = truth.preferences(user_ids, truth.config.end_time)
    best = np.argsort(-chances, axis=1, kind="stable")[:, :RANKED_ITEMS]
    n_users, depth = best.shape
    return pa.table(
        {
            USER_ID: np.repeat(np.array(user_ids, dtype=object), depth),
            ITEM_ID: truth.items[best.ravel()].astype(object),
            "rank": np.tile(np.arange(1, depth + 1), n_users),
            "probability": np.take_along_axis(chances, best, axis=1).ravel(),
        }
    )
