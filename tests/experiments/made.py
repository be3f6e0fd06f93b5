"""Experiments, lists and events of tests, made from a seed."""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from recsys.experiments import Experiment, Plan, define
from recsys.experiments.interleaving import SIDES, coins, team_draft
from recsys.experiments.metrics import METRICS
from recsys.experiments.preference import Preferences, prefer

DAY = 86_400_000_000
DIGESTS = {"old": "digest-of-old", "new": "digest-of-new", "newer": "digest-of-newer"}
AXES = {"age": ("young", "old"), "region": ("north", "south")}


def experiment(**said: Any) -> Experiment:
    """Return an experiment of "new" against "old"; what is said replaces the plan's words."""
    plan = {
        "name": "one",
        "hypothesis": "better",
        "control": "old",
        "treatments": ("new",),
        "primary": "conversion",
        **said,
    }
    return define(Plan(**plan), DIGESTS, AXES)


def lists_of(rows: list[tuple[str, str, float, str]]) -> pa.Table:
    """Return served lists of (unit, recommendation, day, variant)."""
    frame = pd.DataFrame(rows, columns=["unit_id", "recommendation_id", "time", "digest"])
    frame["time"] = (frame["time"] * DAY).astype("int64")
    frame["variant"] = frame["digest"]
    frame["digest"] = frame["digest"].map(lambda name: DIGESTS.get(name, name))
    return pa.Table.from_pandas(frame, preserve_index=False)


def events_of(rows: list[dict[str, Any]]) -> pa.Table:
    """Return events of {unit, event, day, …}; what is not said is unknown."""
    frame = pd.DataFrame(
        {
            "unit_id": pd.array([row["unit"] for row in rows], dtype="string"),
            "event": pd.array([row["event"] for row in rows], dtype="string"),
            "time": np.array([int(row["day"] * DAY) for row in rows], dtype=np.int64),
            "event_id": pd.array([f"e{number}" for number in range(len(rows))], dtype="string"),
            "basket_id": pd.array([row.get("basket") for row in rows], dtype="string"),
            "amount": pd.array([row.get("amount") for row in rows], dtype="Int64"),
            "quantity": pd.array([row.get("quantity") for row in rows], dtype="Float64"),
            "recommendation_id": pd.array([row.get("list") for row in rows], dtype="string"),
        }
    )
    return pa.Table.from_pandas(frame, preserve_index=False)


def drawn(seed: int, users: int = 60) -> tuple[list[Any], list[dict[str, Any]]]:
    """Draw lists and events of some users."""
    rng = np.random.default_rng(seed)
    lists, events = [], []
    for user in range(users):
        variant = str(rng.choice(["old", "new"]))
        for number in range(int(rng.integers(1, 5))):
            said = variant if rng.random() < 0.97 else "new"
            lists.append((f"u{user}", f"r{user}-{number}", float(rng.uniform(30, 50)), said))
        for number in range(int(rng.integers(0, 20))):
            kind = str(rng.choice(["click", "cart", "purchase", "return", "view"]))
            shown = f"r{int(rng.integers(users))}-{number % 4}" if rng.random() < 0.5 else None
            events.append(
                {
                    "unit": f"u{user}",
                    "event": kind,
                    "day": float(rng.uniform(0, 70)),
                    "basket": f"b{user}-{number // 2}" if rng.random() < 0.7 else None,
                    "amount": int(rng.integers(100, 5000)) if kind == "purchase" else None,
                    "quantity": 1.0 if kind == "purchase" else None,
                    "list": shown,
                }
            )
    return lists, events


def units(
    seed: int,
    users: int,
    *,
    effect: float = 0.0,
    spread: float = 1.0,
    only: str | None = None,
    share: float = 0.5,
    held: float = 0.0,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Draw what `measure_outcomes` would find: users with a value that the treatment raises.

    Parameters
    ----------
    seed, users
        Of the draw.
    effect
        What the treatment adds to ``revenue``; `only` in one segment of ``age``.
    spread
        Standard deviation of a value around what was known before.
    share
        Of the users who are treated.
    held
        How much of a user's value was there before the start.
    """
    rng = np.random.default_rng(seed)
    arm = (rng.random(users) < share).astype(int)
    age = rng.choice(["young", "old"], users)
    before = rng.normal(10, 2, users)
    touched = arm * (1.0 if only is None else (age == only))
    value = 10 + held * (before - 10) + effect * touched + rng.normal(0, spread, users)
    names = pd.Index([f"u{number}" for number in range(users)], name="unit_id")
    frame = pd.DataFrame(
        {
            "arm": arm,
            "first": 0,
            "last": DAY,
            "lists": 3,
            "differing": pd.array([None] * users, dtype="Int64"),
            "revenue": value,
            "revenue:before": before if held else 0.0,
            "conversion": (value > 10).astype(float),
            "conversion:before": 0.0,
        },
        index=names,
    )
    return frame, pd.DataFrame({"age": age}, index=names)


def interleaved(seed, users, *, better=0.0, only=None):
    """Draw interleaved lists, and clicks that the treatment's picks draw more of."""
    rng = np.random.default_rng(seed)
    catalogue = [f"i{number}" for number in range(20)]
    lists, clicks = [], []
    ages = dict.fromkeys([f"u{user}" for user in range(users)])
    for user in ages:
        ages[user] = str(rng.choice(["young", "old"]))
        gain = better * (only in (None, ages[user]))
        for number in range(int(rng.integers(1, 4))):
            name = f"{user}-{number}"
            rankings = [list(rng.permutation(catalogue)) for _ in SIDES]
            drafted = team_draft(*rankings, 6, coins(name))
            lists.append((user, name, int(rng.uniform(0, 29) * DAY), *drafted))
            for item, side in zip(*drafted, strict=True):
                if rng.random() < 0.2 + gain * (side == "treatment"):
                    clicks += [(user, name, item)] * int(rng.integers(1, 3))
    return lists, clicks, ages


def tables_of(lists, clicks, ages):
    columns = ["unit_id", "recommendation_id", "time", "items", "sides"]
    frame = pd.DataFrame(lists, columns=columns)
    frame = frame.assign(variant="old", digest=DIGESTS["old"])
    events = pd.DataFrame(clicks, columns=["unit_id", "recommendation_id", "item_id"])
    events = events.assign(event="click", time=29 * DAY)
    segments = pd.DataFrame({"age": pd.Series(ages, dtype=object)})
    return pa.Table.from_pandas(frame), pa.Table.from_pandas(events), segments


def preferences(lists, clicks, ages, **said) -> Preferences:
    one = experiment(kind="interleaving", primary="ctr", segments=("age",), **said)
    shown, events, segments = tables_of(lists, clicks, ages)
    stopped = "decision" not in said
    return prefer(shown, events, one, METRICS["ctr"], segments, until=30 * DAY, stopped=stopped)
