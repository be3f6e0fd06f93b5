"""The experiments that run, as a process knows them: read again once something has changed."""

import logging
import threading
from collections.abc import Mapping

from recsys.experiments.running import Running
from recsys.ranking import Variant
from recsys.state import StateStore

logger = logging.getLogger("recsys.service")


class Underway:
    """Keeps up with the experiments of a state; may be shared between threads.

    Parameters
    ----------
    state
        Where they are.
    variants
        Those of the config, by name.
    holdout
        The share of users who take part in no experiment.
    """

    def __init__(self, state: StateStore, variants: Mapping[str, Variant], holdout: float) -> None:
        self._state, self._holdout = state, holdout
        self._digests = {name: variant.digest for name, variant in variants.items()}
        self._lock = threading.Lock()
        self._changes = -1
        self.now = Running([], {}, holdout=holdout)
        """As they were when the state could be read the last time."""

    def up_to(self, changes: int) -> Running:
        """Return them with every change up to a count at least."""
        if self._changes < changes:
            with self._lock:
                if self._changes < changes:
                    self._read()
                    self._changes = changes
        return self.now

    def _read(self) -> None:
        found = Running(self._state.experiments.all(), self._digests, holdout=self._holdout)
        for name, trouble in found.troubles.items():
            if name not in self.now.troubles:
                logger.error("the experiment %s does not go on: %s", name, trouble)
        self.now = found
