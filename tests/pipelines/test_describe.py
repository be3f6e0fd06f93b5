"""One user, many users, the engine, pandas and a bundle read back: the same to the last bit."""

from dataclasses import fields

import narwhals as nw
import numpy as np
import pytest

from recsys.bundle import BundleStore
from recsys.pipelines import windows
from recsys.pipelines.publish import fill_state, keep_memberships, publish
from recsys.pipelines.recommend import moment, recommend, table_of
from recsys.pipelines.train import fit
from recsys.ranking import Request, describe
from recsys.ranking.published import open_bundle
from recsys.segments import KINDS, from_names
from recsys.state import StateStore
from recsys.vocabulary import Vocabulary

SOME = ("0000", "0001", "0013", "0030", "0059", "nobody")


def described(shop, trained, users, events=None):
    return describe(
        shop.events(before=trained.as_of) if events is None else events,
        Vocabulary(users),
        shop.users(as_of=trained.as_of),
        trained.model,
        as_of=trained.as_of,
    )


@pytest.fixture(scope="module")
def everyone(shop, trained, tables):
    return described(shop, trained, [*tables.users["user_id"], "nobody"])


def rows_of(customers, user):
    """All that is known of a user, as plain numbers."""
    (index,) = customers.users.index_of([user])
    rows = customers.histories.rows(index)
    names = ("items", "worth", "visits", "decayed_visits", "since_last", "since_first")
    arrays = [np.asarray(getattr(customers.histories, name)[rows]) for name in names]
    return [*arrays, customers.memberships.row(index)]


def same(one, other):
    for left, right in zip(one, other, strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("user", SOME)
def test_one_user_is_described_as_among_all(user, shop, trained, everyone):
    same(rows_of(described(shop, trained, [user]), user), rows_of(everyone, user))


def test_a_pandas_frame_is_described_as_the_engine_is(shop, trained, everyone):
    frame = shop.events().collect("pandas").to_native()
    kept = frame[frame["user_id"].isin(SOME)]
    customers = described(shop, trained, SOME, nw.from_native(kept).lazy())
    for user in SOME:
        same(rows_of(customers, user), rows_of(everyone, user))


def test_training_and_serving_describe_alike(trained, everyone):
    for user in trained.memberships.users.ids.tolist():
        (index,) = trained.memberships.users.index_of([user])
        np.testing.assert_array_equal(
            trained.memberships.row(index), rows_of(everyone, user)[-1], err_msg=user
        )


def test_events_at_or_after_the_moment_are_not_used(shop, trained, everyone):
    frame = shop.events().collect("pandas").to_native()
    cut = int(frame.loc[frame["user_id"] == "0001", "time"].median())
    assert (frame.loc[frame["user_id"] == "0001", "time"] == cut).any()
    late = describe(
        shop.events(), Vocabulary(SOME), shop.users(as_of=cut), trained.model, as_of=cut
    )
    early = describe(
        shop.events(before=cut), Vocabulary(SOME), shop.users(as_of=cut), trained.model, as_of=cut
    )
    for user in SOME:
        same(rows_of(late, user), rows_of(early, user))
    assert len(late.histories.items) < len(everyone.histories.items)


def test_a_stranger_has_no_history_and_no_segment(everyone):
    *histories, membership = rows_of(everyone, "nobody")
    assert all(len(values) == 0 for values in histories)
    assert not membership.any()
    (index,) = everyone.users.index_of(["nobody"])
    assert everyone.activity(index, 5.0) == 0.0


# Through the bundle and the state


@pytest.fixture(scope="module")
def store(tmp_path_factory, trained, shop, config):
    store = BundleStore(tmp_path_factory.mktemp("store"))
    publish(trained, shop, config, store, created_at="2024-07-01T00:00:00Z")
    return store


@pytest.fixture(scope="module")
def published(store):
    return open_bundle(store.load())


def bits(ranking):
    terms = {signal: values.tobytes() for signal, values in ranking.terms.items()}
    return ranking.items.tolist(), ranking.scores.tobytes(), terms, ranking.fallback


def test_a_bundle_read_back_ranks_bit_for_bit(published, trained, config, everyone):
    users = range(len(everyone.users))
    for variant in config.every_variant().values():
        before = trained.ranker().rank_all(everyone, users, variant, Request(20))
        after = published.ranker.rank_all(everyone, users, variant, Request(20))
        assert [bits(r) for r in before] == [bits(r) for r in after]
    assert published.as_of == trained.as_of
    assert {f.name for f in fields(published.ranker.model)} == {
        f.name for f in fields(trained.model)
    }


def test_lists_from_the_state_are_those_of_the_shop(
    tmp_path, published, trained, config, shop, everyone
):
    state = StateStore(f"sqlite:///{tmp_path}/state.db")
    fill_state(shop, state, as_of=trained.as_of)
    assert moment(published, state) == trained.as_of
    variant = config.every_variant()["segment_aware"]
    users = ["0059", "nobody", "0001"]
    (block,) = recommend(
        published, state, users, variant, Request(10), as_of=trained.as_of, history=None
    )
    rows = everyone.users.index_of(users).tolist()
    expected = trained.ranker().rank_all(everyone, rows, variant, Request(10))
    assert [bits(r) for r in block.rankings] == [bits(r) for r in expected]
    table = table_of(block, users, published.ranker, explain=True)
    state.close()
    assert table["user_id"].unique().tolist() == users
    assert table["rank"].tolist() == [*range(1, 11)] * 3
    terms = table.filter(like="term_")
    assert list(terms) == [
        "term_als",
        "term_popularity",
        "term_trend",
        *(f"term_prior_{axis}" for axis in ("age", "lifecycle", "spending", "taste")),
        "term_habit",
        "term_neighbours",
        "term_taste",
    ]
    np.testing.assert_allclose(terms.sum(axis=1), table["score"])


# Every kind of axis, from training to one user's rows in the state

EVERY_KIND = {
    "lifecycle": {"kind": "lifecycle"},
    "cadence": {"kind": "lifecycle", "pace": "own"},
    "aipl": {"kind": "aipl"},
    "rfm": {"kind": "rfm", "grades": 3},
    "spending": {"kind": "spending"},
    "tier": {"kind": "spending", "window": "60d", "calm": {"every": "30d", "periods": 4}},
    "frequency": {"kind": "frequency"},
    "activity": {"kind": "activity", "window": "60d"},
    "price": {"kind": "price", "calm": {"every": "month"}},
    "brand": {"kind": "brand"},
    "novelty": {"kind": "novelty"},
    "breadth": {"kind": "breadth"},
    "value": {"kind": "value"},
    "interest": {"kind": "interest", "level": 2},
    "age": {"kind": "attribute", "column": "age"},
    "clusters": {"kind": "clusters", "k": 3},
    "vip": {"kind": "imported", "column": "imported:vip"},
    "place": {"kind": "combine", "axes": ["region", "spending"], "min_users": 3},
    "region": {"kind": "attribute", "column": "region"},
    "stage": {
        "kind": "rules",
        "segments": [
            {"name": "dear", "when": {"feature": "spend", "window": "60d", "at_least": 20}},
            {"name": "late", "when": {"all": [{"feature": "overdue", "above": 1.5},
                                              {"axis": "age", "in": ["60+", "18-29"]}]}},
        ],
    },
}  # fmt: skip


def test_every_kind_of_axis_is_served_as_it_was_trained(
    tmp_path, monkeypatch, open_shop_of, tables, make_config
):
    """Cut points, norms, prices, launches and imported segments reach one user's rows unharmed."""
    monkeypatch.setattr(windows, "WINDOWS", 1)
    users = tables.users.assign(**{"imported:vip": None})
    users.loc[users.index[::3], "imported:vip"] = '{"gold": 0.75, "old": 0.25}'
    config = make_config(segments=EVERY_KIND)
    shop = open_shop_of(tables._replace(users=users), config)
    popular = config.chosen(["popular"])
    trained = fit(shop, config, as_of=shop.after_all(), variants=popular, threads=1)
    assert {axis.config.kind for axis in trained.model.axes} == set(KINDS)
    store = BundleStore(tmp_path / "store")
    publish(trained, shop, config, store, created_at="2024-07-01T00:00:00Z")
    model = open_bundle(store.load()).ranker.model
    state = StateStore(f"sqlite:///{tmp_path}/state.db")
    fill_state(shop, state, as_of=trained.as_of)
    keep_memberships(trained, state, "version")
    assert state.profiles.to_do(1) == {}
    kept = state.profiles.of(SOME)
    for user in SOME[:-1]:
        customer = describe(
            nw.from_native(state.events_of([user])).lazy(),
            Vocabulary([user]),
            state.attributes_of([user]),
            model,
            as_of=trained.as_of,
        )
        (index,) = trained.memberships.users.index_of([user])
        np.testing.assert_array_equal(
            customer.memberships.row(0), trained.memberships.row(index), err_msg=user
        )
        by_name = from_names(user, model.axes, kept[user])
        np.testing.assert_array_equal(by_name.row(0), trained.memberships.row(index))
    state.close()
