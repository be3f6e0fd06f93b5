"""Why an item stands where it stands: exact terms, true words, and nothing of anybody else."""

import math
import re
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy import sparse

from recsys.interactions import HALF_LIVES, Catalogue, Histories, InteractionsConfig
from recsys.interactions.contacts import Contacts
from recsys.models import FoldIn, Habit, Model, ModelConfig, Neighbours, confidence
from recsys.models.habit import GroupHabit
from recsys.models.habit_features import n_features
from recsys.models.neighbours import history_weights
from recsys.ranking import Customers, Ranker, Ranking, Recipe, Request, make_variant
from recsys.ranking.blend import coordinates, user_vector
from recsys.ranking.causes import FOREMOST, WIDER, als_parts, near_causes, near_strengths
from recsys.ranking.reasons import name_of, reasons, strongest
from recsys.ranking.wording import BEHAVIOUR, TEXTS, Wording, placeholders, rounded
from recsys.segments import KINDS, Axis, AxisFit, Memberships, Reference
from recsys.segments.axes import activity, aipl, lifecycle, price, rfm
from recsys.vocabulary import Vocabulary

NOTHING = np.empty(0)
SLOPE = 10.0
EVERYTHING = {"als": 1.0, "popularity": 0.01, "priors": 1.0, "habit": 1.0, "neighbours": 1.0}


class Did(NamedTuple):
    """What a user did with an item; days are counted back from the moment."""

    ages: tuple[float, ...] = ()
    worth: float = 5.0
    contacts: dict[str, float] = {}


def axis_of(name, *segments, kind="lifecycle", **config):
    return Axis(
        name=name,
        config={"kind": kind, **config},
        fit=AxisFit(segments=segments, definitions=segments),
    )


BOUGHT = Did((9.0,))
AGE = axis_of("age", "18-24", "25_34", kind="attribute", column="age")
STAGE = axis_of("stage", "new", "lapsed", "active")


def histories_of(users, n_items, *, timed=True):
    pairs = [(user[item], item) for user in users for item in sorted(user)]
    ages = [np.asarray(did.ages) for did, _ in pairs]
    kinds = tuple(sorted({kind for did, _ in pairs for kind in did.contacts}))
    since = np.asarray([[did.contacts.get(kind, np.nan) for kind in kinds] for did, _ in pairs])
    since = since.reshape(len(pairs), len(kinds))
    days = np.repeat((~np.isnan(since)).astype(float)[:, :, np.newaxis], 3, axis=2)
    contacts = Contacts(
        kinds, days, since if timed else since * np.nan, np.full(len(pairs), np.nan)
    )
    faded = [(0.5 ** (mine[:, np.newaxis] / HALF_LIVES)).sum(axis=0) for mine in ages]
    return Histories(
        Vocabulary([f"u{number:03d}" for number in range(len(users))]),
        n_items,
        np.cumsum([0, *map(len, users)]).astype(np.int64),
        np.asarray([item for _, item in pairs], dtype=np.int64),
        np.asarray([did.worth for did, _ in pairs], dtype=np.float64),
        np.asarray([len(mine) for mine in ages], dtype=np.float64),
        np.asarray(faded).reshape(len(pairs), len(HALF_LIVES)),
        np.asarray([mine.min() if len(mine) and timed else np.nan for mine in ages]),
        np.asarray([mine.max() if len(mine) and timed else np.nan for mine in ages]),
        contacts if kinds else None,
    )


def memberships_of(users, axes, rows=None):
    width = sum(len(axis.segments) for axis in axes)
    weights = np.zeros((len(users), width)) if rows is None else np.asarray(rows, dtype=float)
    return Memberships(users, tuple(axes), sparse.csr_matrix(weights))


def neighbours_of(strengths):
    matrix = sparse.csr_matrix(np.asarray(strengths, dtype=np.float32))
    return Neighbours(matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32), matrix.data)


def model_of(factors, *, axes=(), lifts=None, near=None, titles=None, categories=None, **fold_in):
    """A model of a few items; what is not given is as plain as can be."""
    factors = np.asarray(factors, dtype=np.float32)
    (n_items, d), width = factors.shape, sum(len(axis.segments) for axis in axes)
    lifts = np.zeros((n_items, width)) if lifts is None else np.asarray(lifts)
    columns = np.hstack([factors, lifts, np.tile([0.0, -4.0], (n_items, 1))]).astype(np.float32)
    items = Vocabulary([f"i{number:03d}" for number in range(n_items)])
    titles = [f"<{number}>" for number in range(n_items)] if titles is None else titles
    texts = {"title": np.asarray(titles)}
    if categories is not None:
        texts["category"] = np.asarray(categories)
    parts = {
        "item_factors": factors,
        "supported": np.ones(n_items, dtype=bool),
        "gram": np.zeros((d, d)),
        "spread": np.eye(d),
        "mean": np.zeros(d),
        "effects": np.zeros((width, d)),
        "shares": np.concatenate([NOTHING, *(np.full(len(a.segments), 0.0) for a in axes)]),
        "precisions": np.stack([np.eye(d), np.eye(d)]),
    }
    return Model(
        catalogue=Catalogue(items, np.ones(n_items, dtype=bool), texts),
        columns=columns,
        newcomers=columns[:1],
        fold_in=FoldIn(**(parts | fold_in)),
        slope=SLOPE,
        habit=Habit(
            np.ones(n_items),
            np.full(n_items, 7.0),
            np.ones(n_items, dtype=bool),
            np.concatenate([[-2.0, 0.3], np.zeros(n_features(len(HALF_LIVES)) - 1)]),
            0.1,
            GroupHabit(np.ones(1), np.full(1, 7.0), np.ones(1, dtype=bool)),
        ),
        neighbours=neighbours_of(np.zeros((n_items, n_items)) if near is None else near),
        axes=tuple(axes),
        reference=Reference(np.full(n_items, np.nan), np.full(n_items, np.nan)),
        kappa={axis.name: 1.0 for axis in axes},
        popularity_half_life=math.inf,
        interactions=InteractionsConfig(),
        config=ModelConfig(factors=d, prior_strength=1.0),
        timed=True,
    )


def customer(model, user, *, row=None, timed=True):
    histories = histories_of([user], len(model.items), timed=timed)
    rows = None if row is None else [row]
    return Customers(histories, memberships_of(histories.users, model.axes, rows))


def ranking_of(items=(0,), **terms):
    """A list with given terms; ``prior__age`` stands for ``prior:age``."""
    n = len(items)
    values = {
        name.replace("__", ":"): np.broadcast_to(np.asarray(value, dtype=np.float64), (n,))
        for name, value in terms.items()
    }
    scores = np.sum(list(values.values()), axis=0)
    everything = {
        "items": np.asarray(items, dtype=np.int64),
        "scores": scores,
        "terms": values,
        "fallback": None,
        "shortfall": 0,
        "propensities": np.ones(n),
        "offers": [{}] * n,
        "unmet": (),
    }
    return Ranking(**{name: everything[name] for name in Ranking._fields})


def told(model, customers, items=(0,), *, centre="mean", wording=None, **terms):
    """Texts, one list for each item."""
    found = reasons(
        model,
        customers,
        0,
        ranking_of(items, **terms),
        centre=centre,
        wording=wording or Wording(),
    )
    return [[reason.text for reason in parts] for parts in found]


PLAIN = model_of(np.zeros((3, 2)), axes=(AGE, STAGE))
NOBODY = customer(PLAIN, {})


# Which parts are named, and in which order


def parts_of(**terms):
    (found,) = reasons(PLAIN, NOBODY, 0, ranking_of(**terms), centre="mean")
    return [(reason.signal, reason.value) for reason in found]


def test_what_speaks_for_an_item_comes_strongest_first_with_its_exact_term():
    found = parts_of(als=0.1, popularity=-3.0, prior__age=0.5, habit=0.0, cart=0.3)
    assert found == [("prior:age", 0.5), ("cart", 0.3), ("als", 0.1)]


def test_popularity_is_named_where_nothing_else_speaks():
    assert parts_of(als=-0.25, popularity=-3.0, habit=0.0) == [("popularity", -3.0)]


def test_popularity_without_a_weight_has_no_part():
    assert parts_of(als=-0.25, popularity=0.0) == []


def test_equal_reasons_stand_in_the_order_of_their_names():
    assert parts_of(prior__stage=1.0, prior__age=1.0) == [("prior:age", 1.0), ("prior:stage", 1.0)]


def test_a_list_that_nothing_speaks_for_has_no_reasons():
    assert parts_of(als=-1.0) == []
    assert reasons(PLAIN, NOBODY, 0, ranking_of((), als=NOTHING), centre=None) == []


def test_each_item_has_its_own_reasons():
    found = told(PLAIN, NOBODY, (2, 0, 1), popularity=-1.0, cart=[0.0, 1.0, 0.0], rule__gift=0.5)
    gift, cart = "chosen by the shop", "goes with what is in your cart"
    assert found == [[gift], [cart, gift], [gift]]


def test_a_signal_without_a_text_of_its_own_still_has_one():
    assert told(PLAIN, NOBODY, moon_phase=1.0) == [["recommended for you"]]


# Taste and trend


@pytest.mark.parametrize(
    ("category", "titles", "text"),
    [
        ("food > ice_cream", True, "because you often choose ice cream"),
        ("", True, "of a kind you often choose"),
        ("food > ice_cream", False, "of a kind you often choose"),
    ],
)
def test_of_a_taste_the_category_is_named(category, titles, text):
    model = model_of(np.zeros((2, 2)), categories=[category, "pets"])
    ((found,),) = told(model, customer(model, {}), wording=Wording(titles=titles), taste=1.0)
    assert found == text


def test_what_rises_is_popular_just_now():
    assert told(PLAIN, NOBODY, trend=0.3, popularity=-2.0) == [["popular just now"]]


# Habit


def habit_text(did, *, timed=True, wording=None):
    customers = customer(PLAIN, {0: did, 2: Did((1.0,))}, timed=timed)
    ((text,),) = told(PLAIN, customers, wording=wording, habit=1.0)
    return text


@pytest.mark.parametrize(
    ("ages", "text"),
    [
        ((12.2,), "you bought this 12 days ago"),
        ((0.3,), "you bought this less than a day ago"),
        ((1.2, 30.0), "you bought this a day ago"),
        ((100.0, 200.0), "you bought this 3 months ago"),
        ((3.0, 12.0, 21.0), "you buy this about every 9 days"),
        ((3.0, 4.0, 21.0), "you buy this about every 9 days"),
        ((0.5, 1.4, 2.3, 3.2), "you buy this about every day"),
        ((5.0, 40.0, 75.0), "you buy this about every 5 weeks"),
        ((5.0, 95.0, 185.0), "you buy this about every 3 months"),
        # Three gaps of nine days are over: she no longer buys it every nine days.
        ((27.0, 36.0, 45.0), "you buy this about every 9 days"),
        ((27.1, 36.1, 45.1), "you bought this 4 weeks ago"),
        ((900.0, 909.0, 918.0), "you bought this 2 years ago"),
    ],
)
def test_what_was_bought(ages, text):
    assert habit_text(Did(ages)) == text


def test_without_times_it_is_only_known_that_it_was_bought():
    assert habit_text(Did((3.0, 12.0, 21.0)), timed=False) == "you bought this before"


@pytest.mark.parametrize(
    ("contacts", "text"),
    [
        ({"view": 3.0}, "you looked at this 3 days ago"),
        ({"view": 3.0, "cart": 25.0}, "you put this into your cart 4 weeks ago"),
        ({"view": 3.0, "favorite": 1.0}, "you marked this as a favourite a day ago"),
        ({"impression": 1.0, "click": 6.0}, "you looked at this 6 days ago"),
        ({"click": 1.0, "favorite": 2.0}, "you marked this as a favourite 2 days ago"),
        ({"rating": 40.0}, "you rated this 6 weeks ago"),
        ({"asked the staff": 2.0}, "you came across this 2 days ago"),
        ({"impression": 1.0}, "you came across this before"),
    ],
)
def test_what_was_never_bought_is_told_by_the_contact_that_is_worth_most(contacts, text):
    assert habit_text(Did(contacts=contacts)) == text


def test_each_item_is_told_by_its_own_history():
    user = {0: Did((12.0,)), 1: Did(contacts={"view": 4.0}), 2: Did((30.0,))}
    found = told(PLAIN, customer(PLAIN, user), (2, 0, 1), habit=1.0)
    assert found == [
        ["you bought this 4 weeks ago"],
        ["you bought this 12 days ago"],
        ["you looked at this 4 days ago"],
    ]


def test_contacts_without_times():
    assert (
        habit_text(Did(contacts={"cart": 2.0}), timed=False) == "you put this into your cart before"
    )


def test_a_purchase_goes_before_a_later_look():
    assert habit_text(Did((12.0,), contacts={"cart": 1.0})) == "you bought this 12 days ago"


@given(st.floats(1.0, 5000.0))
def test_a_time_is_rounded_to_the_nearest_of_its_unit(days):
    lengths = {"day": 1.0, "days": 1.0, "weeks": 7.0, "months": 365.25 / 12, "years": 365.25}
    unit, number = rounded(days)
    assert abs(number * lengths[unit] - days) <= lengths[unit] / 2
    assert number >= {"day": 1, "days": 2, "weeks": 3, "months": 2, "years": 2}[unit]


def test_the_examples_of_times():
    found = [rounded(days) for days in (0.4, 1.2, 8.6, 20.4, 20.6, 24, 59, 60, 715, 716)]
    assert found == [
        ("hours", 0),
        ("day", 1),
        ("days", 9),
        ("days", 20),
        ("weeks", 3),
        ("weeks", 3),
        ("weeks", 8),
        ("months", 2),
        ("months", 23),
        ("years", 2),
    ]


# Priors


def prior_text(axis, row, lifts, wording=None):
    model = model_of(np.zeros((1, 1)), axes=(axis,), lifts=[lifts])
    customers = customer(model, {}, row=row)
    ((text,),) = told(model, customers, wording=wording, **{f"prior__{axis.name}": 0.2})
    return text


def test_the_segment_with_the_largest_part_is_named():
    assert prior_text(STAGE, (0.6, 0, 0.4), (0.3, 9.0, 0.4)) == "popular with new customers"
    assert prior_text(STAGE, (0.4, 0, 0.6), (0.3, 9.0, 0.4)) == "popular with active customers"
    assert prior_text(STAGE, (0.9, 0, 0.1), (-1.0, 9.0, 0.4)) == "popular with active customers"


@pytest.mark.parametrize(
    ("axis", "text"),
    [
        (AGE, "popular with customers like you"),
        (axis_of("gender", "F", kind="imported"), "popular with customers like you"),
        (axis_of("tribe", "1", kind="clusters", features=["orders"], most=2), None),
        (axis_of("x", "champions", kind="rfm"), "popular with our best customers"),
        (axis_of("x", "loyal", kind="rfm"), "popular with loyal customers"),
        (axis_of("x", "at_risk", kind="rfm"), "popular with customers who come back after a while"),
        (
            axis_of("x", "low", kind="spending"),
            "popular with customers who spend about as much as you",
        ),
        (axis_of("x", "value_first", kind="price"), "popular with customers who like a good offer"),
        (
            axis_of("x", "food > fresh_fruit", kind="interest"),
            "popular with customers interested in fresh fruit",
        ),
    ],
)
def test_segments_are_worded_by_the_kind_of_their_axis(axis, text):
    row = np.eye(len(axis.segments))[0]
    assert prior_text(axis, row, row) == (text or "popular with customers like you")


def test_only_what_a_customer_did_in_the_shop_is_told_by_default():
    assert set(KINDS) >= BEHAVIOUR
    # Those that rest on the users file, may rest on it, or put a value on her.
    untold = {"attribute", "imported", "rules", "combine", "clusters", "value"}
    assert set(KINDS) == BEHAVIOUR | untold
    assert not BEHAVIOUR & untold


def test_the_shop_says_which_axes_may_be_told():
    wording = Wording(tell=("age",))
    row = (0, 1.0)
    assert prior_text(AGE, row, row, wording) == "popular with customers whose age is 25 34"
    titled = axis_of("age", "25-34", kind="attribute", column="age", title="age group")
    assert (
        prior_text(titled, (1.0,), (1.0,), wording)
        == "popular with customers whose age group is 25-34"
    )
    assert prior_text(STAGE, (1.0, 0, 0), (1.0, 0, 0), wording) == "popular with customers like you"


# Neighbours

NEAR = ((0, 0.2, 0.9, 0), (0.1, 0, 0.3, 0), (0, 0, 0, 0.5), (0, 0, 0, 0))


@pytest.mark.parametrize(
    ("user", "text"),
    [
        ({0: Did(), 1: Did()}, "goes with <0>"),
        ({1: Did()}, "goes with <1>"),
        # log1p(1) · 0.9 < log1p(100) · 0.3
        ({0: Did(worth=1.0), 1: Did(worth=100.0)}, "goes with <1>"),
        ({0: Did(worth=-5.0), 1: Did()}, "goes with <1>"),
    ],
)
def test_the_item_with_the_largest_part_is_named(user, text):
    model = model_of(np.zeros((4, 1)), near=NEAR)
    assert told(model, customer(model, user), (2,), neighbours=1.0) == [[text]]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_strengths_are_those_of_the_whole_matrix(seed):
    rng = np.random.default_rng(seed)
    strengths = rng.random((12, 12)) * (rng.random((12, 12)) < 0.3)
    items = np.flatnonzero(rng.random(12) < 0.5)
    shown = rng.permutation(12)[:5]
    found = near_strengths(neighbours_of(strengths), items, shown)
    expected = strengths.astype(np.float32)[np.ix_(items, shown)]
    assert found.tolist() == expected.tolist()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000))
def test_a_cause_is_the_largest_part_of_the_foremost_and_else_of_the_next(seed):
    rng = np.random.default_rng(seed)
    n = 5 * FOREMOST
    strengths = rng.random((n, n)) * (rng.random((n, n)) < 0.03)
    history = np.flatnonzero(rng.random(n) < 0.9)
    weights = rng.permutation(len(history)) + 1.0
    shown = rng.permutation(n)[:12]
    parts = weights[:, np.newaxis] * strengths.astype(np.float32)[np.ix_(history, shown)]
    rank = len(history) - weights
    expected = []
    for column in parts.T:
        cause, most = -1, FOREMOST
        while cause < 0 and most < WIDER * len(history):
            among = np.where(rank < most, column, 0.0)
            cause, most = (history[among.argmax()] if among.any() else -1), WIDER * most
        expected.append(cause)
    found = near_causes(neighbours_of(strengths), history, weights, shown)
    assert found.tolist() == expected


# Names of items


@pytest.mark.parametrize(
    ("title", "brand", "category", "name"),
    [
        ("Green tea", "Acme", "food > hot_drinks", "Green tea"),
        ("", "Acme", "food > hot_drinks", "Acme hot drinks"),
        ("", "", "food > hot_drinks", "hot drinks"),
        ("", "Acme", "", "Acme"),
        ("", "", "", ""),
    ],
)
def test_what_an_item_is_called(title, brand, category, name):
    columns = {"title": title, "brand": brand, "category": category}
    catalogue = replace(
        PLAIN.catalogue, columns={key: np.asarray([value] * 3) for key, value in columns.items()}
    )
    assert name_of(catalogue, 1) == name
    assert name_of(replace(catalogue, columns={}), 1) == ""


def test_an_item_without_a_name_is_something():
    model = model_of(np.ones((4, 1)), near=NEAR, titles=[""] * 4)
    found = told(model, customer(model, {0: BOUGHT}), (2,), als=2.0, neighbours=1.0)
    assert found == [["fits what you have chosen before", "goes with something you chose"]]


def test_braces_in_a_title_are_only_text():
    model = model_of(np.zeros((4, 1)), near=NEAR, titles=["{n} {item.x} {"] * 4)
    found = told(model, customer(model, {0: Did()}), (2,), neighbours=1.0)
    assert found == [["goes with {n} {item.x} {"]]


# ALS: what a dot product is made of


def random_shop(seed, *, n_items=25, d=4, sizes=(0, 1, 4, 15)):
    """A model and customers in which everything is drawn."""
    rng = np.random.default_rng(seed)
    axes = (AGE, STAGE)
    width, root = sum(len(axis.segments) for axis in axes), rng.normal(size=(d, d))
    near = rng.random((n_items, n_items)) * (rng.random((n_items, n_items)) < 0.2)
    shares = [np.full(len(axis.segments), 1 / len(axis.segments)) for axis in axes]
    model = model_of(
        rng.normal(size=(n_items, d)),
        axes=axes,
        lifts=rng.normal(size=(n_items, width)),
        near=near - np.diag(np.diag(near)),
        supported=rng.random(n_items) < 0.9,
        gram=root @ root.T + np.eye(d),
        spread=np.eye(d) * 0.5,
        mean=rng.normal(size=d),
        effects=rng.normal(size=(width, d)),
        shares=np.concatenate(shares),
        precisions=np.stack([np.eye(d) + 0.1 * root @ root.T, 2 * np.eye(d)]),
    )
    histories = histories_of([random_user(rng, n_items, size) for size in sizes], n_items)
    rows = [np.concatenate([drawn_row(rng, len(axis.segments)) for axis in axes]) for _ in sizes]
    return model, Customers(histories, memberships_of(histories.users, axes, rows))


def random_user(rng, n_items, size):
    user = {}
    for item in rng.choice(n_items, size=size, replace=False).tolist():
        ages = tuple(rng.uniform(0.1, 90, size=int(rng.integers(4))).tolist())
        looked = {"view": float(rng.uniform(0, 30))} if rng.random() < 0.5 else {}
        user[item] = Did(ages, float(rng.choice([-5.0, 0.0, 1.0, 12.0])), looked)
    return user


def drawn_row(rng, n_segments):
    row = rng.random(n_segments) * rng.choice([0.0, 1.0])
    return row / max(row.sum(), 1.0)


SHOPS = st.integers(0, 10_000)
CENTRE = st.sampled_from(["mean", "segments"])


@settings(max_examples=40, deadline=None)
@given(SHOPS, CENTRE)
def test_the_parts_add_up_to_the_term(seed, centre):
    model, customers = random_shop(seed)
    shown = np.arange(len(model.items))
    for user in range(len(customers.users)):
        parts = als_parts(model, customers, user, centre, shown)
        vector = user_vector(model, customers, user, customers.memberships.row(user), centre)
        whole = parts.own.sum(axis=1) + parts.segments + parts.mean
        np.testing.assert_allclose(
            whole / model.fold_in.scale(vector),
            model.columns[:, model.blocks["als"]]
            @ coordinates(model, customers, user, centre)["als"],
            rtol=1e-4,
            atol=1e-5,
        )


@settings(max_examples=20, deadline=None)
@given(SHOPS, CENTRE)
def test_each_part_is_that_of_a_slow_loop(seed, centre):
    model, customers = random_shop(seed)
    fold_in, user = model.fold_in, 3
    rows = customers.histories.rows(user)
    row = customers.memberships.row(user)
    middle = fold_in.centre(row, list(model.segments.values()), centre)
    factors = fold_in.item_factors.astype(np.float64)
    precision = fold_in.precisions[["segments", "mean"].index(centre)]
    left, known = fold_in.gram + precision, {}
    for item, worth in zip(
        customers.histories.items[rows], customers.histories.worth[rows], strict=True
    ):
        if worth and fold_in.supported[item]:
            known[int(item)] = float(confidence(np.asarray([worth]), model.slope)[0])
            left = left + (abs(known[int(item)]) - 1) * np.outer(factors[item], factors[item])
    inverse = np.linalg.inv(left)
    parts = als_parts(model, customers, user, centre, np.asarray([7, 2]))
    assert parts.items.tolist() == sorted(known)
    for place, shown in enumerate([7, 2]):
        for column, (item, signed) in enumerate(sorted(known.items())):
            expected = max(signed, 0.0) * factors[item] @ inverse @ factors[shown]
            assert parts.own[place, column] == pytest.approx(expected, rel=1e-4, abs=1e-5)
        moved = precision @ (middle - fold_in.mean) @ inverse @ factors[shown]
        assert parts.segments[place] == pytest.approx(moved, rel=1e-4, abs=1e-5)
        mean = precision @ fold_in.mean @ inverse @ factors[shown]
        assert parts.mean[place] == pytest.approx(mean, rel=1e-4, abs=1e-5)


# ALS in words: on items with one factor each, a part is c / (c + P) of what it speaks for


def als_text(user, shown=4, *, factors=None, row=None, centre="segments", wording=None, **fold_in):
    """Item 4 has the factor of items 0 to 3."""
    factors = np.ones((5, 1)) if factors is None else factors
    model = model_of(factors, axes=(STAGE,), **fold_in)
    customers = customer(model, user, row=row)
    ((text,),) = told(model, customers, (shown,), centre=centre, wording=wording, als=1.0)
    return text


def test_one_item_that_carries_a_third_is_named():
    assert als_text({0: BOUGHT}) == "because you chose <0>"
    assert als_text({1: BOUGHT, 2: Did((9.0,), worth=50.0)}) == "because you chose <2>"
    assert als_text({0: BOUGHT, 1: BOUGHT, 2: BOUGHT}) == "because you chose <0>"


def test_where_no_item_carries_a_third_none_is_named():
    many = dict.fromkeys(range(4), BOUGHT)
    assert als_text(many) == "fits what you have chosen before"


def test_what_speaks_against_an_item_is_no_cause_of_it():
    factors = [[1.0, 0], [-1.0, 1.0], [0, 1.0], [0, 0], [1.0, 0]]
    assert (
        als_text({0: BOUGHT, 1: Did((9.0,), worth=50.0)}, factors=factors)
        == "because you chose <0>"
    )
    assert als_text({0: BOUGHT, 2: Did(worth=-50.0)}, factors=factors) == "because you chose <0>"


def test_what_speaks_against_an_item_makes_no_share_larger():
    factors = [[1.0]] * 5 + [[-1.0]] * 2
    many = dict.fromkeys((0, 1, 2, 3, 5, 6), BOUGHT)
    assert als_text(many, factors=factors) == "fits what you have chosen before"


def test_of_equal_causes_the_first_is_named_however_a_processor_adds_up():
    rng = np.random.default_rng(0)
    for d in range(5, 65):
        n = int(rng.integers(2, 30))
        factors = 0.01 * rng.normal(size=(n + 10, d))
        same = np.sort(rng.choice(n, size=2, replace=False))
        direction = rng.normal(size=d)
        factors[same] = 3.0 * direction / np.linalg.norm(direction)
        factors[n:] += factors[same[0]]
        model = model_of(factors, gram=np.eye(d))
        customers = customer(model, dict.fromkeys(range(n), BOUGHT))
        found = told(model, customers, range(n, n + 10), als=1.0)
        assert found == [[f"because you chose <{same[0]}>"]] * 10


def test_an_item_is_no_cause_of_itself():
    assert als_text({4: BOUGHT}) == "you have chosen this before"


def test_what_was_never_bought_was_not_chosen():
    assert als_text({0: Did()}) == "because you looked at <0>"
    assert als_text({4: Did()}) == "you have shown interest in this"
    assert als_text({0: Did(), 4: BOUGHT}) == "because you looked at <0>"
    assert als_text({0: BOUGHT, 4: Did()}) == "because you chose <0>"
    hidden = Wording(titles=False)
    assert als_text({0: Did()}, wording=hidden) == "fits what you have looked at before"
    assert als_text({0: BOUGHT}, wording=hidden) == "fits what you have chosen before"


def test_the_centre_is_told_where_it_carries_most():
    chosen = float(confidence(np.asarray([5.0]), SLOPE)[0])
    for share, text in ((1.1, "fits most customers"), (0.9, "because you chose <0>")):
        assert als_text({0: BOUGHT}, mean=np.asarray([share * chosen])) == text
    effects = {"effects": np.asarray([[500.0], [0], [0]])}
    assert als_text({0: BOUGHT}, row=(1, 0, 0), **effects) == "fits customers like you"
    assert als_text({0: BOUGHT}, row=(0, 1, 0), **effects) == "because you chose <0>"
    assert als_text({0: BOUGHT}, row=(1, 0, 0), centre="mean", **effects) == "because you chose <0>"


@pytest.mark.parametrize("user", [{}, {0: Did(worth=0.0)}, {0: Did((3.0, 9.0), worth=0.0)}])
def test_without_a_history_that_counts_the_centre_is_told(user):
    mean = {"mean": np.asarray([1e-6])}
    assert als_text(user, **mean) == "fits most customers"
    effects = {"effects": np.asarray([[1e-6], [0], [0]])}
    assert als_text(user, row=(1, 0, 0), **effects) == "fits customers like you"


# What must hold of every list

NAMED = re.compile(r"<(\d+)>")


def lists(model, customers, centre, k=12):
    """Every user's list under fixed weights, by the ranker itself."""
    recipe = Recipe(signals=tuple(EVERYTHING), weights=EVERYTHING, centre=centre, repeat="always")
    chain, variant = Ranker(model, {}), make_variant("mine", recipe)
    users = range(len(customers.users))
    return list(chain.rank_all(customers, users, variant, Request(k))), chain.centre(variant)


@settings(max_examples=25, deadline=None)
@given(SHOPS, CENTRE)
def test_values_are_the_terms_and_only_her_own_items_are_named(seed, centre):
    model, customers = random_shop(seed)
    rankings, start = lists(model, customers, centre)
    histories = customers.histories
    for user, ranking in enumerate(rankings):
        rows = histories.rows(user)
        hers = set(histories.items[rows][histories.worth[rows] > 0].tolist())
        found = reasons(model, customers, user, ranking, centre=start, wording=Wording(most=99))
        for place, parts in enumerate(found):
            terms = {name: float(values[place]) for name, values in ranking.terms.items()}
            speaking = {name: value for name, value in terms.items() if value > 0}
            speaking = speaking or {"popularity": terms["popularity"]}
            assert {part.signal: part.value for part in parts} == speaking
            assert [part.value for part in parts] == sorted(speaking.values(), reverse=True)
            named = {int(name) for part in parts for name in NAMED.findall(part.text)}
            assert named <= hers - {int(ranking.items[place])}


@settings(max_examples=25, deadline=None)
@given(SHOPS, CENTRE)
def test_items_together_are_told_as_each_alone_and_users_too(seed, centre):
    model, customers = random_shop(seed)
    rankings, start = lists(model, customers, centre)
    for user, ranking in enumerate(rankings):
        whole = reasons(model, customers, user, ranking, centre=start, wording=Wording(most=99))
        alone = Customers(
            customers.histories.aligned(Vocabulary([str(customers.users.ids[user])])),
            memberships_of(
                Vocabulary(["her"]), model.axes, [customers.memberships.row(user).tolist()]
            ),
        )
        for place, parts in enumerate(whole):
            one = ranking._replace(
                items=ranking.items[[place]],
                terms={name: values[[place]] for name, values in ranking.terms.items()},
            )
            told = reasons(model, alone, 0, one, centre=start, wording=Wording(most=99))
            assert told == [parts]


@settings(max_examples=25, deadline=None)
@given(SHOPS, CENTRE)
def test_the_item_named_as_a_neighbour_has_the_largest_part(seed, centre):
    model, customers = random_shop(seed)
    rankings, start = lists(model, customers, centre)
    strengths = sparse.csr_matrix(
        (model.neighbours.data, model.neighbours.indices, model.neighbours.indptr)
    ).toarray()
    for user, ranking in enumerate(rankings):
        rows = customers.histories.rows(user)
        weights = history_weights(customers.histories.worth[rows])
        history = customers.histories.items[rows]
        found = reasons(model, customers, user, ranking, centre=start)
        for item, parts in zip(ranking.items, found, strict=True):
            for part in parts:
                if part.signal == "neighbours":
                    largest = history[(weights * strengths[history, item]).argmax()]
                    assert part.text == f"goes with <{largest}>"


@settings(max_examples=25, deadline=None)
@given(SHOPS, CENTRE)
def test_without_titles_nothing_of_a_history_is_named(seed, centre):
    model, customers = random_shop(seed)
    rankings, start = lists(model, customers, centre)
    for user, ranking in enumerate(rankings):
        for parts in reasons(
            model, customers, user, ranking, centre=start, wording=Wording(titles=False)
        ):
            assert not any(NAMED.search(part.text) for part in parts)


@settings(max_examples=25, deadline=None)
@given(SHOPS, CENTRE)
def test_a_history_that_counts_nothing_tells_nothing(seed, centre):
    # What somebody owns may filter her list although nothing else of it may be used.
    model, customers = random_shop(seed)
    histories = replace(customers.histories, worth=np.zeros_like(customers.histories.worth))
    rankings, start = lists(model, replace(customers, histories=histories), centre)
    texts = {TEXTS["als:segments"], TEXTS["als:mean"]}
    for user, ranking in enumerate(rankings):
        silent = ranking._replace(terms={k: v for k, v in ranking.terms.items() if k != "habit"})
        her = Customers(histories, customers.memberships)
        for parts in reasons(model, her, user, silent, centre=start):
            assert {part.signal for part in parts} <= {
                "als",
                "popularity",
                "prior:age",
                "prior:stage",
            }
            assert {part.text for part in parts if part.signal == "als"} <= texts


# Texts of the shop's own


def test_every_text_has_only_placeholders_that_are_filled_in():
    assert Wording(texts=dict(TEXTS)).texts == dict(TEXTS)
    for key in TEXTS:
        values = dict.fromkeys(placeholders(key), "x")
        assert "{" not in Wording().text(key, **values)


def test_texts_of_kinds_and_segments_are_of_some_that_there_are():
    segments = {
        "activity": {activity.SILENT},
        "aipl": set(aipl.SEGMENTS),
        "lifecycle": set(lifecycle.SEGMENTS),
        "price": {price.VALUE_FIRST},
        "rfm": set(rfm.CELLS),
    }
    for _, kind, *segment in (key.split(":") for key in TEXTS if key.startswith("kind:")):
        assert kind in KINDS
        assert set(segment) <= segments.get(kind, set())


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("prior:stage:new", "Für Neue: {axis} {segment}"),
        ("prior:stage", "Für {segment}"),
        ("kind:lifecycle:new", "kind and segment"),
        ("kind:lifecycle", "the kind"),
        ("prior", "any: {segment}"),
    ],
)
def test_a_text_of_the_shop_replaces_ours(key, text):
    said = prior_text(STAGE, (1.0, 0, 0), (1.0, 0, 0), Wording(texts={key: text}))
    assert said == text.format(axis="stage", segment="new")


def test_the_nearest_text_is_taken():
    wording = Wording(texts={"prior": "far", "kind:lifecycle": "near", "prior:stage": "nearest"})
    assert prior_text(STAGE, (1.0, 0, 0), (1.0, 0, 0), wording) == "nearest"
    assert (
        prior_text(STAGE, (0, 1.0, 0), (0, 1.0, 0), Wording(texts={"prior": "far"}))
        == (TEXTS["kind:lifecycle:lapsed"])
    )


def test_rules_contacts_and_times_in_the_words_of_the_shop():
    wording = Wording(
        texts={
            "rule:gift": "a present",
            "contact:asked:ago": "asked about, {time}",
            "time:days": "{n} Tage",
            "habit:pace": "alle {time}",
        }
    )
    assert told(PLAIN, NOBODY, wording=wording, rule__gift=1.0) == [["a present"]]
    assert told(PLAIN, NOBODY, wording=wording, rule__other=1.0) == [["chosen by the shop"]]
    assert habit_text(Did(contacts={"asked": 4.0}), wording=wording) == "asked about, 4 Tage"
    assert habit_text(Did((1.0, 10.0, 19.0)), wording=wording) == "alle 9 Tage"


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (
            {"habbit:ago": "x"},
            "'habbit:ago' is no key of a reason's text; did you mean 'habit:ago'",
        ),
        ({"contact:cart": "in your cart"}, "'contact:cart' is no key of a reason's text; did you"),
        ({"als": "like {item}"}, "has the placeholder {item}; there it may have none"),
        ({"neighbours:item": "{item.__class__}"}, "{item.__class__}; there it may have item"),
        ({"habit:ago": "{} ago"}, "has the placeholder {}; there it may have time"),
        ({"prior": "{segment"}, "the text '{segment' of 'prior' cannot be read"),
    ],
)
def test_a_text_that_could_not_be_filled_in_is_refused(texts, message):
    with pytest.raises(ValidationError) as refused:
        Wording(texts=texts)
    assert message in str(refused.value)


def test_a_placeholder_may_be_left_out():
    assert habit_text(Did((12.0,)), wording=Wording(texts={"habit:ago": "lately"})) == "lately"


@given(
    st.dictionaries(
        st.sampled_from("abcdef"), st.lists(st.floats(-2, 2), min_size=3, max_size=3), min_size=1
    ),
    st.integers(1, 7),
)
def test_the_strongest_terms_of_each_item_are_told(terms, most):
    kept = strongest({name: np.array(values) for name, values in terms.items()}, most)
    for place in range(3):
        told = sorted((-v[place], name) for name, v in kept.items() if v[place] > 0)
        speaking = sorted((-v[place], name) for name, v in terms.items() if v[place] > 0)
        assert told == speaking[:most]
