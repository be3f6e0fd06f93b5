"""All relations between items that a bundle holds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from recsys.models.related.similar import Similar, similar_from
from recsys.models.related.together import Together, together_from
from recsys.models.related.trending import Trending, trending_from
from recsys.types import Indices


@dataclass(frozen=True)
class Related:
    """What goes with an item, and what rises.

    Attributes
    ----------
    together
        Rules of what is bought together.
    similar
        Items like an item.
    trending
        What rises, for everyone and by segment.
    """

    together: Together
    similar: Similar
    trending: Trending

    def beside(self, groups: Indices) -> "Related":
        """Return the same with further items, of some groups: nothing was bought with them yet."""
        return Related(
            self.together.beside(len(groups)), self.similar.beside(groups), self.trending
        )

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return every array by the name it has in a bundle."""
        return {**self.together.arrays(), **self.similar.arrays(), **self.trending.arrays()}

    def learnt(self) -> dict[str, Any]:
        """Return the learnt numbers that are not arrays, as JSON."""
        return {"together": self.together.learnt(), "trending": self.trending.learnt()}


def related_from(arrays: Mapping[str, npt.NDArray[Any]], learnt: Mapping[str, Any]) -> Related:
    """Build it again from what `Related.arrays` and `Related.learnt` gave."""
    return Related(
        together_from(arrays, learnt["together"]),
        similar_from(arrays),
        trending_from(arrays, learnt["trending"]),
    )
