"""Numbers as they stand on a page: a decimal point, thin spaces, a real minus sign."""

from typing import Any

from recsys.drawing.documents import Interval

ABSENT = "–"
THIN = "\u202f"
"""A narrow space at which no line breaks: between thousands, and before "%"."""
MINUS = "\u2212"


def count(value: float | None) -> str:
    """Return a whole number; thousands apart from five digits on.

    Examples
    --------
    >>> count(2029), count(1_300_000).replace(THIN, "_"), count(None)
    ('2029', '1_300_000', '–')
    """
    if value is None:
        return ABSENT
    text = f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.0f}"
    return text.replace(",", THIN).replace("-", MINUS)


def number(value: float | None) -> str:
    """Return a measure: four decimals, fewer where it is large, three digits where it is tiny.

    Examples
    --------
    >>> number(0.12345), number(61.234567), number(0.000123456), number(0.0)
    ('0.1235', '61.23', '0.000123', '0.0000')
    """
    if value is None:
        return ABSENT
    size = abs(value)
    if size >= 10_000:
        return count(value)
    if 0 < size < 0.0005:
        return f"{value:.3g}".replace("-", MINUS)
    return f"{value:.{4 if size < 10 else 2}f}".replace("-", MINUS)


def signed(value: float | None) -> str:
    """Return a difference with its sign; one below the fourth decimal is none.

    Examples
    --------
    >>> signed(0.0123), signed(-0.00001), signed(12.5)
    ('+0.0123', '0.0000', '+12.50')
    """
    if value is None or abs(value) < 0.00005:
        return number(None if value is None else 0.0)
    text = f"{value:+.4f}" if abs(value) < 10 else f"{'+' if value > 0 else ''}{number(value)}"
    return text.replace("-", MINUS)


def change(value: float | None) -> str:
    """Return a change of money or the like, with its sign.

    Examples
    --------
    >>> change(0.4), change(-1200.0), change(0.001)
    ('+0.40', '−1200.00', '0.00')
    """
    if value is None:
        return ABSENT
    text = f"{value:+.2f}" if abs(value) >= 0.005 else "0.00"
    return text.replace("-", MINUS)


def percent(value: float | None) -> str:
    """Return a relative difference with its sign; 0.031 is three per cent.

    Examples
    --------
    >>> percent(0.0312).replace(THIN, " "), percent(-0.00001).replace(THIN, " ")
    ('+3.1 %', '0.0 %')
    """
    return ABSENT if value is None else f"{_percentage(value)}{THIN}%"


def _percentage(value: float) -> str:
    hundredths = round(100 * value, 1)
    return f"{hundredths:+.1f}".replace("-", MINUS) if hundredths else "0.0"


def share(value: float | None) -> str:
    """Return a part of a whole; 0.25 is a quarter.

    Examples
    --------
    >>> share(0.25).replace(THIN, " ")
    '25.0 %'
    """
    return ABSENT if value is None else f"{100 * value:.1f}{THIN}%"


def times(ratio: float | None) -> str:
    """Return how many times as much; 1.3 is three tenths more.

    Examples
    --------
    >>> times(1.304), times(0.25), times(12.6), times(None)
    ('×1.3', '×0.25', '×13', '–')
    """
    if ratio is None:
        return ABSENT
    decimals = 2 if ratio < 0.995 else 1 if ratio < 9.95 else 0
    return f"×{ratio:.{decimals}f}"


def coefficient(value: float | None) -> str:
    """Return a number between 0 and 1 that only tells strong from weak.

    Examples
    --------
    >>> coefficient(0.4249)
    '0.42'
    """
    return ABSENT if value is None else f"{value:.2f}".replace("-", MINUS)


def chance(value: float | None) -> str:
    """Return a p-value; three decimals are all anyone can use.

    Examples
    --------
    >>> chance(0.0412), chance(2e-9).replace(THIN, " ")
    ('0.041', '< 0.001')
    """
    if value is None:
        return ABSENT
    return f"<{THIN}0.001" if value < 0.001 else f"{value:.3f}"


def between(interval: Interval | None) -> str:
    """Return an interval of a measure.

    Examples
    --------
    >>> between((0.1, 0.25)), between(None)
    ('0.1000 to 0.2500', '–')
    """
    return ABSENT if interval is None else f"{number(interval[0])} to {number(interval[1])}"


def signed_between(interval: Interval | None) -> str:
    """Return an interval of a difference.

    Examples
    --------
    >>> signed_between((0.1, 0.25))
    '+0.1000 to +0.2500'
    """
    return ABSENT if interval is None else f"{signed(interval[0])} to {signed(interval[1])}"


def percent_between(interval: Interval | None) -> str:
    """Return an interval of a relative difference.

    Examples
    --------
    >>> percent_between((0.02, 0.043)).replace(THIN, " ")
    '+2.0 to +4.3 %'
    """
    if interval is None:
        return ABSENT
    return f"{_percentage(interval[0])} to {_percentage(interval[1])}{THIN}%"


def scalar(value: Any) -> str:
    """Return anything a document may hold in one cell.

    Examples
    --------
    >>> scalar(True), scalar([10, 20]), scalar("a"), scalar(0.5)
    ('yes', '10, 20', 'a', '0.5')
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        return count(value)
    if isinstance(value, float):
        return f"{value:.6g}".replace("-", MINUS)
    if isinstance(value, list):
        return ", ".join(map(scalar, value))
    return str(value)
