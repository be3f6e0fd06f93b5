"""What users agreed to is kept in training: held against a training without them."""

import numpy as np
import pandas as pd
import pytest

from recsys.events.times import parse_time
from recsys.interactions import HALF_LIVES, build_histories, pair_table
from recsys.models.priors import Support, fit_prior
from recsys.pipelines.ingest import intake_of
from recsys.pipelines.told import hear
from recsys.pipelines.train import fit
from recsys.ranking import describe
from recsys.state import StateStore

SOME = ("0001", "0007", "0011", "0012")
AS_OF = parse_time("2024-06-30T00:00:00Z")


@pytest.fixture(scope="module")
def trained_under(open_shop_of, config, tables, tmp_path_factory):
    """Trains on the sixty customers once some have said what they agree to."""

    def train(*, consent=None, erased=False, tables=tables):
        state = StateStore(f"sqlite:///{tmp_path_factory.mktemp('state')}/state.db")
        state.create()
        for user_id in SOME:
            if erased:
                state.erase(user_id, erased_at=1)
            elif consent is not None:
                state.put_person(user_id, consent=consent)
        shop = hear(open_shop_of(tables, config), state, intake_of(config))
        state.close()
        return fit(shop, config, as_of=AS_OF, threads=1), shop

    return train


@pytest.fixture(scope="module")
def without(tables, trained_under):
    """Trained as if there had never been those customers."""
    rest = tables._replace(
        events=tables.events[~tables.events["user_id"].isin(SOME)],
        users=tables.users[~tables.users["user_id"].isin(SOME)],
    )
    return trained_under(tables=rest)[0]


@pytest.fixture(scope="module")
def everyone(trained_under):
    return trained_under()[0]


@pytest.fixture(scope="module")
def limited(trained_under):
    """Trained with those customers counting in popularity and lifts alone."""
    return trained_under(consent="segment_only")


def test_who_agreed_to_nothing_or_was_erased_has_no_part(trained_under, without, content):
    for said in ({"consent": "none"}, {"erased": True}):
        assert content(trained_under(**said)[0]) == content(without)


def test_full_consent_is_the_default(trained_under, everyone, content, without):
    assert content(trained_under(consent="full")[0]) == content(everyone)
    assert content(everyone) != content(without)


def test_who_agreed_to_segments_counts_in_popularity_and_lifts_alone(limited, without):
    trained = limited[0]
    ours, theirs = trained.model.arrays(), without.model.arrays()
    changed = {name for name in ours if not same(ours[name], theirs[name])}
    assert changed == {"item_columns", "newcomer_columns"}
    moved = {
        signal
        for signal, part in trained.model.blocks.items()
        if not same(trained.model.columns[:, part], without.model.columns[:, part])
    }
    assert {"popularity", "prior:age"} <= moved
    assert moved <= {"popularity", "trend", *(f"prior:{name}" for name in trained.model.segments)}
    # Cut points, habits, and the weights of variants with the evidence for them.
    assert trained.model.axes == without.model.axes
    assert trained.model.habit.evidence == without.model.habit.evidence
    assert trained.learnt == without.learnt
    learnt_from = trained.learning.now.histories.users
    assert same(learnt_from.ids, without.learning.now.histories.users.ids)
    for name in ("together", "similar"):
        left, right = getattr(trained.related, name), getattr(without.related, name)
        for array, other in zip(left.arrays().values(), right.arrays().values(), strict=True):
            np.testing.assert_array_equal(array, other)


def test_popularity_is_everyones(limited, everyone):
    ours, theirs = limited[0].model, everyone.model
    assert ours.popularity_half_life == theirs.popularity_half_life
    np.testing.assert_allclose(ours.log_popularity, theirs.log_popularity, atol=1e-6)


def test_lifts_are_everyones_in_the_segments_they_are_put_into(limited, config, shop):
    """An oracle: one prior over all customers, described by what the others have taught."""
    trained = limited[0]
    model, users = trained.model, trained.memberships.users
    assert set(SOME) <= set(users.ids)
    customers = describe(shop.events(), users, shop.users(as_of=AS_OF), model, as_of=AS_OF)
    assert (customers.memberships.matrix != trained.memberships.matrix).nnz == 0
    pairs = build_histories(
        pair_table(
            shop.events(), config.interactions, as_of=AS_OF, timed=True, half_lives=HALF_LIVES
        ),
        users,
        model.items,
        as_of=AS_OF,
    ).positive_items()
    beside = Support(model.fold_in.supported, model.catalogue.groups, config.model.kappa_scale)
    for name in ("age", "lifecycle"):
        expected = fit_prior(pairs, customers.memberships.of(name), beside)
        found = model.columns[:, model.blocks[f"prior:{name}"]].T
        np.testing.assert_allclose(found, expected.lifts, atol=1e-5)


def same(left, right):
    return np.array_equal(left, right, equal_nan=left.dtype.kind == "f")


def test_they_are_told_of(limited):
    [note] = [note for note in limited[0].notes if "agreed to segments alone" in note]
    assert note.startswith(f"{len(SOME)} customers")
    assert limited[1].reports["events"].withheld == 0


def test_an_item_that_only_they_bought_is_in_the_catalogue(tables, trained_under):
    hers = tables.events[tables.events["user_id"] == SOME[0]].head(1).assign(item_id="hers")
    more = tables._replace(events=pd.concat([tables.events, hers], ignore_index=True))
    trained, _ = trained_under(consent="segment_only", tables=more)
    (item,) = trained.model.items.index_of(["hers"])
    assert item >= 0
    assert not trained.model.fold_in.supported[item]
