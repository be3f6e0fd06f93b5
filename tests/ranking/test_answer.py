"""Why an item stands where it stands, in words."""

import numpy as np

from recsys.ranking import Ranking, reasons


def ranking(**terms):
    values = {name.replace("_", ":"): np.asarray([value]) for name, value in terms.items()}
    return Ranking(np.asarray([0]), np.zeros(1), values, None, 0)


def test_what_speaks_for_an_item_comes_strongest_first_with_its_exact_term():
    answer = reasons(ranking(als=0.25, popularity=-3.0, prior_age=0.5, habit=0.0), 0)
    assert [(reason.signal, reason.value) for reason in answer] == [
        ("prior:age", 0.5),
        ("als", 0.25),
    ]
    assert answer[0].text == "popular with customers like you (age)"


def test_popularity_is_named_where_nothing_else_speaks():
    (only,) = reasons(ranking(als=-0.25, popularity=-3.0, habit=0.0), 0)
    assert (only.signal, only.value) == ("popularity", -3.0)


def test_equal_reasons_stand_in_the_order_of_their_names():
    answer = reasons(ranking(prior_b=1.0, prior_a=1.0), 0)
    assert [reason.signal for reason in answer] == ["prior:a", "prior:b"]


def test_a_list_that_nothing_speaks_for_has_no_reasons():
    assert reasons(ranking(als=-1.0), 0) == []
