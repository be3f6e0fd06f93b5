import math

import numpy as np
import pandas as pd
import pytest
from scipy.special import stdtr, stdtrit

from recsys.engines import connect, frame
from recsys.errors import DataError
from recsys.random import generator
from recsys.segments.insight.funnel import wilson
from recsys.segments.insight.offers import CAVEAT, Campaigns, offers
from recsys.statistics import benjamini_hochberg

from .conftest import AS_OF, DAY, event_frame
from .test_funnel import did, lazily, memberships_of


def at(days):
    """The moment so many days before the end, microseconds."""
    return AS_OF - round(days * DAY)


def sent_out(campaigns, sent=(), redeemed=()):
    """Offers by hand: name -> first and last days; (name, user); (name, user, days)."""
    return Campaigns(
        pd.DataFrame(
            [(name, at(first), at(last)) for name, (first, last) in campaigns.items()],
            columns=["campaign_id", "starts", "ends"],
        ),
        pd.DataFrame(list(sent), columns=["campaign_id", "user_id"]),
        pd.DataFrame(
            [(name, user, at(days)) for name, user, days in redeemed],
            columns=["campaign_id", "user_id", "time"],
        ),
    )


def paid(user, days, amount):
    return did(user, "purchase", days, amount=amount)


def of(rows, memberships, campaigns, **options):
    events = lazily(event_frame([did("record", "purchase", 200), *rows]))
    return offers(
        events, memberships, campaigns, ["purchase"], **{"as_of": AS_OF, "least": 2, **options}
    )


def row_of(found, segment=""):
    (row,) = found.rows[found.rows["segment"] == segment].itertuples()
    return row


ABCD = memberships_of({"age": {"old": {"a": 1.0, "b": 1.0}, "young": {"c": 1.0, "d": 1.0}}})


# who redeemed


def test_pairs_are_counted_once_and_only_among_those_sent():
    found = of(
        [],
        ABCD,
        sent_out(
            {"one": (20, 10), "two": (9, 5), "later": (-1, -9)},
            [
                *[("one", "a"), ("one", "a"), ("one", "b"), ("two", "a"), ("one", "c")],
                *[("one", "stranger"), ("later", "d"), ("unknown", "d")],
            ],
            [
                ("one", "a", 15),
                ("one", "a", 14),
                ("two", "a", 0),
                ("two", "b", 6),
                ("one", "c", 12),
            ],
        ),
    )
    assert (row_of(found).sent, row_of(found).redeemed, row_of(found).users) == (4, 2, 3)
    assert (row_of(found, "old").sent, row_of(found, "old").redeemed) == (3, 1)
    assert row_of(found, "young").rate == 1.0


def crowd(n, *, segment="all"):
    return memberships_of({"axis": {segment: {f"u{number:03}": 1.0 for number in range(n)}}})


def test_one_campaign_has_the_plain_wilson_interval():
    sent = [("one", f"u{n:03}") for n in range(40)]
    redeemed = [("one", f"u{n:03}", 12) for n in range(10)]
    found = row_of(of([], crowd(50), sent_out({"one": (20, 10)}, sent, redeemed)))
    low, high = wilson(np.array([0.25]), np.array([39.0]))
    # The variance between users is over n - 1.
    assert (found.low, found.high) == pytest.approx((low[0], high[0]))


def test_users_who_redeem_all_or_nothing_count_once():
    names = {f"c{k}": (100 - 10 * k, 95 - 10 * k) for k in range(8)}
    sent = [(name, f"u{n:03}") for name in names for n in range(40)]
    redeemed = [(name, f"u{n:03}", 1) for name in names for n in range(10)]
    found = row_of(of([], crowd(50), sent_out(names, sent, redeemed)))
    low, high = wilson(np.array([0.25]), np.array([39.0]))
    assert found.sent == 320
    assert (found.low, found.high) == pytest.approx((low[0], high[0]))


@pytest.mark.parametrize("redeem", [[], list(range(6))])
def test_none_and_all_have_an_interval_of_the_users(redeem):
    names = {"one": (40, 30), "two": (20, 10)}
    sent = [(name, f"u{n:03}") for name in names for n in range(6)]
    redeemed = [(name, f"u{n:03}", 1) for name in names for n in redeem]
    found = row_of(of([], crowd(9), sent_out(names, sent, redeemed)))
    low, high = wilson(np.array([float(bool(redeem))]), np.array([6.0]))
    assert (found.low, found.high) == pytest.approx((low[0], high[0]))


def test_evenly_split_redemptions_are_no_surer_than_their_pairs():
    names = {"one": (40, 30), "two": (20, 10)}
    sent = [(name, f"u{n:03}") for name in names for n in range(6)]
    # Everybody redeems one of two, and one user both: hardly any variance between users.
    redeemed = [("one", f"u{n:03}", 1) for n in range(6)] + [("two", "u000", 1)]
    found = row_of(of([], crowd(9), sent_out(names, sent, redeemed)))
    low, high = wilson(np.array([7 / 12]), np.array([12.0]))
    assert (found.low, found.high) == pytest.approx((low[0], high[0]))


# uplift


def slow_uplift(weights, sent, spend, campaigns):
    """One segment: the formulas of `offers`, user by user; `spend` is (user, days, amount)."""
    total, n_total, influence = 0.0, 0.0, dict.fromkeys(weights, 0.0)
    sides_ever = ({}, {})
    for name, (first, last) in campaigns.items():
        length = first - last
        change = {}
        for user in weights:
            mine = [(days, amount) for who, days, amount in spend if who == user]
            during = sum(amount for days, amount in mine if last < days <= first)
            before = sum(amount for days, amount in mine if first < days <= first + length)
            change[user] = (during - before) / length
        got = {user for user in weights if (name, user) in sent and weights[user]}
        rest = {user for user in weights if weights[user]} - got
        if not got or not rest:
            continue
        n, m = sum(weights[u] for u in got), sum(weights[u] for u in rest)
        mean_got = sum(weights[u] * change[u] for u in got) / n
        mean_rest = sum(weights[u] * change[u] for u in rest) / m
        total += n * (mean_got - mean_rest)
        n_total += n
        for u in got:
            influence[u] += weights[u] * (change[u] - mean_got)
            sides_ever[0][u] = weights[u]
        for u in rest:
            influence[u] -= n / m * weights[u] * (change[u] - mean_rest)
            sides_ever[1][u] = weights[u]
    e = min(sum(side.values()) ** 2 / sum(w * w for w in side.values()) for side in sides_ever)
    error = math.sqrt(sum(value**2 for value in influence.values()) * e / (e - 1)) / n_total
    p = 2 * float(stdtr(e - 1, -abs(total / n_total / error)))
    return total / n_total, error * float(stdtrit(e - 1, 0.975)), p


NAMES = {"one": (40, 30), "two": (36, 22), "three": (9, 2)}


def random_world(seed, n=14):
    rng = generator(seed, "world")
    users = [f"u{number:02}" for number in range(n)]
    soft = {user: float(rng.choice([0.25, 0.5, 1.0])) for user in users}
    sent = {(name, user) for name in NAMES for user in users if rng.random() < 0.5}
    spend = [
        (str(rng.choice(users)), float(rng.integers(0, 60)) + 0.5, int(rng.integers(1, 900)))
        for _ in range(150)
    ]
    members = memberships_of(
        {"taste": {"tea": soft, "milk": {user: 1 - soft[user] for user in users}}}
    )
    return members, soft, sent, spend


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_slow_loop_finds_the_same_uplift(seed):
    members, soft, sent, spend = random_world(seed)
    rows = [paid(*one) for one in spend]
    found = of(rows, members, sent_out(NAMES, sent))
    milk = {user: 1 - weight for user, weight in soft.items()}
    p_values = {}
    for segment, weights in (("", dict.fromkeys(soft, 1.0)), ("tea", soft), ("milk", milk)):
        uplift, margin, p_values[segment] = slow_uplift(weights, sent, spend, NAMES)
        row = row_of(found, segment)
        assert row.uplift == pytest.approx(uplift)
        assert row.uplift_high - row.uplift == pytest.approx(margin)
        assert row.uplift - row.uplift_low == pytest.approx(margin)
    adjusted = benjamini_hochberg(np.array([p_values["tea"], p_values["milk"]]))
    expected = [p_values[""], *adjusted]
    assert found.rows["q_value"].tolist() == pytest.approx(expected)


def test_engines_and_row_order_agree():
    members, _, sent, spend = random_world(4)
    table = event_frame([did("record", "purchase", 200), *(paid(*one) for one in spend)])
    redeemed = [(name, user, 3) for name, user in sorted(sent)[::3]]
    campaigns = sent_out(NAMES, sorted(sent), redeemed)
    shuffled = Campaigns(
        *(
            part.sample(frac=1, random_state=2)
            for part in (campaigns.campaigns, campaigns.sent, campaigns.redemptions)
        )
    )
    here = offers(lazily(table), members, campaigns, ["purchase"], as_of=AS_OF, least=2)
    with connect() as connection:
        connection.register("e", table.sample(frac=1, random_state=3, ignore_index=True))
        events = frame(connection, "e")
        there = offers(events, members, shuffled, ["purchase"], as_of=AS_OF, least=2)
    pd.testing.assert_frame_equal(here.rows, there.rows)
    assert here.sentence == there.sentence


def shop(seed, *, uplift, trend, n=120):
    """Big spenders are sent more offers; spending has a common trend and, with an offer, more."""
    rng = generator(seed, "offers")
    names = {"one": (60, 50), "two": (40, 30), "three": (20, 10)}
    rows, sent = [], []
    for number in range(n):
        user, level = f"u{number:03}", rng.gamma(4, 50)
        for name, (first, _) in names.items():
            got = rng.random() < 0.2 + 0.6 * (level > 200)
            sent += [(name, user)] if got else []
            noise = rng.normal(0, 300, 2)
            rows.append(paid(user, first + 5, round(10 * level + 3000 + noise[0])))
            more = 10 * (trend + uplift * got)
            rows.append(paid(user, first - 5, round(10 * level + 3000 + more + noise[1])))
    return rows, crowd(n), sent_out(names, sent)


def test_a_known_uplift_is_found_in_spite_of_the_common_trend_and_the_choice():
    truth, runs = 30, 20
    found = [row_of(of(*shop(seed, uplift=truth, trend=40, n=60)), "all") for seed in range(runs)]
    uplifts = np.array([row.uplift for row in found])
    assert uplifts.mean() == pytest.approx(truth, abs=4 * uplifts.std() / math.sqrt(runs))
    # 95 % of 20 is 19; below 16 has a chance of 0.3 % if the intervals are right.
    assert sum(row.uplift_low <= truth <= row.uplift_high for row in found) >= 16
    assert sum(row.uplift_low > 0 for row in found) >= 16


def test_who_spent_nothing_counts_with_nothing():
    members = memberships_of({"axis": {"all": dict.fromkeys("abcdef", 1.0)}})
    campaigns = sent_out({"one": (20, 10)}, [("one", user) for user in "abc"])
    found = row_of(of([paid("a", 15, 600), paid("d", 25, 300)], members, campaigns))
    # (600 + 0 + 0) / 3 / 10 less (-300 + 0 + 0) / 3 / 10.
    assert found.uplift == pytest.approx(30)


def test_a_campaign_day_begins_with_its_start_and_ends_before_its_end():
    members = memberships_of({"axis": {"all": dict.fromkeys("abcd", 1.0)}})
    campaigns = sent_out({"one": (20, 10)}, [("one", "a"), ("one", "b")])
    spent = {30: -1000, 20: 1000, 10: 0, 10.001: 1000, 20.001: -1000, 30.001: 0}
    for days, worth in spent.items():
        found = row_of(of([paid("a", days, 1000)], members, campaigns))
        assert found.uplift == pytest.approx(worth / 2 / 10)


# what cannot be said


def test_too_few_on_either_side_is_said():
    members = memberships_of(
        {"age": {"old": dict.fromkeys("ab", 1.0), "young": dict.fromkeys("cdefg", 1.0)}}
    )
    campaigns = sent_out({"one": (20, 10)}, [("one", user) for user in "abcd"])
    found = of([paid("a", 15, 100)], members, campaigns, least=3)
    assert row_of(found, "old").note == "fewer than 3 users were sent an offer"
    assert row_of(found, "young").note == "fewer than 3 users were sent an offer"
    assert row_of(found).note == ""
    few = of([paid("a", 15, 100)], members, campaigns, least=4)
    assert row_of(few).note == "fewer than 4 users were not, to compare with"
    for row in found.rows[found.rows["segment"] != ""].itertuples():
        assert np.isnan([row.uplift, row.uplift_low, row.uplift_high]).all()


def test_campaigns_that_cannot_be_compared_are_named():
    members = memberships_of({"axis": {"all": dict.fromkeys("abcd", 1.0)}})
    names = {"early": (195, 180), "running": (5, -5), "good": (20, 10), "future": (-1, -2)}
    sent = [(name, user) for name in names for user in "ab"]
    found = of([paid("a", 15, 100)], members, sent_out(names, sent))
    assert [note.split()[1] for note in found.notes] == ["early", "running"]
    assert "had not ended" in found.notes[1] and "not on record" in found.notes[0]
    assert row_of(found).sent == 6
    alone = of([paid("a", 15, 100)], members, sent_out({"good": names["good"]}, sent))
    assert row_of(found).uplift == row_of(alone).uplift
    never = of([], members, sent_out({"running": names["running"]}, sent))
    assert row_of(never).note == "no campaign can be compared"


def test_nothing_at_or_after_the_moment_counts():
    members = memberships_of({"axis": {"all": dict.fromkeys("abcd", 1.0)}})
    campaigns = sent_out({"one": (10, 0)}, [("one", user) for user in "ab"], [("one", "a", 0)])
    found = row_of(of([paid("a", 0, 1000), paid("a", -3, 1000)], members, campaigns))
    assert (found.redeemed, found.uplift) == (0, 0)


@pytest.mark.parametrize(
    ("campaigns", "said"),
    [
        ([("back", 10, 20)], "'back' ends before it starts"),
        ([("empty", 10, 10)], "'empty' ends before it starts"),
        ([("twice", 20, 10), ("twice", 9, 5)], "'twice' is listed twice"),
    ],
)
def test_campaigns_that_cannot_be_meant_are_refused(campaigns, said):
    table = sent_out({})
    times = [(name, at(first), at(last)) for name, first, last in campaigns]
    wrong = pd.DataFrame(times, columns=["campaign_id", "starts", "ends"])
    with pytest.raises(DataError, match=said):
        of([], ABCD, Campaigns(wrong, table.sent, table.redemptions))


def test_without_campaigns_or_events_there_is_nothing_to_say():
    found = of([], ABCD, sent_out({}))
    assert found.sentence == "No offer was sent to these users."
    assert found.rows["sent"].tolist() == [0, 0, 0]
    assert found.rows["rate"].isna().all() and found.rows["uplift"].isna().all()
    table = event_frame([did("a", "purchase", 1)]).iloc[:0]
    campaigns = sent_out({"one": (20, 10)}, [("one", "a")])
    empty = offers(lazily(table), ABCD, campaigns, ["purchase"], as_of=AS_OF)
    assert empty.rows["sent"].tolist() == [1, 1, 0]
    assert empty.rows["uplift"].isna().all()


def test_many_campaigns_are_no_deep_expression():
    names = {f"c{k}": (150 - k / 10, 149.95 - k / 10) for k in range(550)}
    campaigns = sent_out(names, [(name, user) for name in names for user in "ab"])
    table = event_frame([did("record", "purchase", 200), paid("a", 149.97, 1000)])
    with connect() as connection:
        connection.register("e", table)
        events = frame(connection, "e")
        found = offers(events, ABCD, campaigns, ["purchase"], as_of=AS_OF, least=2)
    # One campaign of 550 caught 1000 in a twentieth of a day, for one of the two who were sent it.
    assert row_of(found).uplift == pytest.approx(1000 / 0.05 / 2 / 550)


def test_no_spread_at_all_is_no_crash():
    members = memberships_of({"axis": {"all": dict.fromkeys("abcd", 1.0)}})
    campaigns = sent_out({"one": (20, 10)}, [("one", "a"), ("one", "b")])
    row = row_of(of([], members, campaigns), "all")
    assert (row.uplift, row.uplift_low, row.uplift_high, row.q_value) == (0, 0, 0, 1)
    row = row_of(of([paid("a", 15, 100), paid("b", 15, 100)], members, campaigns), "all")
    assert (row.uplift, row.uplift_low, row.uplift_high, row.q_value) == (10, 10, 10, 0)


def test_segments_drawn_by_lot_are_not_named():
    rows, members, campaigns = shop(5, uplift=0, trend=40, n=300)
    drawn = generator(5, "lot").integers(0, 6, size=300)
    by_lot = {f"s{k}": {} for k in range(6)}
    for user, k in zip(members.users.ids, drawn, strict=True):
        by_lot[f"s{k}"][user] = 1.0
    found = of(rows, memberships_of({"lot": by_lot}), campaigns)
    assert found.rows["uplift"].notna().all()
    assert "In no segment did spending clearly rise or fall" in found.sentence


def test_the_sentence_names_what_is_clear_and_the_caveat_is_there():
    found = of(*shop(1, uplift=60, trend=40))
    assert "Spending rose clearly with them in 1 segments, most in axis: all" in found.sentence
    assert "no proof" in CAVEAT and "chosen, not drawn" in CAVEAT
