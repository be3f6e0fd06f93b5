"""Memberships of everyone as of a moment, with sizes and definitions."""

from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from recsys.config import RecsysConfig
from recsys.errors import ConfigError
from recsys.events.shop import Shop
from recsys.pipelines.progress import Progress, silent
from recsys.pipelines.snapshot import facts_of_everyone, learn_facts, seen_catalogue, seen_people
from recsys.segments import Memberships, UserFacts, assign_axes, axes_off, fit_axes
from recsys.segments.tags import catalogue


@dataclass(frozen=True)
class Segmented:
    """Memberships and what to say about them.

    Attributes
    ----------
    memberships
        Of every user known by then.
    facts
        What they were worked out from.
    notes
        Axes that the data switch off.
    """

    memberships: Memberships
    facts: UserFacts
    notes: tuple[str, ...]

    @cached_property
    def tags(self) -> pd.DataFrame:
        """The tag catalogue: one row a segment; see `recsys.segments.tags`.

        Raises
        ------
        ConfigError
            When an axis is checked against what is not there.
        """
        return catalogue(self.memberships, self.facts.attributes)

    def sizes(self) -> pd.DataFrame:
        """Return ``axis, segment, users, weight, share, definition``, one row a segment."""
        return self.tags[["axis", "segment", "users", "weight", "share", "definition"]]


def segment(
    shop: Shop, config: RecsysConfig, *, as_of: int, progress: Progress = silent
) -> Segmented:
    """Fit every configured axis on what may be learnt from before `as_of`, and assign everyone.

    No history is made: profiles are added up on the engine, and only their sums come back.

    Raises
    ------
    ConfigError
        When no axis is configured, or one cannot be put on the data.
    DataError
        When nothing is known by then.
    """
    if not config.segments:
        raise ConfigError("no axis is configured; add a table such as [segments.lifecycle]")
    with progress("profiles", None):
        items = seen_catalogue(shop, shop.events(before=as_of), config)
        mine = shop.learnable()
        events = mine.events(before=as_of)
        people = seen_people(mine, events, as_of=as_of)
        learnt = learn_facts(mine, events, config, people, items, as_of=as_of)
        facts = facts_of_everyone(shop, config, learnt, as_of=as_of)
    with progress("putting users into segments", None):
        memberships = assign_axes(fit_axes(config.segments, learnt), facts)
    off = axes_off(config.segments, timed=shop.timed)
    return Segmented(memberships, facts, (*shop.off(), *off))
