"""The fixed grid of moments at which calm axes move: the same points whenever one looks."""

from datetime import UTC, datetime
from typing import Final

from recsys.errors import ConfigError
from recsys.events.schema import MICROSECONDS_PER_DAY
from recsys.events.times import EPOCH, FIRST, LAST, MICROSECOND, format_time, parse_days

MONTHS: Final = {"month": 1, "quarter": 3}
"""Grids of calendar months -> months between two points."""
_MONDAY: Final = 4 * MICROSECONDS_PER_DAY
"""The first Monday of the epoch."""


def moments(every: str, *, as_of: int, count: int) -> tuple[int, ...]:
    """Return the last points of a grid at or before a moment, ascending.

    Parameters
    ----------
    every
        ``week`` (Mondays), ``month`` (the 1st), ``quarter`` (the 1st of January, April, July and
        October), each at 00:00 UTC, or a duration such as ``30d``: multiples of it since 1970.
    as_of
        Microseconds since the epoch, UTC.
    count
        How many points, at least 1; fewer are returned only where the grid would begin before
        the year 1.

    Raises
    ------
    ConfigError
        For another `every`, a `count` below 1, or a moment that no date can be written for.

    Examples
    --------
    >>> from recsys.events.times import format_time, parse_time
    >>> grid = moments("quarter", as_of=parse_time("2024-05-20"), count=3)
    >>> [format_time(point)[:10] for point in grid]
    ['2023-10-01', '2024-01-01', '2024-04-01']
    """
    check_every(every)
    if count < 1:
        raise ConfigError(f"count = {count}: a grid needs at least 1 point")
    if not FIRST <= as_of <= LAST:
        raise ConfigError(
            f"as_of = {as_of} is not within {format_time(FIRST)} to {format_time(LAST)}; "
            "give microseconds since 1970"
        )
    if every in MONTHS:
        return _months(MONTHS[every], as_of, count)
    origin = _MONDAY if every == "week" else 0
    return _steps(_step(every), origin, as_of, count)


def check_every(every: str) -> None:
    """Refuse what is no grid.

    Raises
    ------
    ConfigError
        It names what is possible.
    """
    if every not in MONTHS:
        _step(every)


def _step(every: str) -> int:
    try:
        days = 7.0 if every == "week" else parse_days(every)
    except ConfigError:
        days = 0.0
    step = days * MICROSECONDS_PER_DAY
    if not 1 <= step <= LAST - FIRST:
        raise ConfigError(
            f"every {every!r} is no grid of moments; "
            "write week, month, quarter or a duration like 30d"
        )
    return round(step)


def _steps(step: int, origin: int, as_of: int, count: int) -> tuple[int, ...]:
    last = (as_of - origin) // step
    earliest = -((origin - FIRST) // step)
    first = max(earliest, last - count + 1)
    return tuple(origin + number * step for number in range(first, last + 1))


def _months(length: int, as_of: int, count: int) -> tuple[int, ...]:
    moment = EPOCH + as_of * MICROSECOND
    # Months are counted from January of the year 1.
    last = ((moment.year - 1) * 12 + moment.month - 1) // length
    first = max(0, last - count + 1)
    return tuple(_start(number * length) for number in range(first, last + 1))


def _start(months: int) -> int:
    year, month = divmod(months, 12)
    return (datetime(year + 1, month + 1, 1, tzinfo=UTC) - EPOCH) // MICROSECOND
