"""What an experiment may say, and what it is refused for."""

import pytest
from pydantic import ValidationError

from recsys.errors import ConfigError
from recsys.experiments import Plan, define

DIGESTS = {"old": "a", "new": "b"}
AXES = {"age": ("young", "old")}
SAID = {
    "name": "one",
    "hypothesis": "better",
    "control": "old",
    "treatments": ("new",),
    "primary": "conversion",
}


def plan(**said):
    return Plan(**{**SAID, **said})


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"name": "One"}, "pattern"),
        ({"hypothesis": ""}, "at least 1 character"),
        ({"treatments": ()}, "at least 1 item"),
        ({"treatments": ("old",)}, "named once"),
        ({"shares": {"old": 1}}, "shares name exactly old, new"),
        ({"shares": {"old": 1, "new": 0}}, "greater than 0"),
        ({"part": (0.5, 0.5)}, "up to a higher one"),
        ({"part": (0.5, 1.1)}, "up to a higher one"),
        ({"coverage": 0}, "greater than 0"),
        ({"alpha": 0.5}, "less than or equal to 0.2"),
        ({"scheme": "md5"}, "sha256-1"),
        ({"decision": {"kind": "feeling"}}, "fixed_horizon"),
        ({"decision": {"kind": "group_sequential"}}, "need planned_users"),
        (
            {"decision": {"kind": "group_sequential", "looks": (0.5, 0.2)}, "planned_users": 9},
            "ascend to 1",
        ),
        ({"guardrails": [{"metric": "revenue", "margin": 0}]}, "greater than 0"),
        ({"winner": "new"}, "Extra inputs"),
        ({"kind": "interleaving", "shares": {"old": 1, "new": 1}}, "one treatment, and no shares"),
        ({"kind": "interleaving", "treatments": ("new", "newer")}, "one treatment"),
    ],
)
def test_what_cannot_be_meant_is_refused(said, message):
    with pytest.raises(ValidationError, match=message):
        plan(**said)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"treatments": ("nwe",)}, "no variant 'nwe'; did you mean 'new'"),
        ({"segments": ("agee",)}, "no axis 'agee'; did you mean 'age'"),
        ({"strata": "region"}, "no axis 'region'"),
        ({"audience": {"age": ("yuong",)}}, "no segment 'yuong'; did you mean 'young'"),
    ],
)
def test_it_names_what_is_there(said, message):
    with pytest.raises(ConfigError, match=message):
        define(plan(**said), DIGESTS, AXES)


def test_shares_are_of_the_whole():
    found = define(plan(shares={"old": 3, "new": 1}), DIGESTS, AXES)
    assert [(arm.variant, arm.digest, arm.share) for arm in found.arms] == [
        ("old", "a", 0.75),
        ("new", "b", 0.25),
    ]


def test_its_digest_is_of_all_that_it_says():
    first = define(plan(), DIGESTS, AXES)
    assert first.digest == define(plan(decision={"kind": "fixed_horizon"}), DIGESTS, AXES).digest
    others = [
        define(plan(alpha=0.01), DIGESTS, AXES),
        define(plan(segments=("age",)), DIGESTS, AXES),
        define(plan(), {**DIGESTS, "new": "c"}, AXES),
    ]
    assert len({first.digest, *(other.digest for other in others)}) == 4


def test_a_plan_survives_json():
    said = plan(decision={"kind": "group_sequential"}, planned_users=1000, strata="age")
    assert Plan.model_validate_json(said.model_dump_json()) == said
