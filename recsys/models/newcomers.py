"""Items that came after training: each takes the place of an unknown item of its category.

Training says for every category what such an item is worth (`Model.newcomers`, `Habit.groups`);
here the arrays of a model are made longer by the items that a shop has told of since.
"""

from dataclasses import replace

import numpy as np

from recsys.events.schema import CATEGORY
from recsys.interactions import Catalogue
from recsys.models.habit import Habit
from recsys.models.neighbours import Neighbours
from recsys.segments import Reference
from recsys.types import Indices


def groups_of_new(trained: Catalogue, catalogue: Catalogue) -> Indices:
    """Return the group of each item that a catalogue has beyond the one of training.

    Parameters
    ----------
    trained
        The one whose categories are the groups.
    catalogue
        The same items, and others after them.

    Returns
    -------
    ndarray
        Codes of `trained`'s categories; their number where a category is none of them.
    """
    names = trained.codes(CATEGORY)[1]
    group_of = {name: group for group, name in enumerate(names)}
    codes, theirs = catalogue.codes(CATEGORY)
    found = theirs[codes[len(trained.items) :]]
    return np.array([group_of.get(name, len(names)) for name in found], np.int64)


def longer_habit(habit: Habit, groups: Indices) -> Habit:
    """Return what is known of repeat purchases with further items, of some groups."""
    return replace(
        habit,
        rate=np.append(habit.rate, habit.groups.rate[groups]),
        pace=np.append(habit.pace, habit.groups.pace[groups]),
        rebought=np.append(habit.rebought, habit.groups.rebought[groups]),
    )


def longer_neighbours(neighbours: Neighbours, n: int) -> Neighbours:
    """Return the neighbours with `n` further items that have none."""
    ends = np.full(n, neighbours.indptr[-1])
    return replace(neighbours, indptr=np.append(neighbours.indptr, ends))


def longer_reference(reference: Reference, n: int) -> Reference:
    """Return what profiles are measured against with `n` further items of unknown price and age."""
    unknown = np.full(n, np.nan)
    return replace(
        reference,
        price_position=np.append(reference.price_position, unknown),
        launched=np.append(reference.launched, unknown),
    )
