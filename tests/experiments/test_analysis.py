"""What a look shows, against plain tests of the same numbers, and what it comes to."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from recsys.experiments.analysis import analyse
from recsys.experiments.metrics import METRICS
from recsys.experiments.outcomes import Outcomes
from recsys.experiments.results import Analysis
from recsys.experiments.verdict import decide
from recsys.statistics import welch

from .made import experiment, units

REVENUE = {"revenue": METRICS["revenue"]}
BOTH = {**REVENUE, "conversion": METRICS["conversion"]}


def looked_at(
    frame: pd.DataFrame,
    known: pd.DataFrame,
    *,
    metrics=REVENUE,
    stopped: bool = True,
    contaminated: int = 0,
    foreign: int = 0,
    **said,
) -> Analysis:
    said = {"primary": "revenue", **said}
    outcomes = Outcomes(frame, contaminated, foreign)
    return analyse(experiment(**said), outcomes, metrics, known, stopped=stopped)


def verdict(analysis: Analysis):
    return decide(analysis, users_per_day=100.0)


def arms_of(frame: pd.DataFrame, column: str = "revenue"):
    return [frame.loc[frame["arm"] == arm, column].to_numpy() for arm in (0, 1)]


class TestComparison:
    def test_it_is_welchs_test(self):
        frame, segments = units(1, 2000, effect=0.1)
        (found,) = looked_at(frame, segments).primary
        control, treatment = arms_of(frame)
        theirs = stats.ttest_ind(treatment, control, equal_var=False)
        assert found.p == found.adjusted_p == pytest.approx(theirs.pvalue)
        interval = theirs.confidence_interval(0.95)
        assert [found.difference.low, found.difference.high] == pytest.approx(list(interval))
        assert found.difference.mean == pytest.approx(treatment.mean() - control.mean())
        assert (found.adjusted_by, found.noise) == ((), 1.0)
        assert found.relative.mean == pytest.approx(treatment.mean() / control.mean() - 1)

    def test_what_was_known_before_takes_noise_away(self):
        frame, segments = units(2, 4000, effect=0.2, held=1.0)
        (found,) = looked_at(frame, segments).primary
        assert found.adjusted_by == ("cuped",)
        # A variance of 4 was there before, 1 was not.
        assert found.noise == pytest.approx(0.2, abs=0.03)
        assert abs(found.difference.mean - 0.2) < 0.1

    def test_strata_take_noise_away(self):
        frame, segments = units(3, 4000)
        frame["revenue"] += 5 * (segments["age"] == "young")
        plain = looked_at(frame, segments).primary[0]
        found = looked_at(frame, segments, strata="age").primary[0]
        assert found.adjusted_by == ("strata",)
        assert found.noise < 0.2
        assert found.difference.high - found.difference.low < (
            0.5 * (plain.difference.high - plain.difference.low)
        )

    def test_a_ratio_is_by_users(self):
        frame, segments = units(4, 1000)
        rng = np.random.default_rng(0)
        frame["ctr:per"] = rng.integers(1, 9, len(frame)).astype(float)
        frame["ctr"] = rng.binomial(frame["ctr:per"].astype(int), 0.2).astype(float)
        frame["ctr:before"] = 0.0
        said = looked_at(frame, segments, metrics={"ctr": METRICS["ctr"]}, primary="ctr")
        (found,) = said.primary
        tops, bottoms = arms_of(frame, "ctr"), arms_of(frame, "ctr:per")
        ratios = [top.sum() / bottom.sum() for top, bottom in zip(tops, bottoms, strict=True)]
        assert found.difference.mean == pytest.approx(ratios[1] - ratios[0])
        errors = [
            np.std(t - r * b, ddof=1) / b.mean() / math.sqrt(len(t))
            for t, b, r in zip(tops, bottoms, ratios, strict=True)
        ]
        half = (found.difference.high - found.difference.low) / 2
        assert half == pytest.approx(1.96 * math.hypot(*errors), rel=0.01)

    def test_large_values_are_cut_at_the_quantile_of_both_arms(self):
        frame, segments = units(5, 1000)
        frame.iloc[0, frame.columns.get_loc("revenue")] = 1e6
        cut = METRICS["revenue"].model_copy(update={"winsorise": 0.99})
        (found,) = looked_at(frame, segments, metrics={"revenue": cut}).primary
        most = frame["revenue"].quantile(0.99)
        values = [np.minimum(side, most) for side in arms_of(frame)]
        assert found.difference.mean == pytest.approx(values[1].mean() - values[0].mean())

    def test_who_has_no_value_yet_has_no_part(self):
        frame, segments = units(6, 400)
        frame.loc[frame.index[:100], "revenue"] = math.nan
        assert looked_at(frame, segments).primary[0].users == 300

    def test_several_treatments_share_the_error_rate(self):
        frame, segments = units(7, 3000, effect=0.12)
        frame["arm"] = np.random.default_rng(0).integers(0, 3, len(frame))
        found = looked_at(frame, segments, treatments=("new", "newer")).primary
        assert [one.variant for one in found] == ["new", "newer"]
        p = sorted(one.p for one in found)
        assert min(one.adjusted_p for one in found) == pytest.approx(min(2 * p[0], 1.0))


class TestTriggered:
    def test_it_is_the_comparison_of_those_whose_lists_differ(self):
        frame, segments = units(24, 4000)
        differing = np.random.default_rng(1).integers(0, 2, len(frame))
        frame["differing"] = pd.array(differing, dtype="Int64")
        frame["revenue"] += 0.3 * frame["arm"] * differing
        found = looked_at(frame, segments)
        alone = looked_at(frame[differing == 1], segments)
        (one,), (theirs,) = found.triggered, alone.primary
        assert (one.difference, one.users) == (theirs.difference, theirs.users)
        assert one.p < found.primary[0].p

    def test_where_nobody_looked_there_is_none(self):
        assert looked_at(*units(25, 200)).triggered == ()


class TestRatios:
    def test_shares_are_looked_at_everywhere(self):
        frame, segments = units(8, 4000)
        found = looked_at(frame, segments).ratios
        assert [one.of for one in found] == ["all", "age:old", "age:young"]
        counts = np.bincount(frame["arm"])
        assert found[0].counts == tuple(counts)
        assert found[0].p == pytest.approx(stats.chisquare(counts).pvalue)

    def test_lists_that_differ_are_looked_at(self):
        frame, segments = units(9, 2000)
        frame["differing"] = pd.array([1, 0] * 1000, dtype="Int64")
        found = looked_at(frame, segments).ratios[1]
        assert (found.of, sum(found.counts)) == ("lists that differ", 1000)

    def test_a_mismatch_is_invalid(self):
        frame, segments = units(10, 20_000, share=0.45, effect=1.0)
        found = verdict(looked_at(frame, segments))
        assert found.answer == "invalid"
        assert found.variant is None
        (why,) = found.reasons
        counts = frame["arm"].value_counts()
        assert f"came as old {counts[0]:,}, new {counts[1]:,}, where 50 : 50 was planned" in why
        assert "the same in 2 of the groups" in why

    def test_a_mismatch_in_one_segment_is_invalid(self):
        frame, segments = units(11, 20_000)
        lost = (segments["age"] == "young") & (frame["arm"] == 1)
        lost &= np.random.default_rng(0).random(len(frame)) < 0.1
        found = verdict(looked_at(frame[~lost], segments))
        assert found.answer == "invalid"
        assert any("age:young" in reason for reason in found.reasons)

    def test_an_arm_without_users_is_invalid(self):
        frame, segments = units(12, 500, share=0.0)
        found = verdict(looked_at(frame, segments))
        assert found.answer == "invalid"
        assert "old 500, new 0" in found.reasons[0]

    def test_nobody(self):
        frame, segments = units(12, 0)
        assert verdict(looked_at(frame, segments)).answer == "invalid"


class TestVerdict:
    def test_what_is_better_is_shipped(self):
        frame, segments = units(13, 3000, effect=0.3)
        found = verdict(looked_at(frame, segments))
        assert (found.answer, found.variant, found.segments) == ("ship", "new", ())
        assert "new is better by revenue: +" in found.reasons[0]

    def test_what_is_worse_is_not(self):
        frame, segments = units(14, 3000, effect=-0.3)
        found = verdict(looked_at(frame, segments))
        assert found.answer == "do not ship"
        assert "is worse" in found.reasons[0]

    def test_what_makes_no_difference_is_not(self):
        frame, segments = units(15, 3000)
        found = verdict(looked_at(frame, segments))
        assert found.answer == "do not ship"
        assert "is not shown to differ" in found.reasons[0]

    def test_where_less_is_better(self):
        frame, segments = units(16, 3000, effect=-0.3)
        less = {"revenue": METRICS["revenue"].model_copy(update={"better": "less"})}
        assert verdict(looked_at(frame, segments, metrics=less)).answer == "ship"

    def test_a_gain_of_one_segment_is_shipped_there(self):
        frame, segments = units(17, 6000, effect=0.3, only="young")
        found = verdict(looked_at(frame, segments, segments=("age",)))
        assert found.answer == "ship for these segments only"
        assert found.segments == ("age:young",)
        assert "in age:young it gains" in found.reasons[0]
        assert "users of other segments" in found.reasons[1]

    def test_what_is_better_on_average_is_not_kept_from_the_few(self):
        """A small segment shows nothing by itself; unless it is shown to gain less, it has it."""
        answers = []
        for seed in range(17, 23):
            frame, segments = units(seed, 3000, effect=0.25)
            kept = (segments["age"] == "young") | (np.arange(3000) % 12 == 0)
            analysis = looked_at(frame[kept], segments[kept], segments=("age",))
            (gainers,) = analysis.gainers
            alone = gainers.rest is None or gainers.rest.p <= 0.05
            answers.append(verdict(analysis).answer)
            assert (answers[-1] == "ship") == (alone or gainers.p_apart > 0.05)
        assert answers.count("ship") >= 4

    def test_of_whom_an_axis_knows_nothing_it_says_nothing(self):
        frame, segments = units(18, 6000, effect=0.3)
        segments["age"] = segments["age"].where(np.arange(6000) % 40 != 0)
        analysis = looked_at(frame, segments, segments=("age",))
        assert analysis.gainers[0].rest is None
        assert verdict(analysis).answer == "ship"

    def test_a_gain_of_some_is_not_shipped_to_those_who_lose(self):
        """The young gain; the others, known or not, stop altogether."""
        frame, segments = units(24, 8000, effect=0.0)
        rng = np.random.default_rng(2)
        young, new = (segments["age"] == "young").to_numpy(), (frame["arm"] == 1).to_numpy()
        chance = np.where(young, 0.05 + 0.03 * new, 0.1 - 0.1 * new)
        frame["revenue"] = (rng.random(8000) < chance).astype(float)
        found = verdict(looked_at(frame, segments, segments=("age",)))
        assert (found.answer, found.segments) == ("ship for these segments only", ("age:young",))
        segments["age"] = segments["age"].where(young)
        unknown = verdict(looked_at(frame, segments, segments=("age",)))
        assert (unknown.answer, unknown.segments) == (found.answer, found.segments)

    def test_an_invalid_one_says_nothing_else(self):
        frame, segments = units(25, 20_000, share=0.45, effect=-1.0)
        metrics = {name: METRICS[name] for name in ("revenue", "conversion")}
        found = verdict(looked_at(frame, segments, metrics=metrics))
        assert (found.answer, found.warnings) == ("invalid", ())

    def test_a_segment_that_was_not_declared_decides_nothing(self):
        frame, segments = units(17, 6000, effect=0.3, only="young")
        analysis = looked_at(frame, segments)
        assert verdict(analysis).answer == "ship"
        assert {one.declared for one in analysis.segments} == {False}
        assert analysis.gainers == ()

    def test_a_gain_of_everybody_is_shipped_to_everybody(self):
        frame, segments = units(18, 6000, effect=0.3)
        assert verdict(looked_at(frame, segments, segments=("age",))).answer == "ship"

    @pytest.mark.parametrize(
        ("loss", "answer"), [(0.0, "ship"), (0.1, "do not ship")], ids=["held", "broken"]
    )
    def test_a_guardrail(self, loss, answer):
        frame, segments = units(19, 20_000, effect=0.3)
        rng = np.random.default_rng(1)
        frame["conversion"] = (rng.random(len(frame)) < 0.5 * (1 - loss * frame["arm"])).astype(
            float
        )
        rails = [{"metric": "conversion", "margin": 0.05}]
        found = verdict(looked_at(frame, segments, metrics=BOTH, guardrails=rails))
        assert found.answer == answer
        if loss:
            assert "loses more than 5.0% of conversion" in " ".join(found.reasons)

    def test_a_guardrail_nobody_can_tell_about_forbids(self):
        frame, segments = units(20, 1000, effect=0.5)
        frame["conversion"] = (np.arange(len(frame)) % 3 == 0).astype(float)
        rails = [{"metric": "conversion", "margin": 0.001}]
        said = {"metrics": BOTH, "guardrails": rails}
        found = verdict(looked_at(frame, segments, **said))
        assert found.answer == "do not ship"
        assert "it is not shown that conversion loses less than 0.1%" in found.reasons[-1]

    def test_before_its_users_have_come_nothing_is_decided(self):
        frame, segments = units(21, 1000, effect=1.0)
        analysis = looked_at(frame, segments, stopped=False, planned_users=3000)
        found = verdict(analysis)
        assert (found.answer, found.further_users, found.further_days) == (
            "keep running",
            2000,
            20.0,
        )
        assert verdict(looked_at(frame, segments, planned_users=3000)).answer == "ship"

    def test_what_a_reader_should_know_is_said(self):
        frame, segments = units(22, 1000)
        found = verdict(looked_at(frame, segments, contaminated=50, foreign=7))
        assert "50 of 1,050 users saw two variants" in found.warnings[0]
        assert found.warnings[1].startswith("7 lists were made by recipes")

    def test_that_nobody_did_anything_is_said(self):
        frame, segments = units(26, 1000)
        frame["revenue"] = 0.0
        found = verdict(looked_at(frame, segments))
        assert found.answer == "do not ship"
        assert "nobody has done what revenue counts" in found.warnings[0]

    def test_what_became_worse_besides_is_said(self):
        frame, segments = units(23, 4000, effect=0.3)
        rng = np.random.default_rng(1)
        frame["latency"] = rng.normal(5, 1, 4000) + frame["arm"]
        frame["latency:per"], frame["latency:before"] = 1.0, 0.0
        metrics = {name: METRICS[name] for name in ("revenue", "latency")}
        found = verdict(looked_at(frame, segments, metrics=metrics))
        assert found.answer == "ship"
        (warning,) = found.warnings
        assert warning.startswith("latency became worse with new: +")
        assert warning.endswith("where less is better")


class TestDesigns:
    LOOKS = {"kind": "group_sequential", "looks": (0.25, 0.5, 1.0)}

    @pytest.mark.parametrize(
        ("users", "z", "answer"),
        [
            (900, 9.0, "keep running"),
            (1000, 3.0, "keep running"),
            (1000, 5.5, "ship"),
            (3900, 2.5, "keep running"),
            (4000, 2.5, "ship"),
        ],
    )
    def test_planned_looks(self, users, z, answer):
        frame, segments = with_z(users, z)
        said = {"decision": self.LOOKS, "planned_users": 4000, "stopped": False}
        found = verdict(looked_at(frame, segments, **said))
        assert found.answer == answer

    def test_p_of_planned_looks_is_where_the_bound_is_crossed(self):
        frame, segments = with_z(1000, 3.2)
        said = {"decision": self.LOOKS, "planned_users": 4000, "stopped": False}
        found = looked_at(frame, segments, **said)
        (one,) = found.primary
        assert 0.05 < one.p < 0.5
        interval = found.look.interval(welch(one.control, one.treatment), one.p)
        assert interval.low == pytest.approx(0.0, abs=1e-6)

    def test_looks_as_often_as_one_likes(self):
        said = {
            "decision": {"kind": "confidence_sequence"},
            "planned_users": 2000,
            "stopped": False,
        }
        assert verdict(looked_at(*with_z(1000, 2.5), **said)).answer == "keep running"
        assert verdict(looked_at(*with_z(1000, 4.5), **said)).answer == "ship"
        assert verdict(looked_at(*with_z(2000, 2.2), **said)).answer == "do not ship"


def with_z(users: int, z: float):
    """Return users whose difference has exactly a given z, within what Student's t leaves open."""
    frame, segments = units(23, users)
    frame["arm"] = np.arange(users) % 2
    values = np.tile([-1.0, -1.0, 1.0, 1.0], users // 4 + 1)[:users]
    shift = z * 2 * math.sqrt(1 / users)
    frame["revenue"] = 10 + values + shift * frame["arm"]
    segments["age"] = np.repeat(["young", "old"], [users // 2, users - users // 2])
    return frame, segments
