"""Contact: when each kind was last, days with a purchase, the best rating; against a slow loop."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.segments import UserFacts
from recsys.segments.facts import Read
from recsys.segments.profiles.contact import FEATURES, KINDS, since

from .conftest import AS_OF, DAY
from .made import gathered

WINDOW = 30.0


class Contacts:
    """Asks for every feature of the family over one window."""

    columns = ()
    reads = tuple(Read(feature.name, WINDOW) for feature in FEATURES)

    def moments(self, as_of: int) -> tuple[int, ...]:
        return (as_of,)


def features_of(rows: list[dict[str, Any]], **others: Any) -> tuple[UserFacts, dict[str, Any]]:
    facts = gathered(rows, [Contacts()], **others)
    return facts, {name: facts.feature(name, window=WINDOW) for name, _, _ in FEATURES}


def slowly(rows: list[dict[str, Any]], user: str) -> dict[str, float]:
    """Read the definitions off a user's events, one by one."""
    mine = [row for row in rows if row["user_id"] == user and 0 < row["days"] <= WINDOW]
    if not mine:
        return {name: np.nan for name, _, _ in FEATURES}
    viewed = [row["item_id"] for row in mine if row["event"] == "view"]
    bought = [row for row in mine if row["event"] == "purchase"]
    contacts = {kind: [row for row in mine if row["event"] == kind] for kind in KINDS}
    contacts["repeat_view"] = [row for row in contacts["view"] if viewed.count(row["item_id"]) > 1]
    contacts["contact"] = [row for row in mine if row["event"] not in ("purchase", "return")]
    found = {
        since(kind): min((row["days"] for row in part), default=np.nan)
        for kind, part in contacts.items()
    }
    ratings = [row["rating"] for row in contacts["rating"]]
    days = {(AS_OF - int(row["days"] * DAY)) // DAY for row in bought}
    return found | {"bought_days": len(days), "best_rating": max(ratings, default=np.nan)}


EVENTS = st.tuples(
    st.sampled_from("abc"),
    st.sampled_from("xy"),
    st.sampled_from(["view", "view", "purchase", "return", "cart", "search", "rating", "click"]),
    st.integers(-8, 160).map(lambda quarters: quarters / 4),
    st.integers(1, 5).map(float),
)


@settings(max_examples=10, deadline=None)
@given(st.lists(EVENTS, min_size=1, max_size=20), st.randoms(use_true_random=False))
def test_every_feature_is_as_its_definition_reads(drawn: list[Any], random: Any) -> None:
    rows = [
        {"user_id": user, "item_id": item, "event": event, "days": days, "rating": rating}
        for user, item, event, days, rating in drawn
    ]
    facts, found = features_of(rows)
    for place, user in enumerate(facts.users.ids.tolist()):
        expected = slowly(rows, user)
        assert {name: values[place] for name, values in found.items()} == pytest.approx(
            expected, rel=0, abs=1e-9, nan_ok=True
        )
    random.shuffle(rows)
    _, mixed = features_of(rows)
    for name, values in found.items():
        np.testing.assert_array_equal(mixed[name], values)


def test_without_times_contacts_are_unknown(facts_of: Any) -> None:
    rows = [{"user_id": "a", "item_id": "x", "event": "view"}]
    facts = facts_of(rows, windows=(), asking=(Contacts(),), timed=False)
    assert all(np.isnan(facts.feature(name, window=WINDOW)).all() for name, _, _ in FEATURES)
