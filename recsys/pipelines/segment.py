"""Memberships of everyone as of a moment, with sizes and definitions."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from recsys.config import RecsysConfig
from recsys.errors import ConfigError
from recsys.events.shop import Shop
from recsys.pipelines.snapshot import take_snapshot
from recsys.segments import Memberships, axes_off, columns_of


@dataclass(frozen=True)
class Segmented:
    """Memberships and what to say about them.

    Attributes
    ----------
    memberships
        Of every user known by then.
    notes
        Axes that the data switch off.
    """

    memberships: Memberships
    notes: tuple[str, ...]

    def sizes(self) -> pd.DataFrame:
        """Return ``axis, segment, users, weight, share, definition``, one row a segment."""
        matrix = self.memberships.matrix.tocsc()
        users = np.diff(matrix.indptr)
        weight = np.asarray(matrix.sum(axis=0)).ravel()
        rows = [
            (axis.name, segment, int(users[column]), float(weight[column]), definition)
            for axis in self.memberships.axes
            for column, segment, definition in zip(
                range(*columns_of(self.memberships.axes)[axis.name].indices(len(users))),
                axis.segments,
                axis.fit.definitions,
                strict=True,
            )
        ]
        names = ["axis", "segment", "users", "weight", "definition"]
        frame = pd.DataFrame(rows, columns=names)
        share = frame["weight"] / max(len(self.memberships.users), 1)
        frame.insert(4, "share", share)
        return frame


def segment(shop: Shop, config: RecsysConfig, *, as_of: int) -> Segmented:
    """Fit every configured axis on what is known before `as_of`, and assign everyone.

    Raises
    ------
    ConfigError
        When no axis is configured.
    """
    if not config.segments:
        raise ConfigError("no axis is configured; add a table such as [segments.lifecycle]")
    snapshot = take_snapshot(shop, shop.events(before=as_of), config, as_of=as_of)
    off = axes_off(config.segments, timed=shop.timed)
    return Segmented(snapshot.memberships(config), (*shop.off(), *off))
