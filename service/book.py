"""Customers as a process remembers them: read again as soon as anything about them changed."""

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final

import numpy as np
import pandas as pd

from recsys.interactions.own import OwnEvents
from recsys.ranking import Customers, Ranker, Variant, describe
from recsys.ranking.customers import history_of, on_engine
from recsys.ranking.scorer import Scorer
from recsys.segments import Named, from_names
from recsys.state import Consent, Pulse, StateStore
from recsys.types import Indices
from recsys.vocabulary import Vocabulary
from service.served import Served

VIEW: Final = "view"
STRANGER: Final = ""
"""An id that nobody has."""


@dataclass(frozen=True)
class Known:
    """A customer, and what it takes for this to hold.

    Attributes
    ----------
    customers
        She alone.
    consent
        What she agreed to.
    revision, version, moment, n_items
        Of the state, the model, the time she was described at, and the items there were.
    """

    customers: Customers
    consent: Consent
    revision: int
    version: str
    moment: int
    n_items: int
    _scorers: dict[str, tuple[Ranker, Scorer]] = field(default_factory=dict)

    def holds(self, served: Served, pulse: Pulse, moment: int) -> bool:
        """Whether nothing has changed about her since."""
        now = (pulse.revision, served.version, moment, len(served.ranker.model.items))
        return (self.revision, self.version, self.moment, self.n_items) == now

    @cached_property
    def segments(self) -> Named:
        """Her segments by name."""
        return self.customers.memberships.named(0)

    @property
    def user_id(self) -> str:
        """Who she is."""
        return str(self.customers.users.ids[0])

    def seen_as(self, customers: Customers) -> "Known":
        """Return her described otherwise; her side of scores is worked out anew."""
        return replace(self, customers=customers, _scorers={})

    def scorer(self, ranker: Ranker, variant: Variant) -> Scorer:
        """Return her side of the score, worked out once for each variant and catalogue."""
        found = self._scorers.get(variant.digest)
        if found is None or found[0] is not ranker:
            found = (ranker, ranker.scorer(self.customers, 0, variant))
            self._scorers[variant.digest] = found
        return found[1]


class Together:
    """Works memberships out for requests that cannot wait for the process beside.

    All who ask meanwhile are the next batch, for a batch costs little more than one customer: after
    another model was activated, nobody's memberships may be there yet.

    Parameters
    ----------
    state
        Where customers are read.
    """

    def __init__(self, state: StateStore) -> None:
        self._state = state
        self._asking, self._working = threading.Lock(), threading.Lock()
        self._waiting: dict[tuple[str, int], dict[str, Future[Named]]] = {}

    def segments(self, user_id: str, served: Served, moment: int) -> Named:
        """Return the segments of one customer, by name."""
        key = (served.version, moment)
        with self._asking:
            asked = self._waiting.setdefault(key, {}).setdefault(user_id, Future())
        with self._working:
            if not asked.done():
                with self._asking:
                    batch = self._waiting.pop(key)
                self._settle(batch, served, moment)
        return asked.result()

    def _settle(self, batch: Mapping[str, "Future[Named]"], served: Served, moment: int) -> None:
        try:
            memberships = described(self._state, list(batch), served, moment).memberships
            rows = memberships.users.index_of(list(batch)).tolist()
            found = [memberships.named(row) for row in rows]
        except Exception as error:
            for asked in batch.values():
                asked.set_exception(error)
        else:
            for asked, segments in zip(batch.values(), found, strict=True):
                asked.set_result(segments)


class Book:
    """The customers that a process remembers; may be shared between threads.

    Parameters
    ----------
    state
        Where they are read.
    most
        How many are remembered; the one who was away the longest is forgotten first.
    """

    def __init__(self, state: StateStore, most: int) -> None:
        self._state, self._most = state, most
        self._known: OrderedDict[str, Known] = OrderedDict()
        self._together = Together(state)
        self._stranger: tuple[tuple[str, int], Customers] | None = None
        self._lock = threading.Lock()

    def remembered(self, user_id: str, served: Served, pulse: Pulse, moment: int) -> Known | None:
        """Return a customer as she is remembered; None where that does not hold any more."""
        with self._lock:
            known = self._known.get(user_id)
            if known is None or not known.holds(served, pulse, moment):
                return None
            self._known.move_to_end(user_id)
            return known

    def read(self, user_id: str, served: Served, pulse: Pulse, moment: int) -> Known:
        """Read a customer from the state, and remember her."""
        customers = self._described(user_id, served, pulse, moment)
        if pulse.consent == "segment_only":
            customers = customers.by_segments_alone()
        n_items = len(served.ranker.model.items)
        known = Known(customers, pulse.consent, pulse.revision, served.version, moment, n_items)
        with self._lock:
            self._known[user_id] = known
            self._known.move_to_end(user_id)
            while len(self._known) > self._most:
                self._known.popitem(last=False)
        return known

    def extended(self, known: Known, served: Served, further: OwnEvents) -> Known:
        """Return a customer with further events that the state does not hold as hers."""
        own = self._state.own_events(known.user_id, served.ranker.model.items)
        model, both = served.ranker.model, own.and_also(further)
        together = history_of(known.user_id, both, model, as_of=known.moment)
        return known.seen_as(replace(known.customers, histories=together))

    def forget(self, user_id: str) -> None:
        """Forget a customer."""
        with self._lock:
            self._known.pop(user_id, None)

    def last_known(self, user_id: str, served: Served) -> Known | None:
        """Return a customer as she was when the state could be read the last time."""
        known = self._known.get(user_id)
        return known if known is not None and known.version == served.version else None

    def stranger(self, user_id: str, served: Served, moment: int) -> Known:
        """Return a customer of whom nothing is known, or may be; the state need not be there."""
        key = (served.version, moment)
        if self._stranger is None or self._stranger[0] != key:
            nothing = self._state.nothing()
            self._stranger = (key, _described(*nothing, [STRANGER], served, moment))
        unknown = self._stranger[1]
        users = Vocabulary([user_id])
        customers = Customers(
            replace(unknown.histories, users=users), replace(unknown.memberships, users=users)
        )
        return Known(customers, "none", 0, served.version, moment, len(served.ranker.model.items))

    def _described(self, user_id: str, served: Served, pulse: Pulse, moment: int) -> Customers:
        if pulse.consent == "none" or not pulse.revision:
            return self.stranger(user_id, served, moment).customers
        model = served.ranker.model
        segments = self._state.weights_of(user_id, served.version)
        if segments is None:
            # The process beside has not come to her yet.
            segments = self._together.segments(user_id, served, moment)
        events = self._state.own_events(user_id, model.items)
        memberships = from_names(user_id, model.axes, segments)
        return Customers(history_of(user_id, events, model, as_of=moment), memberships)


def described(state: StateStore, user_ids: Sequence[str], served: Served, moment: int) -> Customers:
    """Describe customers by all that the state knows of them, memberships included."""
    events, attributes = state.events_of(user_ids), state.attributes_of(user_ids)
    return _described(events, attributes, user_ids, served, moment)


def _described(
    events: pd.DataFrame,
    attributes: pd.DataFrame,
    user_ids: Sequence[str],
    served: Served,
    moment: int,
) -> Customers:
    model = served.ranker.model
    return describe(on_engine(events), Vocabulary(user_ids), attributes, model, as_of=moment)


def viewed(items: Indices, time: int) -> OwnEvents:
    """Return views of some items at a time."""
    n = len(items)
    kinds = np.full(n, VIEW, dtype=object)
    unknown = np.full(n, np.nan)
    return OwnEvents(items, kinds, np.full(n, time), unknown, unknown)
