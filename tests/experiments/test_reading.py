"""From a state to an analysis: what the state holds is what is analysed."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recsys.errors import DataError
from recsys.experiments.metrics import METRICS
from recsys.experiments.reading import look
from recsys.experiments.running import opened, written
from recsys.state import Exposure, StateStore

from .made import DAY, experiment

USERS, START = 600, 100 * DAY


@pytest.fixture
def state(tmp_path: Path):
    made = StateStore(f"sqlite:///{tmp_path}/state.db")
    made.create()
    yield made
    made.close()


def begin(state: StateStore, **said):
    one = experiment(primary="orders", segments=("age",), **said)
    state.experiments.create(written(one, now=1))
    state.experiments.start("one", now=2)
    return one


def serve(state: StateStore, one, *, wears_off: bool = False) -> pd.DataFrame:
    """Serve every user once a day for three weeks; the treated order more often."""
    rng, exposures, events = np.random.default_rng(2), [], []
    for user in range(USERS):
        arm = one.arms[user % 2]
        age = "young" if user % 3 else "old"
        exposures += [
            Exposure(
                *(f"r{user}-{day}", f"u{user}", START + day * DAY + user, arm.variant),
                *(arm.digest, "v", None, "one"),
                segments={"age": {age: 0.6, "other": 0.4}},
                items=["i"],
                propensities=[1.0],
                context={},
                session_id=f"s{user}",
                differs=day == 0,
            )
            for day in range(0, 21, 7)
        ]
        for day in range(-28, 21):
            late = wears_off and day >= 7
            chance = 0.2 if user % 2 == 0 or day < 0 or late else 0.3
            if rng.random() < chance:
                events.append((f"u{user}", START + day * DAY + DAY // 2, f"e{user}-{day}"))
    state.exposures.add(exposures)
    frame = pd.DataFrame(events, columns=["user_id", "time", "event_id"])
    frame = frame.assign(event="purchase", session_id="s" + frame["user_id"].str[1:])
    state.add_events(frame)
    return frame


def test_it_is_what_was_served_and_done(state: StateStore) -> None:
    events = serve(state, begin(state))
    found = look(state, "one", METRICS)
    (one,) = found.analysis.primary
    after = events[events["time"] >= START]
    user = after["user_id"].str[1:].astype(int)
    counts = [(user % 2 == arm).sum() / (USERS / 2) for arm in (0, 1)]
    # Those who come more often were known to, by chance: CUPED takes that off again.
    assert one.adjusted_by == ("cuped",)
    assert one.difference.mean == pytest.approx(counts[1] - counts[0], abs=0.3)
    assert found.analysis.users == USERS
    assert found.verdict.answer == "keep running"
    assert {effect.segment for effect in found.analysis.segments} == {"young", "old"}
    assert found.analysis.triggered[0].users == USERS


def test_stopped_it_is_decided(state: StateStore) -> None:
    serve(state, begin(state))
    state.experiments.stop("one", now=START + 21 * DAY)
    found = look(state, "one", METRICS)
    assert found.verdict.answer == "ship"
    assert found.until <= START + 21 * DAY


def test_its_course_and_its_weeks(state: StateStore) -> None:
    serve(state, begin(state), wears_off=True)
    found = look(state, "one", METRICS, days=7)
    assert [point.number for point in found.course][-1] == 21
    assert len(found.course) == 7
    assert found.course[-1].relative == found.analysis.primary[0].relative
    first, second = (point.relative.mean for point in found.weeks)
    assert first > 0.25
    assert abs(second) < 0.15


def test_sessions(state: StateStore) -> None:
    serve(state, begin(state, unit="session"))
    found = look(state, "one", METRICS)
    assert found.analysis.users == USERS
    assert found.analysis.primary[0].difference.mean > 0.5


def test_nothing_at_or_after_the_end(state: StateStore) -> None:
    serve(state, begin(state))
    early = look(state, "one", METRICS, until=START + 7 * DAY)
    assert early.until == START + 7 * DAY
    assert early.analysis.primary[0].control.mean < 2


def test_before_anybody_was_served(state: StateStore) -> None:
    begin(state)
    with pytest.raises(DataError, match="nobody has been served"):
        look(state, "one", METRICS)


def test_lists_without_a_single_event(state: StateStore) -> None:
    one = begin(state)
    arms = [one.arms[user % 2] for user in range(8)]
    state.exposures.add(
        [
            Exposure(
                *(f"r{user}", f"u{user}", START, arm.variant, arm.digest, "v", None, "one"),
                *({}, ["i"], [1.0], {}),
            )
            for user, arm in enumerate(arms)
        ]
    )
    found = look(state, "one", METRICS).analysis
    assert (found.users, found.primary[0].control.mean) == (8, 0.0)


def test_what_is_kept_is_what_was_written_down(state: StateStore) -> None:
    one = begin(state)
    assert opened(state.experiments.of("one")) == one
