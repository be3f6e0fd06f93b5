"""The windows before a cut that shapes, repeat purchases and weights are learnt on.

Each window leaves a fifth of the users out of everything that is fitted for it, and asks about
them: what would have been ranked for somebody of whom no more is known than this, and what did she
go on to buy. In a small shop a user who is fitted herself is half of an item's row.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from recsys.config import RecsysConfig
from recsys.errors import DataError
from recsys.events.schema import MICROSECONDS_PER_DAY, TIME
from recsys.events.shop import Shop
from recsys.interactions import Histories, Targets, bought_between, came_back
from recsys.interactions.targets import successes
from recsys.models.fit import Past
from recsys.pipelines.cases import Cases, Seeds, make_cases
from recsys.pipelines.progress import Progress, silent
from recsys.pipelines.snapshot import Snapshot, read_histories, seen_catalogue, take_snapshot

WINDOWS = 3
"""One alone misleads."""
APART = 7 * MICROSECONDS_PER_DAY
"""Windows may overlap, but they start at least so far from each other."""
TOO_SHORT = "too little history to learn weights on windows before the cut: default weights"


class Round(NamedTuple):
    """What was known at the start of a window, and everything that was bought in it."""

    histories: Histories
    bought: Targets

    def past(self, before: "Round | None" = None) -> Past:
        """Return it, and the round before it, as examples of what is bought again."""
        again = came_back(self.histories, self.bought)
        if before is None:
            return Past(self.histories, again)
        earlier = (before.histories, came_back(before.histories, before.bought))
        return Past(self.histories, again, (earlier,))


@dataclass(frozen=True)
class Window:
    """A window before the cut: what was known at its start, and who is asked about.

    Attributes
    ----------
    start
        As of the window's start, without the users left out.
    past
        What the model fitted at `start` learns repeat purchases from.
    cases
        The users left out.
    """

    start: Snapshot
    past: Past
    cases: Cases


@dataclass(frozen=True)
class Learning:
    """Everything that one training looks at.

    Attributes
    ----------
    now
        As of the cut.
    past
        What the final model learns repeat purchases from.
    windows
        Where weights are learnt, the newest first; none where the history is too short.
    days
        The windows' length; None without times.
    rounds
        What was known and bought in windows that do not overlap, the newest first.
    counted
        The shop of those who count in popularity and lifts alone; None: nobody does.
    """

    now: Snapshot
    past: Past
    windows: tuple[Window, ...]
    days: float | None
    rounds: tuple[Round, ...] = ()
    counted: Shop | None = None

    @property
    def notes(self) -> list[str]:
        """What could not be learnt, in words."""
        return [] if self.windows else [TOO_SHORT]


def prepare(
    shop: Shop, config: RecsysConfig, *, as_of: int, progress: Progress = silent
) -> Learning:
    """Take the snapshots that training at `as_of` needs."""
    known = shop.where(events=f"{TIME} < {as_of}") if shop.timed else shop
    mine, counted = known.learnable(), known.counted()
    if counted is not None and not counted.event_counts():
        counted = None
    kinds = config.interactions.contact_kinds(mine.event_counts())
    catalogue = None if counted is None else seen_catalogue(known, known.events(), config)
    with progress("reading histories", None):
        now = take_snapshot(
            mine, mine.events(), config, as_of=as_of, catalogue=catalogue, kinds=kinds
        )
    with progress("reading windows", None):
        look = _Look(mine, config, now, kinds)
        learning = _timed(look) if shop.timed else _untimed(look)
    return replace(learning, counted=counted)


def window_days(shop: Shop, config: RecsysConfig, *, as_of: int) -> float:
    """Return the window's length: the test window, but at most a third of the history."""
    span = shop.span()
    known = (as_of - span[0]) / MICROSECONDS_PER_DAY if span else 0.0
    return min(config.evaluation.window_days, known / 3)


def window_starts(first: int, as_of: int, length: int) -> list[int]:
    """Return where windows begin, the newest first.

    The newest ends at the cut. The others begin earlier, each with at least half of the span
    before it, at least `APART` and at most a whole window apart; windows that are shorter than
    `APART` follow each other without a gap.

    Parameters
    ----------
    first, as_of
        The oldest event and the cut, microseconds.
    length
        Of a window, microseconds.
    """
    newest = as_of - length
    room = max(newest - (first + (as_of - first) // 2), 0)
    number = min(WINDOWS, 1 + room // APART)
    apart = min(length, room // max(number - 1, 1))
    return [newest - place * apart for place in range(number)]


class _Look(NamedTuple):
    """A shop before the cut, and what it is looked at with."""

    shop: Shop
    config: RecsysConfig
    now: Snapshot
    kinds: tuple[str, ...]

    def among(self, condition: str) -> "_Look":
        return self._replace(shop=self.shop.where(events=condition, users=condition))

    def histories(self, as_of: int) -> Histories | None:
        items, kinds = self.now.catalogue.items, self.kinds
        try:
            known = self.shop.events(before=as_of)
            return read_histories(
                self.shop, known, self.config, as_of=as_of, items=items, kinds=kinds
            )
        except DataError:
            return None

    def snapshot(self, as_of: int) -> Snapshot | None:
        catalogue, kinds = self.now.catalogue, self.kinds
        try:
            known = self.shop.events(before=as_of)
            return take_snapshot(
                self.shop, known, self.config, as_of=as_of, catalogue=catalogue, kinds=kinds
            )
        except DataError:
            return None

    def bought(self, since: int, before: int) -> Targets:
        events = self.shop.events(since=since, before=before)
        return bought_between(events, self.config.interactions.target, self.now.catalogue.items)

    def round(self, since: int, length: int) -> Round | None:
        histories = self.histories(since)
        return None if histories is None else Round(histories, self.bought(since, since + length))

    def asked(
        self, start: Snapshot, past: Past, seeds: Seeds, *, before: int | None = None
    ) -> Window | None:
        """Ask about the users of this shop what they bought from `start` on; None: nothing."""
        since = start.as_of if self.shop.timed else None
        known = self.shop.where(events=f"{TIME} < {since}") if self.shop.timed else self.shop
        bought = successes(self.shop, self.config.interactions.target, since=since, before=before)
        cases = make_cases(known, bought, seeds, self.now.catalogue.items, as_of=start.as_of)
        return Window(start, past, cases) if len(cases.users) else None


def _timed(look: _Look) -> Learning:
    span, as_of = look.shop.span(), look.now.as_of
    if span is None:
        return Learning(look.now, Past(look.now.histories, None), (), None)
    days = window_days(look.shop, look.config, as_of=as_of)
    length = int(days * MICROSECONDS_PER_DAY)
    starts = window_starts(span[0], as_of, length)
    rounds = tuple(_rounds(look, starts, length))
    past = Past(look.now.histories, None)
    if rounds:
        past = rounds[0].past(look.round(starts[0] - length, length))
    windows = [_window(look, number, since, length) for number, since in enumerate(starts)]
    kept = tuple(window for window in windows if window is not None)
    return Learning(look.now, past, kept, days, rounds)


def _rounds(look: _Look, starts: Sequence[int], length: int) -> Iterator[Round]:
    """Yield what was known and bought in those windows that do not overlap."""
    apart = starts[0] - starts[1] if len(starts) > 1 else 0
    for since in starts if apart >= length else starts[:1]:
        found = look.round(since, length)
        if found is not None:
            yield found


def _window(look: _Look, number: int, since: int, length: int) -> Window | None:
    seeds = Seeds(look.config.model.seed, number)
    rest, mine = look.among(f"NOT ({seeds.left_out})"), look.among(seeds.left_out)
    start, before = rest.snapshot(since), rest.round(since - length, length)
    if start is None or before is None:
        return None
    past = before.past(rest.round(since - 2 * length, length))
    return mine.asked(start, past, seeds, before=since + length)


def _untimed(look: _Look) -> Learning:
    folds = [_fold(look, Seeds(look.config.model.seed, number)) for number in range(WINDOWS)]
    kept = tuple(window for window in folds if window is not None)
    return Learning(look.now, Past(look.now.histories, None), kept, None)


def _fold(look: _Look, seeds: Seeds) -> Window | None:
    rest, mine = look.among(f"NOT ({seeds.left_out})"), look.among(seeds.left_out)
    start = rest.snapshot(look.now.as_of)
    return None if start is None else mine.asked(start, Past(start.histories, None), seeds)
