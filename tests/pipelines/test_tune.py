"""The search: what is tried in which order, what a study may be gone on with for, and its noise."""

import dataclasses
import math
import sys
import tomllib

import numpy as np
import optuna
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t as student

from recsys.errors import ConfigError, DataError, StoreError
from recsys.events.times import parse_time
from recsys.pipelines import tune as tuning
from recsys.pipelines.train import rehearse
from recsys.pipelines.tune import (
    FILE,
    SPACE,
    Rehearsals,
    Sitting,
    applied,
    corrected,
    defaults,
    importances,
    open_study,
    require_optuna,
    search,
    searched,
    share_asked,
    snippet,
    study_name,
    training_side,
    tried,
    tune,
    values_of,
)
from recsys.pipelines.windows import prepare
from recsys.random import generator
from recsys.ranking import Recipe
from recsys.ranking.learning import unlearnt
from recsys.ranking.recipe import make_variant
from recsys.statistics import mean_interval

CUT = parse_time("2024-05-01")
PEAK = 40.0


def by_alpha(values):
    """Best where alpha is PEAK; nothing else matters."""
    return 1 - math.log(values["model.alpha"] / PEAK) ** 2 / 100


@pytest.fixture(scope="module")
def small(make_config, tmp_path_factory):
    """One axis and few factors, with a store of its own."""
    config = make_config(segments={"age": {"kind": "attribute", "column": "age"}})
    store = config.store.model_copy(update={"path": str(tmp_path_factory.mktemp("store"))})
    return config.model_copy(update={"store": store})


@pytest.fixture(scope="module")
def learning(shop, small):
    return prepare(shop, small, as_of=CUT)


@pytest.fixture(scope="module")
def variant(small):
    return small.every_variant()["segment_aware"]


@pytest.fixture(scope="module")
def keys(variant):
    return searched(variant, timed=True)


@pytest.fixture
def study():
    """Kept in memory."""
    require_optuna()
    return optuna.create_study(direction="maximize")


@pytest.fixture
def quick(monkeypatch, learning, small, tmp_path):
    """Rehearsals that cost nothing: a peak in alpha, and another level for every draw."""
    asked = []

    def rehearse(learning, config, variant, *, threads):
        asked.append((config.model.seed, config.model.alpha, config.interactions.half_life))
        level = (config.model.seed % 1000) / 1e4
        return unlearnt(())._replace(ndcg=by_alpha(values_of(config, SPACE)) + level)

    monkeypatch.setattr(tuning, "rehearse", rehearse)
    monkeypatch.setattr(tuning, "prepare", lambda *_, **__: learning)
    store = small.store.model_copy(update={"path": str(tmp_path / "store")})
    return small.model_copy(update={"store": store}), asked


@pytest.fixture(scope="module")
def noisy(open_shop_of, tables, small):
    """The same shop, with every event from the cut on replaced."""
    events = tables.events.copy()
    late = (events["timestamp"] >= "2024-05-01").to_numpy()
    items = np.random.default_rng(1).permutation(events.loc[late, "item_id"].to_numpy())
    events.loc[late, "item_id"] = items
    events.loc[late, "event"] = "purchase"
    return open_shop_of(tables._replace(events=events), small)


class TestSearch:
    def test_the_given_values_come_first_and_only_once(self, study, keys, small):
        own, usual = values_of(small, keys), defaults(small, keys)
        assert own != usual
        seen = []
        search(study, keys, [own, usual, own], by_alpha, Sitting(3, on_trial=seen.append), 1)
        assert [one.values for one in seen[:2]] == [own, usual]
        assert seen[2].values not in (own, usual)
        assert tried(study) == seen
        search(study, keys, [own, usual], by_alpha, Sitting(1), 1)
        assert len(tried(study)) == 4
        assert [one.values for one in tried(study)].count(own) == 1

    def test_two_sittings_come_to_the_same_as_one(self, tmp_path, keys, small):
        first = [values_of(small, keys)]
        with open_study(tmp_path, "at once") as whole:
            search(whole, keys, first, by_alpha, Sitting(8), 7)
            expected = tried(whole)
        for trials in (3, 5):
            with open_study(tmp_path, "in parts") as parts:
                search(parts, keys, first, by_alpha, Sitting(trials), 7)
                found = tried(parts)
        assert found == expected
        assert len({str(one.values) for one in found}) == 8
        with open_study(tmp_path, "another seed") as other:
            search(other, keys, first, by_alpha, Sitting(2), 8)
            assert tried(other)[0] == expected[0]
            assert tried(other)[1] != expected[1]

    def test_it_nears_the_peak_and_knows_what_it_hangs_on(self, study, keys, small):
        own = values_of(small, keys)
        search(study, keys, [own], by_alpha, Sitting(40), 3)
        found = tried(study)
        best = max(found, key=lambda one: one.score)
        assert best.score > found[0].score
        assert PEAK / 2 < best.values["model.alpha"] < PEAK * 2
        for one in found[1:]:
            assert all(key.holds(one.values[key.name]) for key in keys)
            alpha = one.values["model.alpha"]
            assert alpha == float(f"{alpha:.2g}")
            assert one.score == by_alpha(one.values)
        shares = importances(study, keys, 3)
        assert next(iter(shares)) == "model.alpha"
        assert shares["model.alpha"] > 0.5
        assert math.isclose(sum(shares.values()), 1)
        assert shares == importances(study, keys, 3)

    def test_nothing_is_said_of_what_matters_where_nothing_can_be(self, study, keys):
        search(study, keys, [], by_alpha, Sitting(tuning.FEWEST - 1), 3)
        assert importances(study, keys, 3) == {}
        search(study, keys, [], by_alpha, Sitting(1), 3)
        assert importances(study, keys, 3) != {}

    def test_nor_where_every_score_is_the_same(self, study, keys):
        search(study, keys, [], lambda _: 0.5, Sitting(tuning.FEWEST), 3)
        assert importances(study, keys, 3) == {}

    def test_values_outside_the_space_are_tried_too(self, study, keys, small):
        outside = {
            **values_of(small, keys),
            "model.factors": 512,
            "model.regularization": 0.0,
            "interactions.half_life": "45d",
        }
        search(study, keys, [outside], by_alpha, Sitting(tuning.FEWEST + 1), 5)
        found = tried(study)
        assert found[0].values == outside
        assert all(key.holds(one.values[key.name]) for one in found[1:] for key in keys)
        assert set(importances(study, keys, 5)) == {key.name for key in keys}

    def test_an_interrupted_study_can_be_gone_on_with(self, tmp_path, keys, small):
        first, done = [values_of(small, keys)], []

        def interrupted(values):
            if len(done) == 2:
                raise KeyboardInterrupt
            done.append(values)
            return by_alpha(values)

        with pytest.raises(KeyboardInterrupt), open_study(tmp_path, "one") as study:
            search(study, keys, first, interrupted, Sitting(9), 1)
        with open_study(tmp_path, "one") as study:
            assert [one.values for one in tried(study)] == done
            search(study, keys, first, by_alpha, Sitting(1), 1)
            assert [one.values for one in tried(study)[:2]] == done
            assert len(tried(study)) == 3

    def test_enough_is_asked_between_trials(self, study, keys, small):
        search(study, keys, [values_of(small, keys)], by_alpha, Sitting(5, enough=lambda: True), 1)
        assert len(tried(study)) == 1


class TestStudies:
    def test_studies_of_one_file_are_apart_and_can_begin_again(self, tmp_path, keys, small):
        own = values_of(small, keys)
        for name in ("one", "other"):
            with open_study(tmp_path, name) as study:
                search(study, keys, [own], by_alpha, Sitting(1), 1)
        with open_study(tmp_path, "one", restart=True) as study:
            assert tried(study) == []
        with open_study(tmp_path, "other") as study:
            assert len(tried(study)) == 1
        assert [file.name for file in tmp_path.iterdir()] == [FILE]

    def test_a_file_that_is_no_study_says_what_to_do(self, tmp_path):
        (tmp_path / FILE).write_text("no database " * 1000, encoding="utf-8")
        with pytest.raises(StoreError, match=r"tuning\.db cannot be used: .*; move that file away"):
            open_study(tmp_path, "one").__enter__()

    def test_a_folder_that_cannot_be_made(self, tmp_path):
        (tmp_path / "store").write_text("", encoding="utf-8")
        with pytest.raises(StoreError, match=r"check \[store\] path"):
            open_study(tmp_path / "store", "one").__enter__()


class TestStudyName:
    @pytest.fixture
    def name(self, shop, small, variant, keys, learning):
        def name(config=small, variant=variant, keys=keys, learning=learning, shop=shop):
            return study_name(shop, config, variant, keys, learning)

        return name

    def test_what_is_searched_plays_no_part(self, name, small):
        other = applied(small, {"model.alpha": 3.0, "interactions.half_life": "none"})
        assert name(config=other) == name()

    @pytest.mark.parametrize(
        "values",
        [
            {"model.iterations": 4},
            {"model.seed": 1},
            {"interactions.target": ["purchase", "cart"]},
            {"interactions.min_item_users": 4},
            {"segments": {}},
        ],
    )
    def test_what_scores_depend_on_besides_is_another_study(self, name, small, values):
        assert name(config=applied(small, values)) != name()

    def test_so_are_another_variant_another_space_and_another_moment(
        self, name, small, keys, learning
    ):
        later = dataclasses.replace(learning.now, as_of=CUT + 1)
        names = {
            name(),
            name(variant=small.every_variant()["no_segments"]),
            name(keys=keys[1:]),
            name(learning=dataclasses.replace(learning, now=later)),
        }
        assert len(names) == 4

    def test_variants_that_learn_the_same_share_one(self, name, variant):
        ruled = variant.recipe.model_copy(update={"repeat": "learned", "exploration": None})
        assert name(variant=make_variant("other", ruled)) == name()
        never = variant.recipe.model_copy(update={"repeat": "never"})
        assert name(variant=make_variant("other", never)) != name()


class TestNothingOfTheFuture:
    def test_neither_scores_nor_the_study_know_it(
        self, shop, noisy, small, variant, keys, learning
    ):
        own, seed = values_of(small, keys), small.model.seed
        rehearsals = Rehearsals(noisy, small, variant, as_of=CUT, threads=1)
        known = rehearsals.learning(own, seed)
        names = [
            study_name(shop, small, variant, keys, learning),
            study_name(noisy, small, variant, keys, known),
        ]
        assert names[0] == names[1]
        score = rehearse(learning, small, variant, threads=1).ndcg
        assert 0 < score < 1
        assert rehearsals.score(own, seed) == score

    def test_events_before_the_cut_are_another_study(
        self, shop, open_shop_of, tables, small, variant, keys, learning
    ):
        shorter = open_shop_of(tables._replace(events=tables.events.iloc[1:]), small)
        names = {study_name(known, small, variant, keys, learning) for known in (shop, shorter)}
        assert len(names) == 2

    def test_by_default_it_is_what_the_oldest_question_learns_from(self, shop, small):
        evaluation = small.evaluation.model_copy(update={"cut": "2024-05-01", "origins": 2})
        _, moment = training_side(shop, small.model_copy(update={"evaluation": evaluation}))
        assert moment == parse_time("2024-04-03")

    def test_held_out_users_are_not_tuned_on(self, shop, small):
        held = small.evaluation.model_copy(update={"protocol": "holdout_users", "users": 20})
        config = small.model_copy(update={"evaluation": held})
        side, _ = training_side(shop, config)
        known = pd.unique(side.events().select("user_id").collect("pandas").to_native()["user_id"])
        everyone = shop.events().select("user_id").collect("pandas").to_native()["user_id"]
        assert len(known) == everyone.nunique() - 20

    def test_without_times_a_protocol_that_needs_them_cuts_nothing(
        self, open_shop_of, tables, small
    ):
        untimed = tables._replace(events=tables.events.drop(columns="timestamp"))
        shop = open_shop_of(untimed, small)
        assert training_side(shop, small) == (shop, shop.after_all())


class TestTune:
    def test_the_best_is_held_against_the_own_on_other_draws(self, quick, shop, variant):
        config, asked = quick
        found = tune(shop, config, variant, Sitting(8), as_of=CUT)
        assert found.trials == 8
        assert found.own.values == values_of(config, SPACE)
        assert found.best.score > found.own.score
        assert found.changed
        assert "model.alpha" in found.changed
        draws = {seed for seed, _, _ in asked} - {config.model.seed}
        assert len(draws) == tuning.DRAWS
        own, best = (one.values["model.alpha"] for one in (found.own, found.best))
        for draw in draws:
            assert sorted(alpha for seed, alpha, _ in asked if seed == draw) == sorted((own, best))
        # The levels of the draws cancel: every draw gains the same.
        assert found.gain.mean == pytest.approx(
            by_alpha(found.best.values) - by_alpha(found.own.values)
        )
        assert found.better
        assert found.advised == found.best.values
        assert found.file.is_file()

        before = len(asked)
        again = tune(shop, config, variant, Sitting(1), as_of=CUT)
        assert (again.study, again.trials) == (found.study, 9)
        if again.best == found.best:
            assert len(asked) == before + 1

    def test_a_config_at_the_best_values_goes_on_with_the_same_study(self, quick, shop, variant):
        config, _ = quick
        found = tune(shop, config, variant, Sitting(8), as_of=CUT)
        pasted = applied(config, found.advised)
        again = tune(shop, pasted, variant, Sitting(1), as_of=CUT)
        assert (again.study, again.trials) == (found.study, 9)
        assert again.own == found.best

    def test_a_gain_that_changes_with_the_draw_is_noise(self, quick, shop, variant, monkeypatch):
        config, _ = quick

        def luck(learning, config, variant, *, threads):
            values = values_of(config, SPACE)
            chance = generator(config.model.seed, str(values)).normal()
            return unlearnt(())._replace(ndcg=0.3 + chance / 50)

        monkeypatch.setattr(tuning, "rehearse", luck)
        found = tune(shop, config, variant, Sitting(8), as_of=CUT)
        assert found.best.score > found.own.score
        assert found.gain.low < 0 < found.gain.high
        assert not found.better
        assert found.advised == found.own.values

    def test_nothing_better_is_found_where_all_is_the_same(self, quick, shop, variant, monkeypatch):
        config, _ = quick
        same = unlearnt(())._replace(ndcg=0.25)
        monkeypatch.setattr(tuning, "rehearse", lambda *_, **__: same)
        found = tune(shop, config, variant, Sitting(4), as_of=CUT)
        assert (found.best, found.gain, found.better, found.changed) == (found.own, None, False, [])

    def test_too_little_history_says_so_and_leaves_no_trial(
        self, quick, shop, variant, monkeypatch
    ):
        config, _ = quick
        monkeypatch.setattr(tuning, "rehearse", lambda *_, **__: unlearnt(()))
        with pytest.raises(DataError, match="too little history before 2024-05-01T00:00:00Z"):
            tune(shop, config, variant, Sitting(2), as_of=CUT)
        # Nothing stands in the way of trials on more of the same data.
        monkeypatch.setattr(tuning, "rehearse", lambda *_, **__: unlearnt(())._replace(ndcg=0.5))
        assert tune(shop, config, variant, Sitting(1), as_of=CUT).trials == 1

    def test_only_interactions_are_read_anew(self, quick, shop, variant, monkeypatch, learning):
        config, _ = quick
        read = []

        def reading(shop, config, *, as_of):
            read.append((config.interactions.half_life, config.model.seed, as_of))
            return learning

        monkeypatch.setattr(tuning, "prepare", reading)
        rehearsals = Rehearsals(shop, config, variant, as_of=CUT, threads=1)
        asked = [(1.0, "30d", 42), (2.0, "30d", 42), (1.0, "none", 42), (1.0, "30d", 7)]
        for alpha, half_life, seed in [*asked, *asked]:
            rehearsals.score({"model.alpha": alpha, "interactions.half_life": half_life}, seed)
        assert read == [("30d", 42, CUT), ("none", 42, CUT), ("30d", 7, CUT)]

    def test_without_optuna_the_remedy_is_named(self, quick, shop, variant, monkeypatch):
        monkeypatch.setitem(sys.modules, "optuna", None)
        with pytest.raises(ConfigError, match=r'pip install "recsys\[tune\]"'):
            tune(shop, quick[0], variant, Sitting(1), as_of=CUT)


class TestSearched:
    def test_only_what_the_variant_hangs_on(self, small):
        every = small.every_variant()
        names = {key.name for key in searched(every["no_segments"], timed=True)}
        assert names == {key.name for key in SPACE} - {"model.kappa_scale"}
        untimed = {key.name for key in searched(every["segment_aware"], timed=False)}
        assert untimed == {key.name for key in SPACE} - {"interactions.half_life"}
        one_axis = make_variant("one", Recipe(signals=("popularity", "prior:age")))
        found = [key.name for key in searched(one_axis, timed=True)]
        assert found == ["model.kappa_scale", "interactions.half_life"]

    @pytest.mark.parametrize(
        "recipe",
        [
            Recipe(signals=("als",), weights={"als": 1.0}),
            Recipe(signals=("habit", "popularity")),
        ],
    )
    def test_a_variant_with_nothing_to_tune(self, recipe):
        with pytest.raises(ConfigError, match="nothing to tune for the variant 'mine'"):
            searched(make_variant("mine", recipe), timed=False)

    def test_the_defaults_lie_in_the_space(self, small):
        usual = defaults(small, SPACE)
        assert all(key.holds(usual[key.name]) for key in SPACE)


def one_of(key):
    if key.kind == "choice":
        return st.sampled_from(key.values)
    low, high = key.values
    if key.kind == "whole":
        return st.integers(low, high)
    return st.floats(low, high)


@given(values=st.fixed_dictionaries({key.name: one_of(key) for key in SPACE}))
def test_what_is_written_is_read_back(values, make_config):
    tables = tomllib.loads(snippet(values))
    config = make_config(**tables)
    assert values_of(config, SPACE) == values
    assert values_of(applied(make_config(), values), SPACE) == values


class TestCorrected:
    GAINS = st.lists(st.floats(-1, 1, allow_subnormal=False), min_size=2, max_size=9)

    @given(gains=GAINS)
    def test_draws_that_share_nobody_are_a_plain_mean(self, gains):
        found, plain = corrected(np.asarray(gains), 0.0), mean_interval(np.asarray(gains))
        assert (found.mean, found.low, found.high) == pytest.approx(
            (plain.mean, plain.low, plain.high), abs=1e-12
        )

    @given(gains=GAINS, share=st.floats(0, 0.9))
    def test_the_formula(self, gains, share):
        found, n = corrected(np.asarray(gains), share), len(gains)
        spread = np.std(gains, ddof=1) * math.sqrt(1 / n + share / (1 - share))
        margin = student.ppf(0.975, n - 1) * spread
        assert found.high - found.mean == pytest.approx(margin, abs=1e-9)
        assert found.mean - found.low == pytest.approx(margin, abs=1e-9)

    def test_it_holds_the_truth_where_draws_overlap(self):
        """Draws of a share of the same users: a plain mean's interval misses far too often."""
        rng = np.random.default_rng(5)
        users, share, draws, runs = 300, 0.6, 5, 600
        held = plain = 0
        for _ in range(runs):
            gains = rng.normal(size=users)
            picked = rng.permuted(np.tile(gains, (draws, 1)), axis=1)[:, : int(share * users)]
            found, naive = corrected(picked.mean(axis=1), share), mean_interval(picked.mean(axis=1))
            held += found.low <= 0 <= found.high
            plain += naive.low <= 0 <= naive.high
        assert held / runs > 0.93
        assert plain / runs < 0.75


def test_the_share_of_users_who_are_asked(learning):
    owners = sum(len(set(window.cases.owners.tolist())) for window in learning.windows)
    buyers = len(learning.rounds[0].bought.users)
    assert share_asked(learning) == pytest.approx(min(owners / buyers, 0.9))
    assert 0 < share_asked(learning) <= 0.9
