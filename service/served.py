"""The model a process serves, and how it comes by the next one without failing a request."""

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from recsys.bundle import BundleStore
from recsys.config import RecsysConfig
from recsys.errors import RecsysError
from recsys.ranking.published import Published, open_bundle
from recsys.ranking.ranker import Ranker
from recsys.state import Fields, StateStore

logger = logging.getLogger("recsys.service")

BEAT_SECONDS: Final = 0.5
"""How often a process looks for another active model, and for what the state knows since."""


@dataclass(frozen=True)
class Served:
    """What one answer is made with, from the first look to the last: it never changes.

    Attributes
    ----------
    trained
        The bundle as it was opened.
    published
        The same with what the shop has told of items since, new ones among them.
    changes
        The count of the state's changes that it is up to.
    """

    trained: Published
    published: Published
    changes: int

    @property
    def version(self) -> str:
        """The version of the bundle."""
        return self.published.manifest.version

    @property
    def ranker(self) -> Ranker:
        """Ranks what the shop has by now."""
        return self.published.ranker

    def hearing(self, told: Mapping[str, Fields], changes: int) -> "Served":
        """Return the same with all that is told of some items, up to a count of changes."""
        if not told:
            return replace(self, changes=changes)
        before = self.trained.ranker.model.catalogue
        catalogue = self.ranker.model.catalogue.told(told, before)
        return Served(self.trained, self.trained.offering(catalogue), changes)


class Models:
    """Holds the served model, and replaces it as a whole.

    Parameters
    ----------
    config
        Variants and the store.
    state
        Where changes of items are.

    Raises
    ------
    StoreError
        When there is no bundle that can be served.
    """

    def __init__(self, config: RecsysConfig, state: StateStore) -> None:
        self.store = BundleStore(config.store.path)
        self._variants = config.every_variant()
        self._state = state
        self._lock = threading.Lock()
        self.trouble: str | None = None
        """Why the version that is active is not the one that is served."""
        self._served = self._opened(None)
        self._failed: str | None = None

    @property
    def served(self) -> Served:
        """The model to answer with now."""
        return self._served

    def up_to(self, changes: int) -> Served:
        """Return the model with every change of items up to a count at least."""
        if self._served.changes < changes:
            with self._lock:
                served = self._served
                if served.changes < changes:
                    self._served = served.hearing(self._told_since(served.changes), changes)
        return self._served

    def look(self) -> bool:
        """Serve the active version if it is another one; tells whether it was.

        A bundle that cannot be served leaves the one that is, and `trouble` says why.
        """
        try:
            active = self.store.active_version()
        except RecsysError as error:
            self.trouble = str(error)
            return False
        if active == self._served.version:
            self.trouble, self._failed = None, None
        if active is None or active in (self._served.version, self._failed):
            return False
        return self._load(active)

    def activate(self, version: str) -> Served:
        """Make a version the active one, for every process of the store, and serve it.

        Raises
        ------
        NotFoundError, BundleError, ConfigError
            When there is none, or it cannot be served; then nothing changes.
        """
        opened = self._opened(version)
        self.store.activate(version)
        self._swap(opened)
        return opened

    def _load(self, version: str) -> bool:
        try:
            opened = self._opened(version)
        except Exception as error:
            # Whatever is wrong with it, there is one that can be served.
            self.trouble, self._failed = str(error), version
            logger.error("the active model cannot be served: %s", error)
            return False
        self._swap(opened)
        logger.info("serving model %s", version)
        return True

    def _swap(self, opened: Served) -> None:
        with self._lock:
            self._served, self.trouble, self._failed = opened, None, None

    def _opened(self, version: str | None) -> Served:
        published = open_bundle(self.store.load(version))
        for variant in self._variants.values():
            published.ranker.check(variant)
        # The count first: what is told meanwhile is told again rather than missed.
        changes = self._state.pulse().changes
        plain = Served(published, published, 0)
        return plain.hearing(self._told_since(0), changes)

    def _told_since(self, changes: int) -> Mapping[str, Fields]:
        return self._state.items.since(changes)
