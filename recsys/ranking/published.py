"""A bundle, opened: training and serving meet here."""

from dataclasses import dataclass, replace
from typing import Final

from recsys.bundle import Bundle, Manifest
from recsys.interactions import Catalogue
from recsys.models import model_from
from recsys.models.newcomers import groups_of_new
from recsys.models.related import Related, related_from
from recsys.ranking.blend import Weights
from recsys.ranking.ranker import Ranker

STEP: Final = 3_600_000_000
"""An hour, in microseconds."""


@dataclass(frozen=True)
class Published:
    """A bundle, ready to rank with.

    Attributes
    ----------
    manifest
        What the bundle says of itself.
    ranker
        The model with its learnt weights.
    related
        What goes with an item, and what rises.
    as_of
        The moment of training, microseconds.
    """

    manifest: Manifest
    ranker: Ranker
    related: Related
    as_of: int

    def described_at(self, latest: int | None) -> int:
        """Return the moment customers are described as of.

        It is that of training while nothing newer has happened; from then on it moves by whole
        hours, always to the end of the one in which something happened: one event does not make
        everybody be described again.

        Parameters
        ----------
        latest
            The newest event's time, or the clock's; microseconds.
        """
        if latest is None or latest < self.as_of:
            return self.as_of
        return self.as_of + -(-(latest + 1 - self.as_of) // STEP) * STEP

    def offering(self, catalogue: Catalogue) -> "Published":
        """Return the same with what is known by now of the items, and with new ones."""
        trained = self.ranker.model
        related = self.related.beside(groups_of_new(trained.catalogue, catalogue))
        ranker = Ranker(trained.offering(catalogue), self.ranker.weights, related.together)
        return replace(self, ranker=ranker, related=related)


def open_bundle(bundle: Bundle) -> Published:
    """Build the ranker of a bundle."""
    learnt = bundle.manifest.learnt
    weights = {digest: Weights.model_validate(found) for digest, found in learnt["weights"].items()}
    related = related_from(bundle.arrays, learnt)
    ranker = Ranker(model_from(bundle.arrays, learnt), weights, related.together)
    return Published(bundle.manifest, ranker, related, int(learnt["as_of"]))
