"""What is learnt for a question, and whom it asks about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from recsys.config import RecsysConfig
from recsys.evaluation import Background
from recsys.evaluation.protocols import Asked, Question
from recsys.events.schema import CATEGORY, MICROSECONDS_PER_DAY
from recsys.interactions import Catalogue, Histories, Targets, targets_of
from recsys.interactions.catalogue import UNKNOWN
from recsys.pipelines.progress import Progress
from recsys.pipelines.snapshot import take_snapshot
from recsys.pipelines.train import Trained, fit
from recsys.ranking import Customers, Variant, Yardstick, describe
from recsys.segments import axes_off, fit_axes
from recsys.segments.reference import BRAND, NEW_DAYS
from recsys.types import Flags, Indices


@dataclass(frozen=True)
class Learnt:
    """What was learnt for one question, with or without a model.

    Attributes
    ----------
    yardstick
        Catalogue and cut points.
    histories
        Of the users that were learnt from.
    trained
        None where only files are judged.
    notes
        What the data switched off.
    """

    yardstick: Yardstick
    histories: Histories
    trained: Trained | None
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Described:
    """The users of one part of a question, and what they went on to do.

    Attributes
    ----------
    asked
        The part.
    targets
        Indexed by the catalogue.
    catalogue
        The items.
    customers
        The same users, as they were known.
    background
        For the measures beyond accuracy.
    flags
        Name -> items whose share of what is shown is told; empty of what the shop does not have.
    """

    asked: Asked
    catalogue: Catalogue
    targets: Targets
    customers: Customers
    background: Background
    flags: Mapping[str, Flags]

    @property
    def items(self) -> Mapping[str, int]:
        """Item id -> index."""
        return {item: index for index, item in enumerate(self.catalogue.items.ids.tolist())}


def learn(
    question: Question,
    config: RecsysConfig,
    variants: Sequence[Variant],
    trained: Trained | None,
    progress: Progress,
) -> Learnt:
    """Train what the question allows; without variants, freeze the axes alone."""
    shop, as_of = question.training, question.as_of
    if variants:
        found = trained or fit(shop, config, as_of=as_of, variants=variants, progress=progress)
        return Learnt(found.model, found.learning.now.histories, found, found.notes)
    snapshot = take_snapshot(shop, shop.events(before=as_of), config, as_of=as_of)
    axes = fit_axes(config.segments, snapshot.facts)
    yardstick = snapshot.yardstick(axes, config)
    off = axes_off(config.segments, timed=shop.timed)
    return Learnt(yardstick, snapshot.histories, None, (*shop.off(), *off))


def describe_asked(question: Question, asked: Asked, learnt: Learnt) -> Described:
    """Work out who the asked users are from what is revealed of them, and from nothing else."""
    catalogue = learnt.yardstick.catalogue
    targets = targets_of(asked.targets, catalogue.items)
    customers = describe(
        asked.known.events(before=question.as_of),
        targets.users,
        asked.known.users(as_of=question.as_of),
        learnt.yardstick,
        as_of=question.as_of,
    )
    background = _background(learnt, customers.histories)
    flags = _flags(learnt.yardstick, as_of=question.as_of)
    return Described(asked, catalogue, targets, customers, background, flags)


def _background(learnt: Learnt, known: Histories) -> Background:
    catalogue, training = learnt.yardstick.catalogue, learnt.histories
    liked = training.worth > 0
    return Background(
        n_items=len(catalogue.items),
        item_users=np.bincount(training.items[liked], minlength=len(catalogue.items)),
        n_users=len(np.unique(training.user_index[liked])),
        category=_categories(catalogue),
        known_indptr=known.indptr,
        known_items=known.items,
        offered=catalogue.available,
    )


def _categories(catalogue: Catalogue) -> Indices | None:
    """Return the code of each item's category, -1 unknown; None where the shop has none."""
    if CATEGORY not in catalogue.columns:
        return None
    codes, names = catalogue.codes(CATEGORY)
    return np.where(names[codes] == UNKNOWN, -1, codes)


def _flags(yardstick: Yardstick, *, as_of: int) -> dict[str, Flags]:
    """Mark the shop's own brands and what is new at a moment, where there is any."""
    reference, columns = yardstick.reference, yardstick.catalogue.columns
    nobody = np.full(len(yardstick.catalogue.items), UNKNOWN)
    since = as_of - NEW_DAYS * MICROSECONDS_PER_DAY
    found = {
        "own brands": np.isin(columns.get(BRAND, nobody), reference.own_brands),
        "new items": (reference.launched >= since) & (reference.launched < as_of),
    }
    return {name: marked for name, marked in found.items() if marked.any()}


def counts(learnt: Learnt, part: Described) -> dict[str, int]:
    """Count whom and what a part of a question is about."""
    catalogue, targets = learnt.yardstick.catalogue, part.targets
    sold = (targets.items >= 0) & catalogue.available[targets.items]
    known = learnt.histories.users
    return {
        "users": len(targets.users),
        "users_without_history": int((np.diff(part.customers.histories.indptr) == 0).sum()),
        "users_learnt_from": len(known),
        "users_without_targets": int((targets.users.index_of(known.ids) < 0).sum()),
        "targets": len(targets.items),
        "targets_outside_catalogue": int((~sold).sum()),
        "catalogue": int(catalogue.available.sum()),
    }
