"""The ledger between offline and online: evaluations add to it, and print what it says."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import combinations
from typing import Any

import numpy as np

from recsys.config import RecsysConfig
from recsys.errors import RecsysError
from recsys.evaluation import Outcome
from recsys.events.times import parse_time
from recsys.experiments.ledger import ledger_document
from recsys.pipelines.report import measure_of
from recsys.state import Entry, StateStore
from recsys.statistics import paired_t


def keep(config: RecsysConfig, outcome: Outcome) -> tuple[Mapping[str, Any] | None, list[str]]:
    """Add what an evaluation found to the ledger of a shop's state, and return what that says.

    A shop without a state has no ledger, and none is made.

    Returns
    -------
    tuple of Mapping or None, list of str
        The ledger, if there is one with an experiment in it; and what could not be done, in words.
    """
    try:
        with _state(config) as state:
            if state is None:
                return None, []
            state.ledger.add(*differences(outcome, measure_of(config)))
            found = ledger_document(state.ledger.all())
    except RecsysError as error:
        return None, [f"no ledger: {error}"]
    return (found if found["experiments"] else None), []


def differences(outcome: Outcome, measure: str) -> list[Entry]:
    """Return the relative difference of every two variants, paired by user."""
    words = outcome.protocol
    cut = str(words.get("cut", ""))
    source = f"{words['protocol']} {cut}".strip()
    at = parse_time(cut) if cut else 0
    found = []
    results = outcome.results
    for one, other in combinations([r for r in results.values() if r.digest], 2):
        values = [result.per_user[measure].to_numpy(dtype=np.float64) for result in (one, other)]
        known = ~np.isnan(values[0] + values[1])
        if known.sum() < 2:
            continue
        relative = paired_t(values[0][known], values[1][known]).relative
        if math.isfinite(relative.low + relative.high):
            who = (source, one.name, other.name, measure, str(one.digest), str(other.digest))
            ends = (relative.mean, relative.low, relative.high)
            found.append(Entry("offline", *who, *ends, relative.n, at))
    return found


@contextmanager
def _state(config: RecsysConfig) -> Iterator[StateStore | None]:
    state = StateStore(config.state.url)
    try:
        if not state.exists():
            yield None
            return
        state.upgrade()
        yield state
    finally:
        state.close()
