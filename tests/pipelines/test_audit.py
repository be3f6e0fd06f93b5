"""The leakage audit: silent where nothing leaks, and every planted leak is named."""

from dataclasses import replace

import numpy as np
import pytest

from recsys.errors import CheckError
from recsys.events import shop as shops
from recsys.events.attributes import attributes_as_of
from recsys.events.times import LAST
from recsys.interactions.targets import successes
from recsys.pipelines import asked, audit, snapshot, windows
from recsys.pipelines.cases import make_cases
from recsys.pipelines.evaluate import evaluate as run
from recsys.ranking import Customers

CUT = {"cut": "2024-06-01", "test_window": "14d", "k": [5]}
PROTOCOLS = {
    "temporal": CUT,
    "rolling": {**CUT, "origins": 2},
    "new items": {**CUT, "target_rule": "new"},
    "leave_last": {"protocol": "leave_last"},
    "holdout_users": {"protocol": "holdout_users", "users": 15},
    "warm_up": {**CUT, "protocol": "warm_up", "users": 15, "reveal": [0, 2]},
    "first baskets": {
        "protocol": "warm_up",
        "users": 15,
        "reveal": [1, 2],
        "reveal_unit": "baskets",
        "reveal_from": "first",
    },
}


SEGMENTS = {"age": {"kind": "attribute", "column": "age"}, "spending": {"kind": "spending"}}
"""What is said of users, and what sums up what they did."""


@pytest.fixture
def evaluated(shop, make_config, monkeypatch):
    """Evaluate the popular list by a protocol; the audit is part of it."""

    def one(*, learning_windows=1, **evaluation):
        monkeypatch.setattr(windows, "WINDOWS", learning_windows)
        small = {"factors": 2, "iterations": 1}
        config = make_config(evaluation=evaluation, model=small, segments=SEGMENTS)
        return run(shop, config, config.chosen(["popular"]))

    return one


@pytest.mark.parametrize("name", PROTOCOLS)
def test_nothing_leaks(evaluated, name):
    outcome = evaluated(learning_windows=3 if name == "temporal" else 1, **PROTOCOLS[name])
    assert len(outcome.audits) == PROTOCOLS[name].get("origins", 1)
    for found in outcome.audits:
        assert found.held
        assert len(found.artefacts) > 10


# Planted leaks: each patches one step so that it looks past its cut


def later(shop, events, config, take=snapshot.take_snapshot, **options):
    """The snapshot the step should take, and the one of everything there is."""
    catalogue = options.pop("catalogue", None)
    real = take(shop, events, config, **options, catalogue=catalogue)
    everything = replace(shop, events_where=shops.EVERYTHING).events()
    return real, take(shop, everything, config, **options, catalogue=real.catalogue)


def in_matrix(real, everything):
    """What an interaction is worth is scaled by all that will ever be worth something."""
    worth = real.histories.worth / everything.histories.worth.sum()
    return replace(real, histories=replace(real.histories, worth=worth))


def in_popularity(real, everything):
    """Only the faded visits, of which popularity is made, know of later purchases."""
    visits = real.histories.decayed_visits + len(everything.histories.items)
    return replace(real, histories=replace(real.histories, decayed_visits=visits))


def in_profiles(real, everything):
    """Features know how much will ever be bought: each user's, times her later share of it."""
    return replace(real, facts=_with_later_profiles(real, everything))


def _with_later_profiles(real, everything):
    later = everything.histories.aligned(real.facts.users)
    ever = 1 + np.diff(later.indptr)
    profiles = {
        span: {name: values * ever for name, values in features.items()}
        for span, features in real.facts.profiles.items()
    }
    return replace(real.facts, profiles=profiles)


class FitLater(snapshot.Snapshot):
    """Axes are fitted on everything that will be known."""

    def memberships(self, config):
        object.__setattr__(self, "facts", self.__dict__.pop("late", self.facts))
        return super().memberships(config)


def in_memberships(real, everything):
    """Facts are as they were, and the users' segments are not."""
    leaky = FitLater(real.as_of, real.facts, real.histories)
    object.__setattr__(leaky, "late", _with_later_profiles(real, everything))
    return leaky


@pytest.mark.parametrize(
    ("plant", "named"),
    [
        (in_matrix, "interactions of training"),
        (in_popularity, "purchases of training"),
        (in_profiles, "profiles of training"),
        (in_memberships, "memberships of training"),
    ],
)
def test_a_leak_into_training_is_named(evaluated, monkeypatch, plant, named):
    def leaky(*arguments, **options):
        return plant(*later(*arguments, **options))

    monkeypatch.setattr(windows, "take_snapshot", leaky)
    # The cut, what knows of what came after it, and what to do.
    with pytest.raises(CheckError, match=rf"2024-06-01T00:00:00Z.*{named}.*revealed events alone"):
        evaluated(**CUT)


def test_a_leak_into_priors_and_weights_is_named(evaluated, monkeypatch):
    """What is bought again is learnt from a window that reaches past the cut."""

    def leaky(look, since, before):
        events = replace(look.shop, events_where=shops.EVERYTHING).events(since=since)
        target, items = look.config.interactions.target, look.now.catalogue.items
        return windows.bought_between(events, target, items)

    monkeypatch.setattr(windows._Look, "bought", leaky)
    with pytest.raises(CheckError, match=r"targets of window 1.*what came back"):
        evaluated(**CUT)


def whole(shop):
    """The shop with all the events there are, of the same users."""
    return replace(shop, events_where=shop.users_where)


def asked_too_late(known, bought, seeds, catalogue, *, as_of):
    """Cases are asked about everything that left-out users will ever buy."""
    everything = successes(whole(known), ["purchase"], since=as_of)
    return make_cases(known, everything, seeds, catalogue, as_of=as_of)


def known_too_early(known, bought, seeds, catalogue, *, as_of):
    """Of cases the newest events are known, and not those before their window."""
    return make_cases(whole(known), bought, seeds, catalogue, as_of=as_of)


@pytest.mark.parametrize(
    ("leaky", "named"),
    [
        (asked_too_late, r"targets of learning window 1"),
        (known_too_early, r"cases of learning window 1, cases of learning window 2"),
    ],
)
def test_a_leak_into_the_cases_of_a_window_is_named(evaluated, monkeypatch, leaky, named):
    monkeypatch.setattr(windows, "make_cases", leaky)
    with pytest.raises(CheckError, match=named):
        evaluated(learning_windows=2, **CUT)


def test_an_attribute_that_is_valid_only_later_is_named(evaluated, monkeypatch):
    """No user of the sample ever changed, and still the audit sees that the moment is ignored."""
    monkeypatch.setattr(
        shops, "attributes_as_of", lambda users, as_of: attributes_as_of(users, max(as_of, LAST))
    )
    with pytest.raises(CheckError, match=r"attributes of training.*memberships of training"):
        evaluated(**CUT)


@pytest.mark.parametrize("name", ["warm_up", "holdout_users", "first baskets"])
def test_a_truncated_user_who_keeps_her_tier_is_named(evaluated, monkeypatch, name):
    """Her history is cut short, and her segments are still those of all she ever did."""

    def leaky(events, users, attributes, model, *, as_of, relation=None):
        real = describe(events, users, attributes, model, as_of=as_of)
        everything = shops.frame(connection_of(events), "events")
        whole = describe(everything, users, attributes, model, as_of=as_of)
        return Customers(real.histories, whole.memberships)

    describe = asked.describe
    seen = {}

    def connection_of(events):
        return seen["connection"]

    original = shops.Shop.events

    def remembered(self, **bounds):
        seen["connection"] = self.connection
        return original(self, **bounds)

    monkeypatch.setattr(shops.Shop, "events", remembered)
    monkeypatch.setattr(asked, "describe", leaky)
    monkeypatch.setattr(audit, "describe", leaky)
    with pytest.raises(CheckError, match="memberships of asked users"):
        evaluated(**PROTOCOLS[name])


def test_a_leak_around_the_shop_is_named(evaluated, monkeypatch):
    """Even a step that reads the table behind the shop's back finds noise there."""

    def leaky(shop, events, config, **options):
        real = snapshot.take_snapshot(shop, events, config, **options)
        late = shops.frame(shop.connection, "events", "time >= 1717200000000000")
        sold = late.select("quantity").collect("pandas").to_native()["quantity"].sum()
        return replace(real, histories=replace(real.histories, worth=real.histories.worth * sold))

    monkeypatch.setattr(windows, "take_snapshot", leaky)
    with pytest.raises(CheckError, match="interactions of training"):
        evaluated(**CUT)
