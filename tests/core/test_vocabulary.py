"""Ids and positions: sorted, distinct, whatever they come in."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.vocabulary import Vocabulary

IDS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=8)


@given(st.lists(IDS))
def test_positions_are_those_in_the_sorted_set(ids):
    vocabulary = Vocabulary(ids)
    assert vocabulary.ids.tolist() == sorted(set(ids))
    assert len(vocabulary) == len(set(ids))
    assert vocabulary.index_of(ids).tolist() == [sorted(set(ids)).index(i) for i in ids]


@given(st.lists(IDS, unique=True), st.randoms())
def test_the_order_of_the_rows_plays_no_part(ids, random):
    shuffled = random.sample(ids, len(ids))
    assert Vocabulary(ids).ids.tolist() == Vocabulary(shuffled).ids.tolist()


@pytest.mark.parametrize(
    "form",
    [
        list,
        tuple,
        iter,
        np.asarray,
        lambda ids: np.asarray(ids, dtype=object),
        pd.Series,
        pd.Index,
        lambda ids: pd.Series(ids, dtype=object),
        lambda ids: pd.Series(ids, dtype="category"),
    ],
)
def test_ids_may_come_in_any_form(form):
    ids = ["b", "007", "7", "b"]
    vocabulary = Vocabulary(form(ids))
    assert vocabulary.ids.tolist() == ["007", "7", "b"]
    assert vocabulary.index_of(form(ids)).tolist() == [2, 0, 1, 2]


def test_an_unknown_id_has_no_position():
    vocabulary = Vocabulary(["a", "longer"])
    assert vocabulary.index_of(["longer still", "", "a"]).tolist() == [-1, -1, 0]
    assert "a" in vocabulary
    assert "longer still" not in vocabulary


@given(st.sets(IDS), st.lists(IDS), st.sets(IDS))
def test_every_id_is_found_where_it_stands_and_no_other(ids, asked, later):
    vocabulary = Vocabulary(ids).followed_by(later)
    there = [*sorted(ids), *sorted(later - ids)]
    assert vocabulary.ids.tolist() == there
    expected = [there.index(one) if one in there else -1 for one in asked]
    assert vocabulary.index_of(asked).tolist() == expected
    assert [one in vocabulary for one in asked] == [place >= 0 for place in expected]


@pytest.mark.parametrize("nothing", [None, float("nan"), pd.NA])
def test_what_is_missing_is_no_id_not_even_one_that_is_spelt_so(nothing):
    vocabulary = Vocabulary(["None", "nan", "<NA>"])
    assert vocabulary.index_of(["nan", nothing, "None"]).tolist() == [2, -1, 1]
    assert nothing not in vocabulary


def test_an_array_that_is_sorted_already_is_searched_as_it_is():
    ids = np.asarray(["a", "b", "d"])
    vocabulary = Vocabulary.of_sorted(ids)
    assert vocabulary.ids is ids
    assert vocabulary.index_of(["d", "c", "a"]).tolist() == [2, -1, 0]
    assert vocabulary.followed_by(["c"]).index_of(["d", "c"]).tolist() == [2, 3]


def test_an_empty_vocabulary_knows_nothing():
    vocabulary = Vocabulary([])
    assert len(vocabulary) == 0
    assert vocabulary.ids.dtype.kind == "U"
    assert vocabulary.index_of(["a"]).tolist() == [-1]
    assert vocabulary.index_of([]).tolist() == []
