"""What came of an experiment: against a slow loop, and by hand."""

import math
from collections import defaultdict

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pydantic import ValidationError

from recsys.experiments.metrics import METRICS, MetricConfig
from recsys.experiments.outcomes import measure_outcomes

from .made import DAY, DIGESTS, drawn, events_of, experiment, lists_of

UNTIL = 60 * DAY
ARMS = {DIGESTS["old"]: 0, DIGESTS["new"]: 1}


def slowly(lists, events, metrics, until):
    """Do the same, a user at a time."""
    of_user, found = defaultdict(list), {}
    every = {row["recommendation_id"] for row in lists}
    for row in lists:
        if row["digest"] in ARMS and row["time"] < until:
            of_user[row["unit_id"]].append(row)
    for user, mine in of_user.items():
        if len({row["digest"] for row in mine}) > 1:
            continue
        first = min(row["time"] for row in mine)
        row = {"arm": ARMS[mine[0]["digest"]], "first": first, "lists": len(mine)}
        own = [e for e in events if e["unit_id"] == user and e["time"] < until]
        for name, metric in metrics.items():
            row |= one_metric(name, metric, own, every, first, len(mine), until)
        found[user] = row
    return found


def one_metric(name, metric, own, every, first, n_lists, until):
    start, end = first + metric.starts, first + metric.ends if metric.ends else until
    end = min(end, until)
    kinds = [e for e in own if metric.event in ("*", e["event"])]
    now = [e for e in kinds if start <= e["time"] < end]
    now = [e for e in now if not metric.attributed or e["recommendation_id"] in every]
    before = [e for e in kinds if first - metric.looks_back <= e["time"] < first]
    over = not metric.ends or first + metric.ends <= until
    row = {name: value_of(metric, now) if over else math.nan}
    row[f"{name}:before"] = value_of(metric, before)
    if metric.per == "list":
        row[f"{name}:per"] = n_lists
    elif metric.per != "user":
        within = [e for e in own if start <= e["time"] < end]
        row[f"{name}:per"] = sum(e["event"] == metric.per for e in within)
    return row


def value_of(metric, events):
    match metric.value:
        case "events":
            return len(events)
        case "any":
            return float(bool(events))
        case "days":
            return len({e["time"] // DAY for e in events})
        case "orders":
            return len({e["basket_id"] if e["basket_id"] else e["event_id"] for e in events})
    scale = 100 if metric.value == "amount" else 1
    return sum(e[metric.value] or 0 for e in events) / scale


@pytest.mark.parametrize("seed", range(5))
def test_it_is_what_a_slow_loop_finds(seed):
    lists, events = drawn(seed)
    lists, events = lists_of([*lists, ("u0", "foreign", 40.0, "another")]), events_of(events)
    of_events = {
        name: metric
        for name, metric in METRICS.items()
        if metric.value not in ("margin", "milliseconds")
    }
    metrics = {**of_events, "late": MetricConfig(after="2d", window="5d", before="9d")}
    found = measure_outcomes(lists, events, experiment(), metrics, until=UNTIL)
    expected = slowly(lists.to_pylist(), events.to_pylist(), metrics, UNTIL)
    assert found.units.index.tolist() == sorted(expected)
    assert found.foreign == 1
    users = {row["unit_id"] for row in lists.to_pylist() if row["digest"] in ARMS}
    assert found.contaminated == len(users) - len(expected)
    for user, row in expected.items():
        assert found.units.loc[user, list(row)].astype(float).to_numpy() == pytest.approx(
            np.array(list(row.values()), dtype=float), nan_ok=True
        )


def test_what_is_at_or_after_the_end_does_not_count():
    lists = lists_of([("u", "r1", 1, "old"), ("u", "r2", 5, "old"), ("late", "r3", 5, "new")])
    events = events_of([{"unit": "u", "event": "purchase", "day": day} for day in (0.5, 2, 5)])
    metrics = {"orders": METRICS["orders"]}
    found = measure_outcomes(lists, events, experiment(), metrics, until=5 * DAY).units
    assert found.index.tolist() == ["u"]
    assert found.loc["u", ["lists", "orders", "orders:before"]].tolist() == [1, 1, 1]


def test_lists_that_would_differ_are_counted():
    lists = lists_of([("u", "r1", 1, "old"), ("u", "r2", 2, "old"), ("v", "r3", 1, "new")])
    differs = pd.array([True, False, None], dtype="boolean")
    lists = lists.append_column("differs", [differs.__arrow_array__()])
    found = measure_outcomes(lists, events_of([]), experiment(), {}, until=UNTIL).units
    assert found["differing"].astype("Int64").tolist() == [1, pd.NA]


def test_without_events_everybody_did_nothing():
    lists = lists_of([("u", "r1", 1, "old"), ("v", "r2", 1, "new")])
    found = measure_outcomes(lists, events_of([]), experiment(), METRICS, until=UNTIL).units
    assert found["conversion"].tolist() == [0.0, 0.0]
    assert found["arm"].tolist() == [0, 1]


def test_a_column_that_is_missing_is_named():
    lists = lists_of([("u", "r1", 1, "old")]).drop_columns(["digest"])
    with pytest.raises(ValueError, match="lack digest"):
        measure_outcomes(lists, events_of([]), experiment(), METRICS, until=UNTIL)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"window": "soon"}, "not a duration"),
        ({"after": "7d", "window": "7d"}, "ends before"),
        ({"per": "list", "winsorise": 0.99}, "not for a ratio"),
        ({"winsorise": 1.0}, "less than 1"),
        ({"value": "feelings"}, "events"),
    ],
)
def test_a_metric_that_cannot_be_meant_is_refused(said, message):
    with pytest.raises(ValidationError, match=message):
        MetricConfig(**said)


def test_two_variants_may_be_one_recipe() -> None:
    """The names are part of an identity: a variant can be held against itself."""
    one = experiment()
    same = one._replace(arms=tuple(arm._replace(digest="same") for arm in one.arms))
    rows = [("u", "r1", 1, "old"), ("v", "r2", 1, "new")]
    lists = lists_of(rows)
    lists = lists.set_column(
        lists.column_names.index("digest"), "digest", pa.array(["same"] * len(rows))
    )
    found = measure_outcomes(lists, events_of([]), same, {}, until=UNTIL)
    assert found.units["arm"].to_dict() == {"u": 0, "v": 1}
    assert (found.contaminated, found.foreign) == (0, 0)


def test_what_is_earned_with_pieces() -> None:
    rows = [
        {"unit": "u", "event": "purchase", "day": 2, "quantity": 3.0},
        {"unit": "u", "event": "purchase", "day": 2},
        {"unit": "u", "event": "view", "day": 2, "quantity": 5.0},
    ]
    events = events_of(rows).append_column("item_id", pa.array(["a", "b", "a"]))
    lists = lists_of([("u", "r1", 1, "old")])
    metrics = {"margin": METRICS["margin"]}
    for margins, earned in (({"a": 1.5, "b": 0.07}, 4.57), ({"a": 1.5}, 4.5), ({}, 0.0)):
        found = measure_outcomes(lists, events, experiment(), metrics, until=UNTIL, margins=margins)
        assert found.units["margin"].tolist() == pytest.approx([earned])


def test_how_long_lists_took() -> None:
    lists = lists_of([("u", "r1", 1, "old"), ("u", "r2", 2, "old"), ("v", "r3", 1, "new")])
    took = lists.append_column("milliseconds", pa.array([2.0, None, None], pa.float64()))
    metrics = {"latency": METRICS["latency"]}
    found = measure_outcomes(took, events_of([]), experiment(), metrics, until=UNTIL).units
    assert found.loc["u", ["latency", "latency:per"]].tolist() == [2.0, 1.0]
    assert np.isnan(found.loc["v", "latency"])
    unknown = measure_outcomes(lists, events_of([]), experiment(), metrics, until=UNTIL).units
    assert unknown["latency"].isna().all()
