"""A whole experiment through a service, here one that keeps what it is told."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from recsys.experiments import Enrolment, Experiment, Plan
from recsys.experiments.definition import Arm
from recsys.pipelines.rehearse import days_after, rehearse
from recsys.simulation import Customers, SimulationConfig, Truth

PLAN = Plan(
    name="home", hypothesis="h", control="old", treatments=("new",), primary="ctr", coverage=1.0
)


class Shop:
    """Lists the same for everybody, and writes down what it hears."""

    def __init__(self, items: Sequence[str]) -> None:
        self._items = items
        self.asked: list[str] = []
        self.events: list[dict[str, Any]] = []
        self.life: list[str] = []

    def create_experiment(self, plan: Mapping[str, Any], /) -> Any:
        arms = [{"variant": name, "digest": name, "share": 0.5} for name in ("old", "new")]
        self.life.append("created")
        return {"arms": arms, "digest": "d", "plan": plan}

    def start_experiment(self, name: str, /) -> None:
        self.life.append(f"{name} started")

    def stop_experiment(self, name: str, /) -> None:
        self.life.append(f"{name} stopped")

    def experiment_analysis(self, name: str, /) -> dict[str, Any]:
        return {"experiment": name}

    def recommend(
        self, user_id: str, /, *, session_id: str | None, limit: int, variant: str | None = None
    ) -> Any:
        assert variant is None
        self.asked.append(user_id)
        items = [{"item_id": item} for item in self._items[:limit]]
        return {"recommendation_id": f"r-{session_id}", "items": items}

    def send_events(self, events: Sequence[Any], /) -> None:
        self.events += events


@pytest.fixture(scope="module")
def customers() -> Customers:
    truth = Truth(SimulationConfig(events=8_000, seed=3))
    return Customers(truth, truth.user_ids, seed=5)


@pytest.fixture
def shop() -> Shop:
    truth = Truth(SimulationConfig(events=8_000, seed=3))
    return Shop([str(item) for item in truth.items[:30]])


def test_it_runs_from_the_plan_to_the_analysis(shop: Shop, customers: Customers) -> None:
    found = rehearse(shop, PLAN, customers, range(3))
    assert found == {"experiment": "home"}
    assert shop.life == ["created", "home started", "home stopped"]
    visits = [visit for day in range(3) for visit in customers.visits_on(day)]
    assert shop.asked == [visit.user_id for visit in visits]


def test_what_a_list_led_to_names_it(shop: Shop, customers: Customers) -> None:
    rehearse(shop, PLAN, customers, range(3))
    for event in shop.events:
        named = event.get("recommendation_id")
        assert named in (None, f"r-{event['session_id']}")
        assert (event["event"] == "purchase") == ("amount" in event)
    assert {event["event"] for event in shop.events if "recommendation_id" in event} >= {"click"}
    assert any("recommendation_id" not in event for event in shop.events)


def test_a_broken_page_loses_customers_of_one_variant(shop: Shop, customers: Customers) -> None:
    rehearse(shop, PLAN, customers, range(8), loses={"new": 0.5})
    arms = tuple(Arm(name, name, 0.5) for name in ("old", "new"))
    enrolment = Enrolment(Experiment(PLAN, arms, "d"))
    came = {visit.user_id for day in range(8) for visit in customers.visits_on(day)}
    of = {user: enrolment.of(user, {}).arm.variant for user in came}
    kept = {name: sum(of[u] == name for u in set(shop.asked)) for name in ("old", "new")}
    whole = {name: sum(v == name for v in of.values()) for name in ("old", "new")}
    assert kept["old"] == whole["old"]
    assert 0.3 < kept["new"] / whole["new"] < 0.7


def test_a_second_one_comes_after_the_first(customers: Customers) -> None:
    day = 86_400_000_000
    assert days_after(customers, None, 3) == range(3)
    assert days_after(customers, customers.start - 5 * day, 3) == range(3)
    last = customers.visits_on(2)[-1].time
    assert days_after(customers, last, 3) == range(3, 6)
    assert customers.visits_on(days_after(customers, last, 1)[0])[0].time > last
