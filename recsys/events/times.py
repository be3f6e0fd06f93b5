"""Times and durations as people write them; inside, a time is microseconds since the epoch, UTC."""

import re
from datetime import UTC, datetime, timedelta

from recsys.errors import ConfigError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
FIRST, LAST = ((datetime(year, 1, 1, tzinfo=UTC) - EPOCH) // MICROSECOND for year in (1, 9999))
"""Times from FIRST and before LAST can be written with a year of four digits."""
UNITS = {"h": 1 / 24, "d": 1.0, "w": 7.0}


def parse_time(text: str, *, what: str = "time") -> int:
    """Read an ISO 8601 time; one without an offset is UTC.

    Examples
    --------
    >>> parse_time("1970-01-02")
    86400000000
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(
            f"{what} {text!r} is not an ISO 8601 time; "
            "write it like 2017-12-01 or 2017-12-01T08:30:00Z"
        ) from None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - EPOCH) // MICROSECOND


def format_time(time: int) -> str:
    """Write a time as ISO 8601, UTC.

    Examples
    --------
    >>> format_time(86_400_000_000)
    '1970-01-02T00:00:00Z'
    """
    return (EPOCH + time * MICROSECOND).isoformat().replace("+00:00", "Z")


def parse_days(text: str, *, what: str = "duration") -> float:
    """Read a duration such as ``90d``, ``12h`` or ``4w``, in days.

    Examples
    --------
    >>> parse_days("4w")
    28.0
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([hdw])", text.strip())
    if match is None or float(match[1]) == 0:
        raise ConfigError(f"{what} {text!r} is not a duration; write it like 90d, 12h or 4w")
    return float(match[1]) * UNITS[match[2]]
