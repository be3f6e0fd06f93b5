"""A whole shop, as its files show it: is everything in them that was put in, and nothing else?"""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from recsys.engines import connect
from recsys.events.schema import MICROSECONDS_PER_DAY
from recsys.events.shop import read_shop
from recsys.events.validation import Intake
from recsys.simulation.catalogue import WITHDRAWN
from recsys.simulation.config import DAYS_PER_MONTH
from recsys.simulation.population import LEAVERS

DAY = pd.Timedelta(1, unit="D")
PAIR = ["user_id", "item_id"]


def of_kind(shop, *kinds):
    return shop.events[shop.events["event"].isin(kinds)]


def department(shop, items):
    return items.map(shop.items.set_index("item_id")["category"]).str.split(" > ").str[0]


# The whole


def test_there_are_exactly_as_many_events_users_and_items_as_asked(shop, config):
    assert len(shop.events) == config.events
    assert shop.users["user_id"].tolist() == [f"{n:04d}" for n in range(1_300)]
    assert shop.items["item_id"].tolist() == [f"{n:05d}" for n in range(300)]
    assert set(shop.events["user_id"]) <= set(shop.users["user_id"])
    assert set(shop.events["item_id"].dropna()) <= set(shop.items["item_id"])


def test_the_projects_own_reader_rejects_no_row(shop, config):
    connection = connect()
    read = read_shop(
        connection,
        f"{shop.folder}/events/*.parquet",
        Intake({}, "purchase", end=config.end_time),
        users=f"{shop.folder}/users.parquet",
        items=f"{shop.folder}/items.parquet",
    )
    assert read.timed
    for name, size in (("events", 60_000), ("users", 1_300), ("items", 300)):
        assert read.reports[name].accepted == size
        assert read.reports[name].rejected == {}
    assert read.event_counts() == shop.events["event"].value_counts().to_dict()
    read.close()


def test_a_share_of_users_and_of_attributes_is_new_or_unknown(shop, config):
    n = len(shop.users)
    for axis in ("age", "gender", "income"):
        missing = int(shop.users[axis].isna().sum())
        assert stats.binomtest(missing, n, config.missing).pvalue > 1e-3
        known = shop.users[axis].notna()
        assert (shop.users.loc[known, axis] == shop.hidden_users.loc[known, axis]).all()
    assert shop.users["region"].notna().all()
    late = int((shop.hidden_users["joins"] > 0).sum())
    assert stats.binomtest(late, n, config.new_users).pvalue > 1e-3
    gone = int((shop.hidden_users["leaves"] < config.days).sum())
    assert stats.binomtest(gone, n, LEAVERS).pvalue > 1e-3


def test_every_item_is_sold_for_a_while_and_some_not_all_the_time(shop, config):
    launched, withdrawn = shop.hidden_items["launched_month"], shop.hidden_items["withdrawn_month"]
    assert (launched < withdrawn).all()
    n, n_fixed = len(shop.items), config.n_categories
    new, gone = int((launched > 0).sum()), int((withdrawn < config.n_months).sum())
    assert stats.binomtest(new, n - n_fixed, config.new_items).pvalue > 1e-3
    assert stats.binomtest(gone, n - n_fixed, WITHDRAWN).pvalue > 1e-3


# Who wants what


def views_by_user_and_month(shop, config):
    views = of_kind(shop, "view")
    start = pd.Timestamp(config.start, tz="UTC")
    months = (views["timestamp"] - start) // (DAYS_PER_MONTH * DAY)
    return views.assign(month=months)


def expected_views(views, config, truth, whose):
    """Sum of p(item | user, month) over views; `whose`: user -> the one whose truth is taken."""
    expected = np.zeros(config.n_items)
    for month, group in views.groupby("month"):
        moment = config.start_time + int(month) * DAYS_PER_MONTH * MICROSECONDS_PER_DAY
        counts = group["user_id"].map(whose).value_counts()
        expected += counts.to_numpy() @ truth.preferences(list(counts.index), moment)
    return expected


@pytest.mark.parametrize("age", ["18-29", "30-44", "45-59", "60+"])
def test_views_are_as_frequent_as_the_truth_says(shop, config, truth, fit, age):
    ages = shop.hidden_users.set_index("user_id")["age"]
    views = views_by_user_and_month(shop, config)
    views = views[views["user_id"].map(ages) == age]
    observed = views["item_id"].value_counts().reindex(truth.items, fill_value=0).to_numpy()
    same = pd.Series(ages.index, index=ages.index)
    assert fit(observed, expected_views(views, config, truth, same)) > 1e-3
    # The same views against the truth of users of other ages.
    others = pd.Series(np.resize(ages.index[ages != age], len(ages)), index=ages.index)
    assert fit(observed, expected_views(views, config, truth, others)) < 1e-12


def test_first_purchases_and_carts_follow_the_same_truth(shop, config, truth):
    first = of_kind(shop, "purchase").drop_duplicates(PAIR)
    views = views_by_user_and_month(shop, config)
    bought = department(shop, first["item_id"]).value_counts(normalize=True)
    seen = department(shop, views["item_id"]).value_counts(normalize=True)
    pd.testing.assert_series_equal(
        bought.sort_index(), seen.sort_index(), atol=0.03, rtol=0.0, check_names=False
    )


def p_value(shop, axis):
    """Does a user's favourite department depend on the axis? One vote a user: events are not."""
    views = of_kind(shop, "view")
    counts = pd.crosstab(views["user_id"], department(shop, views["item_id"]))
    votes = counts.idxmax(axis=1).rename("favourite").to_frame()
    votes = votes.join(shop.users.set_index("user_id")[axis]).dropna()
    return stats.chi2_contingency(pd.crosstab(votes["favourite"], votes[axis])).pvalue


def test_age_tells_what_a_user_wants_and_region_does_not(shop):
    assert p_value(shop, "age") < 1e-12
    assert p_value(shop, "region") > 0.01


def test_income_tells_what_she_pays_and_region_does_not(shop):
    views = of_kind(shop, "view")
    dearness = shop.hidden_items.set_index("item_id")["dearness"]
    paid = views["item_id"].map(dearness).groupby(views["user_id"]).mean().rename("dearness")
    users = shop.users.set_index("user_id").join(paid).dropna()
    for axis, informative in (("income", True), ("region", False)):
        groups = [group["dearness"] for _, group in users.groupby(axis)]
        p = stats.f_oneway(*groups).pvalue
        assert p < 1e-6 if informative else p > 0.01


def test_loyal_users_choose_their_brand(shop):
    views = of_kind(shop, "view")
    users = shop.hidden_users.set_index("user_id")
    favourite = views["user_id"].map(users["brand"])
    own = favourite == views["item_id"].map(shop.items.set_index("item_id")["brand"])
    loyalty = views["user_id"].map(users["loyalty"])
    assert own[loyalty > 0.5].mean() > own[loyalty < 0.1].mean() + 0.2


def test_what_rises_rises_and_what_falls_falls(shop, config):
    views = views_by_user_and_month(shop, config)
    growth = views["item_id"].map(shop.hidden_items.set_index("item_id")["growth"])
    early, late = views["month"] < 2, views["month"] >= config.n_months - 2
    for sign in (-1, 1):
        moving = np.sign(growth) == sign
        change = np.log(moving[late].mean() / moving[early].mean())
        assert sign * change > 0.4


# When


def test_nothing_happens_before_or_after_it_can(shop, config):
    start = pd.Timestamp(config.start, tz="UTC")
    events = shop.events
    assert events["timestamp"].min() >= start
    assert events["timestamp"].max() < start + config.days * DAY
    joined = events["user_id"].map(shop.users.set_index("user_id")["valid_from"])
    assert (events["timestamp"] >= joined).all()
    items = shop.items.set_index("item_id")
    dealt = events[events["item_id"].notna()]
    assert (dealt["timestamp"] >= dealt["item_id"].map(items["created_at"])).all()
    # Both rules have something to forbid.
    assert (joined > start).any()
    assert (items["created_at"] > start).any()


def test_withdrawn_items_are_not_available_and_not_sold(shop, config):
    hidden = shop.hidden_items.set_index("item_id")
    withdrawn = hidden["withdrawn_month"] < config.n_months
    available = shop.items.set_index("item_id")["available"]
    assert (available == ~withdrawn).all()
    assert withdrawn.any()
    start = pd.Timestamp(config.start, tz="UTC")
    acts = of_kind(shop, "view", "cart", "favorite", "purchase")
    end = start + acts["item_id"].map(hidden["withdrawn_month"]) * DAYS_PER_MONTH * DAY
    assert (acts["timestamp"] < end).all()


def test_repeats_come_at_the_pace_of_their_category(shop):
    hidden = shop.hidden_items.set_index("item_id")
    bought = of_kind(shop, "purchase").sort_values("timestamp")
    gaps = bought.groupby(PAIR)["timestamp"].diff() / DAY
    pace = bought["item_id"].map(hidden["pace"])
    used_up = bought["item_id"].map(hidden["repeat"]) > 0.5
    found = (gaps[used_up] / pace[used_up]).dropna().groupby(pace[used_up]).median()
    assert len(found) >= 3
    assert found.between(0.9, 1.1).all()


def test_what_lasts_is_hardly_bought_again(shop):
    hidden = shop.hidden_items.set_index("item_id")
    bought = of_kind(shop, "purchase")
    again = bought.duplicated(PAIR)
    used_up = bought["item_id"].map(hidden["repeat"]) > 0.5
    assert again[used_up].mean() > 2 * again[~used_up].mean()


# What comes of what


def test_the_funnel_narrows(shop):
    counts = shop.events["event"].value_counts()
    assert counts["view"] > counts["cart"] > counts["purchase"] > counts["return"] > 0
    assert counts["cart"] > counts["favorite"] > 0
    assert counts["purchase"] > counts["rating"] > 0
    assert counts["purchase"] > 0.1 * len(shop.events)


def test_every_purchase_was_in_the_cart_in_the_same_visit(shop):
    key = ["session_id", *PAIR]
    carts = of_kind(shop, "cart").groupby(key)["timestamp"].min()
    purchases = of_kind(shop, "purchase").set_index(key)["timestamp"]
    assert (carts.reindex(purchases.index) < purchases).all()
    views = of_kind(shop, "view").groupby(key)["timestamp"].min()
    first = of_kind(shop, "purchase").drop_duplicates(PAIR).set_index(key)["timestamp"]
    assert (views.reindex(first.index) < first).all()


def test_returns_give_back_what_was_bought(shop):
    key = [*PAIR, "basket_id", "quantity", "amount"]
    bought = of_kind(shop, "purchase").groupby(key)["timestamp"].min()
    back = of_kind(shop, "return").set_index(key)["timestamp"]
    waited = (back - bought.reindex(back.index)) / DAY
    assert waited.between(2, 14).all()


def test_returns_are_as_frequent_as_the_category_says(shop, config):
    rate = shop.hidden_items.set_index("item_id")["return_rate"]
    bought = of_kind(shop, "purchase")
    early = bought["timestamp"] < bought["timestamp"].max() - 14 * DAY
    expected = bought.loc[early, "item_id"].map(rate)
    found = of_kind(shop, "return")["basket_id"].isin(bought.loc[early, "basket_id"]).sum()
    spread = np.sqrt((expected * (1 - expected)).sum())
    assert abs(found - expected.sum()) < 4 * spread


def test_money_adds_up(shop):
    bought = of_kind(shop, "purchase")
    price = bought["item_id"].map(shop.items.set_index("item_id")["price"])
    full = bought["amount"] + bought["discount"].fillna(0.0)
    np.testing.assert_allclose(full, bought["quantity"] * price, atol=1e-6)
    assert (bought["amount"] > 0).all()
    assert 0.05 < bought["discount"].notna().mean() < 0.15
    others = shop.events[~shop.events["event"].isin(["purchase", "return"])]
    assert others[["quantity", "amount", "discount"]].isna().all(axis=None)


def test_ratings_say_how_much_a_category_is_liked(shop, config, truth):
    ratings = of_kind(shop, "rating")
    assert ratings["rating"].isin([1, 2, 3, 4, 5]).all()
    chances = truth.preferences(list(ratings["user_id"]), config.end_time)
    frame = pd.DataFrame(chances, columns=truth.items).T
    frame["category"] = shop.items["category"].to_numpy()
    shares = frame.groupby("category").sum()
    category = ratings["item_id"].map(shop.items.set_index("item_id")["category"])
    liked = [shares.loc[name, column] for column, name in enumerate(category)]
    assert stats.spearmanr(liked, ratings["rating"]).statistic > 0.3


def test_a_search_names_the_shelf_of_what_is_seen_next(shop):
    searches = of_kind(shop, "search")
    assert searches["item_id"].isna().all()
    views = of_kind(shop, "view").assign(searched=lambda rows: rows["timestamp"] - 20 * DAY / 86400)
    seen = searches.merge(
        views, left_on=["user_id", "timestamp"], right_on=["user_id", "searched"], how="left"
    )
    category = seen["item_id_y"].map(shop.items.set_index("item_id")["category"])
    named = seen["query_x"] == category.str.split(" > ").str[1]
    # Two looks can begin in one second; the search belongs to one of them.
    assert named.groupby([seen["user_id"], seen["timestamp_x"], seen["query_x"]]).any().all()
    assert of_kind(shop, "view", "cart", "purchase")["query"].isna().all()


def test_a_visit_is_of_one_user_and_one_day(shop):
    visits = shop.events[shop.events["session_id"].notna()]
    grouped = visits.groupby("session_id")
    assert (grouped["user_id"].nunique() == 1).all()
    assert (grouped["timestamp"].max() - grouped["timestamp"].min() <= pd.Timedelta("30min")).all()
    days = visits["timestamp"].dt.floor("D")
    assert (
        not visits.assign(day=days).groupby(["user_id", "day"])["session_id"].nunique().gt(1).any()
    )
    baskets = of_kind(shop, "purchase").groupby("basket_id")["timestamp"].nunique()
    assert (baskets == 1).all()
    assert of_kind(shop, "view", "favorite", "search", "rating")["basket_id"].isna().all()


@pytest.mark.parametrize("name", ["lifecycle", "rfm", "spending", "age", "region", "interest"])
def test_the_config_beside_it_has_the_axes_worth_trying(shop, name):
    assert f"[segments.{name}]" in (shop.folder / "recsys.toml").read_text(encoding="utf-8")
