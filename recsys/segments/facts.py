"""What is known of some users when they are put into segments."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from recsys.interactions import Catalogue, Histories
from recsys.types import Floats


@dataclass(frozen=True)
class UserFacts:
    """Profiles, attributes and histories of the same users, as of the same moment.

    Attributes
    ----------
    histories
        What they dealt with; its vocabulary orders the users of every other part.
    profiles
        Window in days (infinite: all that is known) -> features, indexed by ``user_id``.
    attributes
        Indexed by ``user_id``; users without attributes are absent.
    catalogue
        The items the histories refer to.
    timed
        Whether events have times.
    """

    histories: Histories
    profiles: Mapping[float, pd.DataFrame]
    attributes: pd.DataFrame
    catalogue: Catalogue
    timed: bool

    def feature(self, name: str, *, window: float) -> Floats:
        """Return a feature of every user over a window, shape ``(n_users,)``; NaN = unknown."""
        column = self.profiles[window][name].reindex(self.histories.users.ids)
        return column.to_numpy()

    def has_attribute(self, column: str) -> bool:
        """Tell whether the users file has that column."""
        return column in self.attributes

    def attribute(self, column: str) -> "pd.Series[str]":
        """Return an attribute of every user, aligned; missing = unknown."""
        return self.attributes[column].reindex(self.histories.users.ids)
