"""Cases: users a window leaves out, of whom no more is known than is said."""

from hashlib import md5

import numpy as np
import pandas as pd
import pytest

from recsys.engines import connect
from recsys.events.shop import read_shop
from recsys.events.sources import Further
from recsys.events.times import parse_time
from recsys.events.validation import Intake
from recsys.interactions.targets import successes
from recsys.pipelines import cases as module
from recsys.pipelines.cases import AMOUNTS, BETWEEN, KNOWN, LEFT_OUT, Seeds, make_cases
from recsys.vocabulary import Vocabulary

ITEMS = [f"i{number:02d}" for number in range(40)]
CATALOGUE = Vocabulary(ITEMS)
START = "2024-03-01T00:00:00Z"
AS_OF = parse_time(START, what="start")
N_USERS = 50
SEEDS = Seeds(42, 0)


def made(*, timed=True):
    """Fifty users with up to forty events of up to thirty items, half of it after the start."""
    rng = np.random.default_rng(3)
    sizes = rng.integers(0, 60, size=N_USERS)
    users = np.repeat([f"u{number:02d}" for number in range(N_USERS)], sizes)
    n = len(users)
    days = rng.integers(-40, 30, size=n)
    table = pd.DataFrame(
        {
            "event_id": [f"e{number:04d}" for number in range(n)],
            "user_id": users,
            "item_id": rng.choice(ITEMS, size=n),
            "event": rng.choice(["purchase", "purchase", "view"], size=n),
            "timestamp": (pd.Timestamp(START) + pd.to_timedelta(days, unit="D")).astype(str),
        }
    )
    return table if timed else table.drop(columns="timestamp")


PEOPLE = pd.DataFrame(
    {
        "user_id": [f"u{number:02d}" for number in range(N_USERS)],
        "age": ["old", "young"] * (N_USERS // 2),
    }
)


@pytest.fixture
def open_shop():
    opened = []

    def read(table, **further):
        opened.append(read_shop(connect(threads=2), table, Intake({}, "purchase"), **further))
        return opened[-1]

    yield read
    for shop in opened:
        shop.close()


def found_in(shop, seeds=SEEDS, *, since=AS_OF, length=None):
    """The cases of the window's left-out users, and what is known of each as a frame."""
    mine = shop.where(events=seeds.left_out, users=seeds.left_out)
    known = mine.where(events=f"time < {since}") if shop.timed else mine
    before = None if length is None else since + length
    bought = successes(mine, ["purchase"], since=since if shop.timed else None, before=before)
    cases = make_cases(known, bought, seeds, CATALOGUE, as_of=since)
    return cases, cases.events.collect("pandas").to_native()


def parts(case):
    user, _, amount = case.partition(BETWEEN)
    return user, amount


def left_out(users, seeds):
    """The same fold by another route: the first 32 bits of the digest."""
    return {
        user
        for user in users
        if int(md5(f"left out {seeds.seed}/{user}".encode()).hexdigest()[:8], 16) % LEFT_OUT
        == seeds.window
    }


EVERYBODY = PEOPLE["user_id"].tolist()


# Who is left out


def test_each_window_leaves_out_another_fifth_and_all_of_them_everybody():
    folds = [left_out(EVERYBODY, Seeds(42, number)) for number in range(LEFT_OUT)]
    assert sorted(user for fold in folds for user in fold) == EVERYBODY
    assert folds != [left_out(EVERYBODY, Seeds(43, number)) for number in range(LEFT_OUT)]


@pytest.mark.parametrize("window", range(3))
def test_cases_are_of_left_out_users_who_bought_something(open_shop, window):
    table, seeds = made(), Seeds(42, window)
    cases, _ = found_in(open_shop(table), seeds)
    bought = table[(table["timestamp"] >= START[:10]) & (table["event"] == "purchase")]
    expected = left_out(EVERYBODY, seeds) & set(bought["user_id"])
    assert {parts(case)[0] for case in cases.users.ids} == expected != set()


# What is known of them


def slow_known(table, user, amount):
    """The newest items and from when on they are known, whatever was done with them."""
    mine = table[(table["user_id"] == user) & (table["timestamp"] < START[:10])]
    if amount == "all":
        return set(mine["event_id"])
    last = mine.groupby("item_id")["timestamp"].max()
    order = sorted(last.index)
    order.sort(key=lambda item: last[item], reverse=True)
    kept = order[: int(amount)]
    since = last[kept].min() if kept else None
    known = mine[mine["item_id"].isin(kept) & (mine["timestamp"] >= since)] if kept else mine[:0]
    return set(known["event_id"])


def test_what_is_known_of_a_case_is_its_newest_items_and_nothing_after_the_start(open_shop):
    table = made()
    cases, events = found_in(open_shop(table))
    assert (events["time"] < AS_OF).all()
    seen = set()
    for case in cases.users.ids.tolist():
        user, amount = parts(case)
        known = set(events.loc[events["user_id"] == case, "event_id"])
        assert known == slow_known(table, user, amount), case
        seen.add(amount)
    assert seen >= {"0", "1", "3", "5", "10", "all"}
    assert set(events["user_id"]) <= set(cases.users.ids.tolist())


def test_a_user_is_a_case_of_every_amount_she_has_more_of(open_shop):
    table = made()
    cases, _ = found_in(open_shop(table))
    early = table[table["timestamp"] < START[:10]]
    have = early.groupby("user_id")["item_id"].nunique()
    amounts = {}
    for case in cases.users.ids.tolist():
        user, amount = parts(case)
        amounts.setdefault(user, set()).add(amount)
    for user, found in amounts.items():
        expected = {str(n) for n in AMOUNTS if n < have.get(user, 0)}
        assert found == {*expected, "all"}


def test_the_owners_of_cases_are_their_users(open_shop):
    cases, _ = found_in(open_shop(made()))
    users = [parts(case)[0] for case in cases.users.ids.tolist()]
    owners = cases.owners.tolist()
    assert len(set(owners)) == len(set(users))
    assert {*zip(users, owners, strict=True)} == {*zip(users, cases.owners, strict=True)}
    assert len({*zip(users, owners, strict=True)}) == len(set(users))


def test_of_many_cases_of_an_amount_some_are_drawn_by_their_names(open_shop, monkeypatch):
    shop = open_shop(made())
    everything, _ = found_in(shop)
    monkeypatch.setattr(module, "MOST", 2)
    monkeypatch.setattr(module, "MOST_WHOLE", 4)
    few, events = found_in(shop)
    again, _ = found_in(shop)
    other, _ = found_in(shop, Seeds(7, 0))
    amounts = [parts(case)[1] for case in few.users.ids.tolist()]
    counts = {amount: amounts.count(amount) for amount in amounts}
    assert counts.pop(module.ALL) == 4
    assert max(counts.values()) == 2
    assert set(few.users.ids) < set(everything.users.ids)
    assert few.users.ids.tolist() == again.users.ids.tolist() != other.users.ids.tolist()
    assert set(events["user_id"]) <= set(few.users.ids.tolist())


# What they are asked for


@pytest.mark.parametrize("days", [7, None])
def test_targets_are_what_was_bought_in_the_window(open_shop, days):
    table = made()
    length = None if days is None else days * 86_400_000_000
    cases, _ = found_in(open_shop(table), length=length)
    inside = (table["timestamp"] >= START[:10]) & (table["event"] == "purchase")
    if days is not None:
        end = pd.Timestamp(START) + pd.Timedelta(days=days)
        inside &= pd.to_datetime(table["timestamp"], utc=True) < end
    bought = table[inside].groupby("user_id")["item_id"].agg(set)
    for case, items in zip(cases.users.ids.tolist(), cases.targets.by_user(), strict=True):
        assert {ITEMS[item] for item in items} == bought[parts(case)[0]]
        assert len(items) == len(set(items.tolist()))


def test_an_item_outside_the_catalogue_is_a_target_that_cannot_be_found(open_shop):
    table = made()
    late = (table["timestamp"] >= START[:10]) & (table["event"] == "purchase")
    table.loc[late, "item_id"] = "brand new"
    cases, _ = found_in(open_shop(table))
    assert cases.targets.items.tolist() == [-1] * len(cases.users)


def test_nobody_who_bought_is_no_case(open_shop):
    table = made()
    late = table["timestamp"] >= START[:10]
    table.loc[late, "event"] = "view"
    cases, events = found_in(open_shop(table))
    assert len(cases.users) == len(cases.owners) == len(events) == 0


# Attributes


def test_attributes_are_those_of_the_owner_and_nothing_that_sums_up_what_she_did(open_shop):
    campaigns = pd.DataFrame(
        {"campaign_id": ["c"], "starts": ["2024-02-01"], "ends": ["2024-02-10"]}
    )
    sent = pd.DataFrame({"campaign_id": "c", "user_id": EVERYBODY})
    further = Further(campaigns=campaigns, campaign_users=sent)
    shop = open_shop(made(), users=PEOPLE.iloc[10:], further=further)
    assert len(set(shop.users(as_of=AS_OF).columns) - {"age"}) > 0  # how campaigns were answered
    cases, _ = found_in(shop)
    assert list(cases.attributes.columns) == ["age"]
    ages = PEOPLE.iloc[10:].set_index("user_id")["age"]
    expected = {
        case: ages[parts(case)[0]]
        for case in cases.users.ids.tolist()
        if parts(case)[0] in ages.index
    }
    assert cases.attributes["age"].to_dict() == expected
    assert len(expected) < len(cases.users)


def test_attributes_are_those_of_the_moment(open_shop):
    later = PEOPLE.assign(age="ancient", valid_from="2024-03-01T00:00:00Z")
    both = pd.concat([PEOPLE.assign(valid_from="2024-01-01"), later])
    cases, _ = found_in(open_shop(made(), users=both))
    assert set(cases.attributes["age"]) == {"old", "young"}


# The rows' order, and shops without times


def same(one, other):
    (cases, events), (others, other_events) = one, other
    assert cases.users.ids.tolist() == others.users.ids.tolist()
    for left, right in zip(cases.targets.by_user(), others.targets.by_user(), strict=True):
        assert left.tolist() == right.tolist()
    key = ["user_id", "event_id"]
    kept = [frame.sort_values(key)[key].to_numpy().tolist() for frame in (events, other_events)]
    assert kept[0] == kept[1] != []
    pd.testing.assert_frame_equal(cases.attributes, others.attributes)


@pytest.mark.parametrize("timed", [True, False])
def test_the_order_of_the_rows_plays_no_part(open_shop, monkeypatch, timed):
    monkeypatch.setattr(module, "MOST", 3)
    monkeypatch.setattr(module, "MOST_WHOLE", 3)
    table = made(timed=timed)
    mixed = table.sample(frac=1.0, random_state=1, ignore_index=True)
    people = PEOPLE.sample(frac=1.0, random_state=2, ignore_index=True)
    same(found_in(open_shop(table, users=PEOPLE)), found_in(open_shop(mixed, users=people)))


def known_without_times(table, seed=42):
    """Case -> the events that are known of it, worked out from the digests."""
    known = {}
    for user, mine in table.groupby("user_id"):
        order = sorted(
            set(mine["item_id"]),
            key=lambda item, user=user: md5(f"{seed}/{user}\x1f{item}".encode()).hexdigest(),
        )
        for amount in AMOUNTS:
            rows = mine[mine["item_id"].isin(order[:amount])]
            known[f"{user}{BETWEEN}{amount}"] = set(rows["event_id"])
        most = mine["item_id"].isin(order[: int(KNOWN * len(order))])
        # What led to a purchase stays known: in the shop it was known too.
        rows = mine[most | (mine["event"] != "purchase")]
        known[f"{user}{BETWEEN}all"] = set(rows["event_id"])
    return known


def test_without_times_what_is_bought_is_either_known_or_to_be_found(open_shop):
    table = made(timed=False)
    cases, events = found_in(open_shop(table))
    bought = table[table["event"] == "purchase"].groupby("user_id")["item_id"].agg(set)
    expected = known_without_times(table)
    targets = dict(zip(cases.users.ids.tolist(), cases.targets.by_user(), strict=True))
    for case, items in targets.items():
        mine = events[events["user_id"] == case]
        assert set(mine["event_id"]) == expected[case], case
        known = set(mine.loc[mine["event"] == "purchase", "item_id"])
        asked = {ITEMS[item] for item in items}
        assert asked and not known & asked
        assert asked | known == bought[parts(case)[0]]
    assert {parts(case)[1] for case in targets} >= {"0", "1", "3", "5", "10", "20", "all"}


def test_without_times_no_purchase_of_what_is_to_be_found_is_known_of_a_short_history(open_shop):
    cases, events = found_in(open_shop(made(timed=False)))
    for case, items in zip(cases.users.ids.tolist(), cases.targets.by_user(), strict=True):
        known = set(events.loc[events["user_id"] == case, "item_id"])
        if parts(case)[1] != "all":
            assert not known & {ITEMS[item] for item in items}
            assert len(known) == int(parts(case)[1])
