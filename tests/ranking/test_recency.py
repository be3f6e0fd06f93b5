"""How fast popularity fades, on windows made by hand."""

import math

import numpy as np
import pytest

from recsys.interactions import HALF_LIVES, Histories, Targets
from recsys.ranking.recency import recency_of
from recsys.vocabulary import Vocabulary

N_ITEMS = 12
NEW, OLD = 11, 0


def half_life(windows):
    return recency_of(windows).half_life


def window(target, *, users=1, new_age=1.0):
    """Eleven items bought ten times 100 days ago, and a new one bought once; the list holds ten.

    Whoever looks only at what faded slowly never lists the new item.
    """
    visits = np.full(N_ITEMS, 10.0)
    visits[NEW] = 1.0
    ages = np.full(N_ITEMS, 100.0)
    ages[NEW] = new_age
    histories = Histories(
        Vocabulary(["u"]),
        N_ITEMS,
        np.asarray([0, N_ITEMS]),
        np.arange(N_ITEMS),
        visits,
        visits,
        visits[:, np.newaxis] * 0.5 ** (ages[:, np.newaxis] / HALF_LIVES),
        ages,
        ages,
    )
    names = Vocabulary([f"t{number}" for number in range(users)])
    index = np.arange(users)
    return histories, Targets(names, index, np.full(users, target))


def test_what_is_new_is_bought_everywhere():
    # At 20 days the old items still count 10 · 2^(−5) = 0.31 < 1, at 40 days 1.77 > 1.
    assert half_life([window(NEW)] * 3) == 20.0


def test_where_the_half_life_makes_no_difference_nothing_fades():
    assert half_life([window(OLD)] * 3) == math.inf


def test_where_windows_disagree_nothing_fades():
    # At 10 days the new item takes rank 1 and every old one moves down: a win against small losses.
    windows = [window(NEW), window(OLD), window(OLD)]
    win = 1.0
    loss = 1.0 - 1 / math.log2(3)
    difference = np.asarray([win, -loss, -loss])
    assert difference.mean() > 0
    assert difference.mean() <= difference.std(ddof=1) / math.sqrt(3)
    assert half_life(windows) == math.inf


@pytest.mark.parametrize("n_windows", [0, 1, 2])
def test_too_few_windows_say_nothing(n_windows):
    assert half_life([window(NEW)] * n_windows) == math.inf


def test_windows_in_which_nothing_was_bought_say_nothing():
    assert half_life([window(NEW, users=0)] * 3) == math.inf


def test_a_target_outside_the_catalogue_is_never_found():
    assert half_life([window(-1)] * 3) == math.inf


def test_every_window_weighs_the_same_however_many_users_it_has():
    many = [window(NEW, users=100), window(OLD), window(OLD)]
    assert half_life(many) == math.inf


@pytest.mark.parametrize(("n_windows", "trends"), [(0, False), (2, False), (3, True), (4, True)])
def test_a_trend_is_read_where_enough_windows_do_not_overlap(n_windows, trends):
    assert recency_of([window(NEW)] * n_windows).trends == trends
