"""Every measure has its words, the words hold, and what is said of other libraries is true."""

import inspect
import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys import metrics
from recsys.evaluation.definitions import DEFINITIONS, LIBRARIES
from recsys.evaluation.judging import Background, judge
from recsys.evaluation.measures import CATALOGUE_MEASURES, MEASURES
from recsys.interactions import Targets
from recsys.metrics import other_definitions
from recsys.vocabulary import Vocabulary

VECTORS = json.loads(
    (Path(__file__).parents[1] / "metrics" / "measures.json").read_text(encoding="utf-8")
)
K, N_ITEMS, BASE = VECTORS["k"], VECTORS["n_items"], VECTORS["base_users"]
BEYOND, GRADED = VECTORS["beyond"], VECTORS["graded"]


def judged_case(seed):
    """Random lists, targets, histories, categories and money."""
    rng = np.random.default_rng(seed)
    n_users, n_items = 6, 9
    lists = np.stack([rng.permutation(n_items)[:5] for _ in range(n_users)])
    lists[rng.random(lists.shape) < 0.2] = -1
    relevant = [rng.permutation(n_items)[: rng.integers(1, 5)] for _ in range(n_users)]
    known = [np.sort(rng.permutation(n_items)[: rng.integers(0, 5)]) for _ in range(n_users)]
    users = np.repeat(np.arange(n_users), list(map(len, relevant)))
    targets = Targets(
        Vocabulary([f"u{user}" for user in range(n_users)]),
        users,
        np.concatenate(relevant),
        rng.integers(0, 100, len(users)).astype(float),
    )
    background = Background(
        n_items,
        rng.integers(0, 8, n_items),
        8,
        rng.integers(-1, 3, n_items),
        np.cumsum([0, *map(len, known)]),
        np.concatenate(known),
    )
    return lists, targets, background


def test_every_measure_has_its_definition_and_no_other():
    assert list(DEFINITIONS) == [*MEASURES, *CATALOGUE_MEASURES]
    for name, definition in DEFINITIONS.items():
        assert definition.name == name
        assert definition.formula and definition.unit and definition.source


def test_a_definition_is_json_without_infinity():
    for definition in DEFINITIONS.values():
        document = json.loads(json.dumps(definition.document(), allow_nan=False))
        assert document["name"] == definition.name
        assert (document["high"] is None) == math.isinf(definition.high)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_every_value_is_in_its_range(seed):
    judged = judge(*judged_case(seed), ks=(1, 4, 9))
    for name in judged.measures:
        definition = DEFINITIONS[name.partition("@")[0]]
        values = judged.per_user[name].dropna()
        assert values.between(definition.low - 1e-12, definition.high + 1e-12).all(), name
    for name, value in judged.overall.items():
        definition = DEFINITIONS[name.partition("@")[0]]
        inside = definition.low - 1e-12 <= value <= definition.high + 1e-12
        assert inside or math.isnan(value), name


ACCURACY = list(MEASURES)[: list(MEASURES).index("novelty")]


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_targets_first_is_the_best_list_where_higher_is_better(seed):
    lists, targets, background = judged_case(seed)
    perfect = np.stack(
        [
            [*items, *np.setdiff1d(np.arange(background.n_items), items)][: lists.shape[1]]
            for items in targets.by_user()
        ]
    )
    found = judge(lists, targets, background, ks=(5,)).per_user
    best = judge(perfect, targets, background, ks=(5,)).per_user
    for name in ACCURACY:
        assert DEFINITIONS[name].better == "higher"
        value, bound = found[f"{name}@5"], best[f"{name}@5"]
        assert ((value <= bound + 1e-12) | value.isna()).all(), name


# Other libraries


def arguments():
    lists = np.array([VECTORS["users"][user]["recs"] for user in BASE])
    relevant = [VECTORS["users"][user]["relevant"] for user in BASE]
    rows = np.repeat(np.arange(len(BASE)), list(map(len, relevant)))
    hits, n_relevant = metrics.hit_matrix(lists, rows, np.concatenate(relevant), n_items=N_ITEMS)
    category = np.array(["abc".index(name) for name in BEYOND["categories"]])
    history, listed = (
        metrics.category_shares(
            np.zeros(len(items), dtype=int), np.array(items), category, n_users=1, n_categories=3
        )
        for items in (BEYOND["calibration"]["history"], BEYOND["calibration"]["list"])
    )
    return {
        "hits": hits,
        "n_relevant": n_relevant,
        "n_listed": (lists >= 0).sum(axis=1),
        "n_candidates": N_ITEMS,
        "k": K,
        "lists": lists,
        "recommended_item_indices": lists,
        "item_users": np.bincount(np.concatenate(BEYOND["train"]), minlength=N_ITEMS),
        "n_users": len(BEYOND["train"]),
        "n_items": N_ITEMS,
        "exposure": np.array(BEYOND["exposure"]),
        "category": category,
        "history": history,
        "listed": listed,
        "grades": np.array([GRADED["grades_of_list"]]),
        "ideal_grades": np.array([GRADED["grades"]]),
    }


def whole_rankings():
    lists = np.array(list(VECTORS["auc"]["lists"].values()))
    relevant = [VECTORS["users"][user]["relevant"] for user in VECTORS["auc"]["lists"]]
    rows = np.repeat(np.arange(len(lists)), list(map(len, relevant)))
    hits, n_relevant = metrics.hit_matrix(lists, rows, np.concatenate(relevant), n_items=N_ITEMS)
    return {"hits": hits, "n_relevant": n_relevant, "listed": lists >= 0, "k": N_ITEMS}


def our_value(name):
    module = other_definitions if name.startswith("other_definitions.") else metrics
    function = getattr(module, name.removeprefix("other_definitions."))
    given = arguments() | (whole_rankings() if name == "auc" else {})
    wanted = inspect.signature(function).parameters
    return function(**{key: value for key, value in given.items() if key in wanted})


def published(library):
    """Our name -> what the library was seen to return, for each user or as a mean."""
    values = dict(VECTORS["libraries"].get(library, {}))
    values |= BEYOND["libraries"].get(library, {})
    values.pop("listed_items", None)
    if library in ("ranx", "trec_eval", "scikit-learn"):
        values["other_definitions.ndcg_linear"] = GRADED["ndcg_linear"]
    if library == "ranx":
        values["other_definitions.ndcg_exponential"] = GRADED["ndcg_exponential"]
    if library == "recometrics":
        values["auc"] = VECTORS["auc"]["recometrics"]
    if library == "scikit-learn":
        values["auc"] = VECTORS["auc"]["per_user"]
    return values


@pytest.mark.parametrize("row", LIBRARIES, ids=lambda row: f"{row.library} {row.name}")
def test_the_other_library_gives_our_number(row):
    expected, found = published(row.library)[row.ours], np.asarray(our_value(row.ours))
    if isinstance(expected, dict):
        expected = list(expected.values())
    else:
        found = found.mean()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("library", sorted({row.library for row in LIBRARIES}))
def test_nothing_that_was_seen_of_a_library_is_left_out(library):
    named = [row.ours for row in LIBRARIES if row.library == library]
    assert len(named) == len(set(named))
    assert set(named) == set(published(library))


def test_every_library_that_was_run_is_named():
    assert {*VECTORS["libraries"], *BEYOND["libraries"]} <= {row.library for row in LIBRARIES}
