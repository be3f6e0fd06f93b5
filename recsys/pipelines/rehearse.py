"""Experiments on customers whose truth is known, before there are any on real ones."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from recsys.events.schema import MICROSECONDS_PER_DAY, MINOR_UNITS
from recsys.events.times import format_time
from recsys.experiments import Enrolment, Experiment, Plan
from recsys.experiments.definition import Arm
from recsys.pipelines.progress import Progress, silent
from recsys.random import generator
from recsys.simulation import Customers, Deed, Visit

EVENTS_AT_ONCE: Final = 200
LIMIT: Final = 10
"""Length of the lists that are asked for."""


class Storefront(Protocol):
    """A service, as a shop sees it: `recsys.client.Client` is one."""

    def recommend(
        self, user_id: str, /, *, session_id: str | None, limit: int, variant: str | None = None
    ) -> Any:
        """Return a list."""
        ...

    def send_events(self, events: Sequence[Any], /) -> Any:
        """Tell what was done."""
        ...

    def create_experiment(self, plan: Mapping[str, Any], /) -> Any:
        """Write an experiment down."""
        ...

    def start_experiment(self, name: str, /) -> Any:
        """Let it run."""
        ...

    def stop_experiment(self, name: str, /) -> Any:
        """End it."""
        ...

    def experiment_analysis(self, name: str, /) -> dict[str, Any]:
        """Look at it."""
        ...


def rehearse(
    shop: Storefront,
    plan: Plan,
    customers: Customers,
    days: range,
    *,
    loses: Mapping[str, float] | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Run a whole experiment through a service: customers come, are shown lists, and answer them.

    Parameters
    ----------
    shop
        The service.
    plan
        What is tried.
    customers
        Who comes.
    days
        Days after the shop's end; a later experiment takes later ones.
    loses
        Variant -> the share of its customers whom a broken page keeps from ever asking for a list.
    progress
        Where to say how far it is.

    Returns
    -------
    dict
        The analysis, as the service gives it.

    Raises
    ------
    RecsysError
        When the service refuses, or cannot be reached.
    """
    written = shop.create_experiment(plan.model_dump(mode="json"))
    arms = tuple(Arm(**arm) for arm in written["arms"])
    lost = _lost(Experiment(plan, arms, written["digest"]), customers, loses or {})
    shop.start_experiment(plan.name)
    waiting: list[dict[str, Any]] = []
    with progress(plan.name, len(days)) as advance:
        for day in days:
            for visit in customers.visits_on(day):
                if visit.user_id in lost:
                    continue
                waiting += show(shop, customers, visit)
                if len(waiting) >= EVENTS_AT_ONCE:
                    shop.send_events(waiting)
                    waiting = []
            shop.send_events(waiting)
            waiting = []
            advance()
    shop.stop_experiment(plan.name)
    return shop.experiment_analysis(plan.name)


def show(
    shop: Storefront, customers: Customers, visit: Visit, *, variant: str | None = None
) -> list[dict[str, Any]]:
    """Show a customer a list, and return the events of her visit.

    Parameters
    ----------
    shop, customers
        The service, and who comes.
    visit
        Hers.
    variant
        What is asked for by name; by default what the service gives her.
    """
    session = visit.session_id
    answer = shop.recommend(visit.user_id, session_id=session, limit=LIMIT, variant=variant)
    deeds = customers.answer(visit, [item["item_id"] for item in answer["items"]])
    return [_event(visit, deed, answer["recommendation_id"]) for deed in deeds]


def _event(visit: Visit, deed: Deed, recommendation_id: str) -> dict[str, Any]:
    event: dict[str, Any] = {
        "user_id": visit.user_id,
        "item_id": deed.item_id,
        "event": deed.event,
        "timestamp": format_time(deed.time),
        "session_id": visit.session_id,
    }
    if deed.amount:
        event |= {"quantity": 1, "amount": deed.amount / MINOR_UNITS, "basket_id": visit.session_id}
    return event | ({"recommendation_id": recommendation_id} if deed.listed else {})


def days_after(customers: Customers, newest: int | None, n: int) -> range:
    """Return so many days after the shop's end, and after everything that has happened since.

    Parameters
    ----------
    customers
        Who comes.
    newest
        Time of the newest event, microseconds; None without one.
    n
        How many days.
    """
    passed = max((newest or 0) + 1 - customers.start, 0)
    first = -(-passed // MICROSECONDS_PER_DAY)
    return range(first, first + n)


def _lost(
    experiment: Experiment, customers: Customers, loses: Mapping[str, float]
) -> frozenset[str]:
    """Return the customers of whom a broken page makes nothing: an arm is known from the id."""
    enrolment, found = Enrolment(experiment), []
    for user_id in customers.user_ids:
        enrolled = enrolment.of(user_id, {}) if loses else None
        share = 0.0 if enrolled is None else loses.get(enrolled.arm.variant, 0.0)
        if share and generator(customers.seed, "lost", user_id).random() < share:
            found.append(user_id)
    return frozenset(found)
