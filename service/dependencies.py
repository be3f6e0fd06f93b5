"""What routes are given: one `Shopfront` for each process, made at its start."""

import gc
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Annotated, Final

from fastapi import Depends, Path, Request
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer
from threadpoolctl import threadpool_limits

from recsys.config import RecsysConfig, load_config
from recsys.errors import ConfigError, RecsysError, StateError
from recsys.events.schema import LONGEST_ID
from recsys.experiments.running import Running
from recsys.ranking import Variant
from recsys.state import Pulse, Scope, StateStore
from service.auth import Authority, without_key
from service.book import Book, Known, viewed
from service.exposing import ExposureWriter
from service.intake import Door, Intake
from service.metrics import Metrics
from service.moments import Moments
from service.passing import Passing
from service.profiling import Profiler
from service.schemas import NO_NUL
from service.served import BEAT_SECONDS, Models, Served
from service.settings import Settings
from service.underway import Underway

logger = logging.getLogger("recsys.service")

TURN_SECONDS: Final = 0.0005
"""How long a request waits while what works beside it, such as exposures, has the interpreter."""
STATE: Final = "state"
"""Among what an answer has to do without: the state."""


class Shopfront:
    """The served model, the state, and what works beside the requests.

    Parameters
    ----------
    settings
        Where the config is, which clock, and who may do what.
    metrics
        Where counts go; by default nowhere that anybody looks.

    Raises
    ------
    ConfigError, StoreError, StateError
        When there is nothing to serve.
    """

    def __init__(self, settings: Settings, metrics: Metrics | None = None) -> None:
        # A product of one request is over before a second thread of it has begun.
        threadpool_limits(1, "blas")
        sys.setswitchinterval(TURN_SECONDS)
        self.config: RecsysConfig = load_config(settings.config_path)
        self.metrics = metrics or Metrics()
        self._moments = Moments(settings.clock)
        self._parent = settings.parent
        self.state = StateStore(self.config.state.url)
        self.models = Models(self.config, self.state)
        self.variants = self.config.every_variant()
        service = self.config.service
        scopes = without_key(service.anonymous_reads, settings.open)
        self.authority = Authority(self.state, scopes, service.requests_per_second)
        self.experiments = Underway(self.state, self.variants, self.config.experiments.holdout)
        changes = self.state.pulse().changes
        self.authority.up_to(changes)
        self.experiments.up_to(changes)
        self.book = Book(self.state, service.remember)
        known_events = self.config.interactions.known_events
        self.intake: Door = (
            Intake(self.state, known_events)
            if settings.intake is None
            else Passing(settings.intake)
        )
        self.exposures = ExposureWriter(self.state)
        self.state_trouble: str | None = None
        # What is there now stays: to look through it again and again for garbage stops everybody.
        gc.freeze()
        self._closing = threading.Event()
        self._beside = [self._begin(self._keep_up)]
        if settings.profiling:
            profiler = Profiler(self.state, self.models, self._moments)
            self._beside.append(self._begin(profiler.work, self._closing))

    async def open(self) -> None:
        """Wait for what this process cannot do everything without; lists do not need it."""
        try:
            await self.intake.open()
        except StateError as error:
            logger.warning("events cannot be taken in: %s", error)

    def variant(self, name: str | None) -> Variant:
        """Return a variant by name; the default one without.

        Raises
        ------
        ConfigError
            When there is no such variant.
        """
        asked = name or self.config.service.default_variant
        found = self.variants.get(asked)
        return found or self.config.chosen([asked])[0]

    def feel(self, user_id: str) -> Pulse | None:
        """Ask the state about a user; None where it cannot be asked.

        Once it could not be asked it is left alone until it has come back: no request waits for a
        database that is away.
        """
        if self.state_trouble is not None:
            return None
        try:
            return self.state.pulse(user_id)
        except StateError as error:
            self.lose_state(error)
            return None

    def lose_state(self, error: RecsysError) -> None:
        """Leave the state alone from here on, until it has been seen to be back."""
        self.state_trouble = str(error)

    def running(self, pulse: Pulse | None) -> Running:
        """Return the experiments that run now, or did when the state was last there."""
        return self.experiments.now if pulse is None else self.experiments.up_to(pulse.changes)

    def now(self) -> int:
        """Return the moment by the service's clock, microseconds."""
        return self._moments.answered_at(self.models.served, self.state.pulse().newest_time)

    def answered_at(self, served: Served, pulse: Pulse | None) -> int:
        """Return the moment of an answer, by which rules hold, microseconds."""
        return self._moments.answered_at(served, _newest(pulse))

    def known(self, user_id: str, served: Served, pulse: Pulse | None) -> tuple[Known, list[str]]:
        """Return a customer as she is now, and what had to be done without."""
        moment = self._described_at(served, pulse)
        if pulse is None:
            last = self.book.last_known(user_id, served)
            return last or self.book.stranger(user_id, served, moment), [STATE]
        found = self.book.remembered(user_id, served, pulse, moment)
        return found or self.book.read(user_id, served, pulse, moment), []

    def known_with(
        self, known: Known, served: Served, seen: Sequence[str], session_id: str | None
    ) -> Known:
        """Return a customer with items just seen, and what strangers did in her session."""
        items = served.ranker.model.items
        further = viewed(items.index_of(seen), known.moment - 1)
        if session_id is not None:
            strangers = self.state.session_events(known.user_id, session_id, items)
            further = further.and_also(strangers)
        return self.book.extended(known, served, further)

    def is_remembered(self, user_id: str, served: Served, pulse: Pulse | None) -> bool:
        """Whether a customer can be answered without reading her history."""
        if pulse is None:
            return True
        moment = self._described_at(served, pulse)
        return self.book.remembered(user_id, served, pulse, moment) is not None

    def close(self) -> None:
        """Finish what was begun: take in what waits, write down what was served."""
        self._closing.set()
        for thread in self._beside:
            thread.join()
        self.intake.close()
        self.exposures.close()
        self.state.close()

    def _described_at(self, served: Served, pulse: Pulse | None) -> int:
        return self._moments.described_at(served, _newest(pulse))

    @staticmethod
    def _begin(work: Callable[..., None], *given: threading.Event) -> threading.Thread:
        thread = threading.Thread(target=work, args=given, daemon=True)
        thread.start()
        return thread

    def _keep_up(self) -> None:
        while not self._closing.wait(BEAT_SECONDS):
            if self._parent not in (None, os.getppid()):
                # Nobody would start it again or tell it to stop: it must not hold the port.
                os.kill(os.getpid(), signal.SIGTERM)
            self.models.look()
            try:
                changes = self.state.pulse().changes
                self.authority.up_to(changes)
                self.experiments.up_to(changes)
                self.state_trouble = None
            except RecsysError as error:
                self.lose_state(error)
            self._measure()

    def _measure(self) -> None:
        self.metrics.waiting.labels("events").set(self.intake.waiting)
        self.metrics.waiting.labels("exposures").set(self.exposures.waiting)
        self.metrics.lost.set(self.exposures.lost)
        served = self.models.served
        self.metrics.model.labels(served.version).set(served.published.as_of / 1e6)


def _newest(pulse: Pulse | None) -> int | None:
    return None if pulse is None else pulse.newest_time


async def shopfront(request: Request) -> Shopfront:
    """Return the process' shopfront."""
    # Not a plain function: for those the framework takes a thread, which takes longer than this.
    front: Shopfront = request.app.state.shopfront
    return front


Front = Annotated[Shopfront, Depends(shopfront)]
PathId = Annotated[str, Path(min_length=1, max_length=LONGEST_ID, pattern=NO_NUL)]

_header = APIKeyHeader(name="X-API-Key", auto_error=False)
_bearer = HTTPBearer(auto_error=False)
Header = Annotated[str | None, Depends(_header)]
Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


class Needs:
    """Lets a request pass whose key allows a scope; see `Authority.admit`."""

    def __init__(self, scope: Scope, *, personal: bool = False) -> None:
        self._scope, self._personal = scope, personal

    async def __call__(
        self, request: Request, front: Front, header: Header, bearer: Bearer
    ) -> None:
        """Refuse a request that may not pass."""
        if "\n" in request.scope["path"]:
            # A route's pattern ends before the last line break: it would be about somebody else.
            raise ConfigError("a path has a line break; an id with one cannot stand in it")
        given = header or (bearer.credentials if bearer else None)
        request.state.key = front.authority.admit(given, self._scope, personal=self._personal)


READ = Depends(Needs("read"))
READ_PERSON = Depends(Needs("read", personal=True))
WRITE = Depends(Needs("write"))
ADMIN = Depends(Needs("admin"))
