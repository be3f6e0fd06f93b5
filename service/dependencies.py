"""What routes are given: the model that is served and the state, made once per process."""

import time
from typing import Annotated

import narwhals as nw
from fastapi import Depends, Request

from recsys.bundle import BundleStore
from recsys.config import RecsysConfig, load_config
from recsys.ranking import Customers, Variant, describe
from recsys.ranking.published import Published, open_bundle
from recsys.state import StateStore
from recsys.vocabulary import Vocabulary
from service.settings import Settings


class Shopfront:
    """The served model, the state and the clock of one process.

    Parameters
    ----------
    settings
        Where the config is, and which clock.

    Raises
    ------
    ConfigError, StoreError, StateError
        When there is nothing to serve.
    """

    def __init__(self, settings: Settings) -> None:
        self.config: RecsysConfig = load_config(settings.config_path)
        self._clock = settings.clock
        store = BundleStore(self.config.store.path)
        self.published: Published = open_bundle(store.load())
        self.state = StateStore(self.config.state.url)
        self.variants = self.config.every_variant()
        for variant in self.variants.values():
            self.published.ranker.check(variant)

    def variant(self, name: str | None) -> Variant:
        """Return a variant by name; the default one without.

        Raises
        ------
        ConfigError
            When there is no such variant.
        """
        return self.config.chosen([name or self.config.service.default_variant])[0]

    def now(self) -> int:
        """Return the moment answers are given as of, microseconds."""
        if self._clock == "now" and self.published.ranker.model.timed:
            return time.time_ns() // 1000
        newest = self.state.newest_time()
        return self.published.as_of if newest is None else max(self.published.as_of, newest + 1)

    def customer(self, user_id: str) -> Customers:
        """Fold one user in from the state; an unknown one has an empty history."""
        events = nw.from_native(self.state.events_of([user_id])).lazy()
        return describe(
            events,
            Vocabulary([user_id]),
            self.state.attributes_of([user_id]),
            self.published.ranker.model,
            as_of=self.now(),
        )

    def close(self) -> None:
        """Close the state."""
        self.state.close()


def shopfront(request: Request) -> Shopfront:
    """Return the process' shopfront."""
    front: Shopfront = request.app.state.shopfront
    return front


Front = Annotated[Shopfront, Depends(shopfront)]
