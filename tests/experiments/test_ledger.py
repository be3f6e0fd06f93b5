"""What was expected of variants, and what came: entries, their matching, and the exchange rate."""

import numpy as np
import pytest
from scipy import stats

from recsys.experiments.analysis import analyse
from recsys.experiments.ledger import (
    Kept,
    _turned,
    entries_of,
    exchange_rate,
    kept,
    ledger_document,
)
from recsys.experiments.metrics import METRICS
from recsys.experiments.outcomes import Outcomes
from recsys.experiments.preference import decide_preference
from recsys.experiments.reading import Read, ReadPreferences
from recsys.experiments.verdict import decide
from recsys.state import Entry

from .made import DAY, experiment, interleaved, preferences, units


def entry(kind, mean, *, source="e", control="old", variant="new", width=0.02, at=1):
    what = ("m", f"digest of {control}", f"digest of {variant}")
    ends = (mean, mean - width, mean + width)
    return Entry(kind, source, control, variant, *what, *ends, 100, at)


def read(effect, *, share=0.5):
    frame, segments = units(5, 3000, effect=effect, share=share)
    metrics = {"revenue": METRICS["revenue"]}
    one = experiment(primary="revenue")
    found = analyse(one, Outcomes(frame, 0, 0), metrics, segments, stopped=True)
    return Read(found, decide(found, users_per_day=1.0), 0, DAY, (), (), stopped=True)


def test_an_experiment_adds_its_effects():
    found = read(0.5)
    (one,) = entries_of(found)
    (primary,) = found.analysis.primary
    assert (one.kind, one.source, one.control, one.variant) == ("online", "one", "old", "new")
    assert (one.control_digest, one.variant_digest) == ("digest-of-old", "digest-of-new")
    assert (one.mean, one.low, one.high) == (
        primary.relative.mean,
        primary.relative.low,
        primary.relative.high,
    )


def test_one_that_is_invalid_adds_nothing():
    found = read(0.5, share=0.6)
    assert found.verdict.answer == "invalid"
    assert entries_of(found) == []


def test_a_preference_is_added():
    found = preferences(*interleaved(5, 300, better=0.15))
    verdict = decide_preference(found, users_per_day=10)
    (one,) = entries_of(ReadPreferences(found, verdict, 0, DAY, stopped=True))
    assert (one.kind, one.mean) == ("interleaving", found.overall.interval.mean)


def test_the_newest_of_the_same_recipes_stands_beside():
    entries = [
        entry("offline", 0.01, source="may", at=1),
        entry("offline", 0.02, source="june", at=2),
        entry("offline", 0.9, control="other", at=3),
        entry("online", 0.03, at=9),
        entry("interleaving", 0.2),
    ]
    (one,) = kept(entries)
    assert one.offline is entries[1]
    assert one.interleaving is entries[4]
    assert one.off_policy is None


def test_a_difference_may_be_seen_from_the_other_side():
    turned = entry("offline", 0.25, control="new", variant="old", width=0.05)
    (one,) = kept([turned, entry("online", 0.1)])
    assert one.offline.mean == pytest.approx(-0.2)
    assert one.offline.low == pytest.approx(1 / 1.3 - 1)
    assert one.offline.high == pytest.approx(1 / 1.2 - 1)
    preferred = entry("interleaving", 0.25, control="new", variant="old", width=0.05)
    (one,) = kept([preferred, entry("online", 0.1)])
    assert (one.interleaving.mean, one.interleaving.high) == pytest.approx((-0.25, -0.2))


def pairs(rng, n, slope):
    found = []
    for number in range(n):
        x, e = float(rng.uniform(-0.05, 0.1)), float(rng.uniform(0.005, 0.03))
        y = slope * x + float(rng.normal(0, e))
        source = f"e{number}"
        ends = [float(np.expm1(y + k * 1.96 * e)) for k in (0, -1, 1)]
        online = entry("online", 0, source=source)
        online = online._replace(mean=ends[0], low=ends[1], high=ends[2])
        offline = entry("offline", float(np.expm1(x)), source=source)
        found.append(Kept(online, offline, None, None))
    return found


def test_the_rate_is_a_weighted_line_through_the_origin():
    some = pairs(np.random.default_rng(1), 6, 0.5)
    x = np.log1p([one.offline.mean for one in some])
    y = np.log1p([one.online.mean for one in some])
    w = (
        1
        / np.array([(np.log1p(one.online.high) - v) / 1.96 for v, one in zip(y, some, strict=True)])
        ** 2
    )
    found = exchange_rate(some)
    slope = np.linalg.lstsq((np.sqrt(w) * x)[:, None], np.sqrt(w) * y, rcond=None)[0][0]
    assert found.slope.mean == pytest.approx(slope)
    bread = 1 / (w * x * x).sum()
    error = np.sqrt(bread * ((w * x) ** 2 * (y - slope * x) ** 2).sum() * bread * 6 / 5)
    low, high = stats.t.interval(0.95, 5, slope, error)
    assert (found.slope.low, found.slope.high) == pytest.approx((low, high))


def test_the_rate_holds_the_truth():
    rng = np.random.default_rng(2)
    held = 0
    for _ in range(400):
        slope = exchange_rate(pairs(rng, 12, 0.7)).slope
        held += slope.low <= 0.7 <= slope.high
    assert 0.89 <= held / 400 <= 0.99


def test_it_is_the_same_from_the_other_side_and_itself_says_nothing():
    some = pairs(np.random.default_rng(5), 6, 0.5)
    found = exchange_rate(some)
    turned = [Kept(_turned(one.online), _turned(one.offline), None, None) for one in some]
    assert exchange_rate(turned).slope.mean == pytest.approx(found.slope.mean)
    same = entry("online", 0.02, source="aa")._replace(control_digest="d", variant_digest="d")
    itself = Kept(same, entry("offline", 0.0), None, None)
    assert exchange_rate([*some, itself]) == found


def test_two_experiments_say_nothing():
    some = pairs(np.random.default_rng(3), 2, 1.0)
    assert exchange_rate(some) is None
    told = ledger_document([one for pair in some for one in pair[:2]])
    assert told["rate"] is None
    assert told["sentence"].startswith("2 finished experiments have an offline difference")
    assert ledger_document([])["experiments"] == []


def test_what_it_says():
    some = pairs(np.random.default_rng(4), 8, 0.5)
    some = [
        Kept(*(one._replace(control_digest=f"c{n}") if one else None for one in pair))
        for n, pair in enumerate(some)
    ]
    told = ledger_document([one for pair in some for one in pair[:2]])
    assert len(told["experiments"]) == told["rate"]["experiments"] == 8
    assert told["sentence"].startswith("of 8 finished experiments, 1 % more m has meant +0.")
    assert told["experiments"][0]["offline"]["metric"] == "m"


def test_what_came_later_was_not_known_before():
    later = entry("offline", 0.05, at=10)
    assert kept([later, entry("online", 0.1, at=9)])[0].offline is None
    assert kept([later, entry("online", 0.1, at=10)])[0].offline is later


def test_a_loss_of_everything_breaks_nothing():
    lost = entry("offline", -1.0, control="new", variant="old", width=0.1)
    told = ledger_document([lost, entry("online", 0.1), entry("offline", -1.0, variant="other")])
    assert told["experiments"][0]["offline"]["mean"] is None
    assert told["rate"] is None


def test_only_one_measure_and_one_metric_make_a_rate():
    some = pairs(np.random.default_rng(6), 5, 0.5)
    other = [
        one._replace(online=one.online._replace(metric="returns", mean=-0.9, low=-0.95, high=-0.8))
        for one in pairs(np.random.default_rng(7), 3, 0.5)
    ]
    found = exchange_rate([*other, *some])
    assert (found.n, found.online) == (5, "m")
    assert found == exchange_rate(some)


def test_where_less_is_better_a_fall_is_a_gain():
    frame, segments = units(5, 3000, effect=-0.5)
    less = {"revenue": METRICS["revenue"].model_copy(update={"better": "less"})}
    found = analyse(
        experiment(primary="revenue"), Outcomes(frame, 0, 0), less, segments, stopped=True
    )
    (one,) = entries_of(Read(found, decide(found, users_per_day=1.0), 0, DAY, (), ()))
    assert 0 < one.low < one.mean < one.high
