"""Who takes offers up, and what customers spend who were sent one."""

from collections.abc import Callable, Sequence

from recsys.drawing.documents import Document, Interval, span
from recsys.drawing.figures import Figure, figure
from recsys.drawing.looks import ACCENT, BAD, INK
from recsys.drawing.numbers import ABSENT, change, count, share
from recsys.drawing.tables import Cell, Table, number_of, table, text_of
from recsys.segments.report.dots import SHARES, Measured, dot, dots_plot, grouped
from recsys.segments.report.parts import EVERYONE, LIMIT, Part, more, text


def offers(document: Document) -> Part:
    """Return the rate at which offers are taken up, and the uplift of spend, by segment."""
    found = document.get("offers", {})
    records = found.get("rows", [])
    figures = [*_rates(records), *_uplifts(records)]
    return Part(
        "offers",
        "What offers do",
        lead=[found["sentence"]] if found.get("sentence") else [],
        caveat=found.get("caveat", "") if records else "",
        figures=figures,
        tables=_table(records),
    )


def uplift_ends(record: Document) -> Interval | None:
    """Return the interval of an uplift."""
    return span(record, "uplift_low", "uplift_high")


def _rates(records: Sequence[Document]) -> list[Figure]:
    measured = Measured("share of offers taken up", SHARES)
    return _figure(
        "rates",
        "Who takes offers up",
        records,
        measured,
        lambda record: (record.get("rate"), span(record), ACCENT, share(record.get("rate"))),
    )


def _uplifts(records: Sequence[Document]) -> list[Figure]:
    measured = Measured("change of spend per user and day", "", ("← less", "more →"), 0.0)
    return _figure(
        "uplifts",
        "What those spend who were sent one, beyond those who were not",
        records,
        measured,
        lambda record: (
            record.get("uplift"),
            uplift_ends(record),
            _ink(uplift_ends(record)),
            change(record.get("uplift")),
        ),
    )


def _ink(ends: Interval | None) -> str:
    if ends is None:
        return INK
    return ACCENT if ends[0] > 0 else BAD if ends[1] < 0 else INK


Shown = tuple[float | None, Interval | None, str, str]
"""A mean, its interval, the colour of its mark, and how it is written."""


def _figure(
    name: str,
    title: str,
    records: Sequence[Document],
    measured: Measured,
    show: Callable[[Document], Shown],
) -> list[Figure]:
    groups, told = [], []
    for record in records[:LIMIT]:
        mean, ends, ink, words = show(record)
        segment = text(record, "segment") if record.get("axis") else EVERYONE
        row = dot(segment, mean, ends, ink) | {"short": words, "text": _of(words, record)}
        groups.append((text(record, "axis") if record.get("axis") else "", row))
        told.append(f"{segment} {words}")
    rows = grouped(groups)
    drawn = figure(
        name,
        title,
        "With the 95 % interval. On the right: the estimate, and how many were sent an offer."
        + more(len(records) - LIMIT, "segments"),
        f"{title}: {'; '.join(told)}.",
        lambda width: dots_plot(rows, measured, width),
    )
    return [drawn] if drawn else []


def _of(words: str, record: Document) -> str:
    return f"{words} of {count(record['sent'])}" if "sent" in record else words


def _table(records: Sequence[Document]) -> list[Table]:
    columns: dict[str, Cell] = {
        "axis": text_of("axis"),
        "segment": text_of("segment"),
        "users": number_of(count, "users"),
        "sent": number_of(count, "sent"),
        "taken up": number_of(count, "redeemed"),
        "rate": number_of(share, "rate"),
        "95 % interval": _share_ends,
        "uplift": number_of(change, "uplift"),
        "95 % interval, uplift": _change_ends,
    }
    return table("Offers, in figures", records, columns, words=2)


def _change_ends(record: Document) -> str:
    ends = uplift_ends(record)
    return ABSENT if ends is None else f"{change(ends[0])} to {change(ends[1])}"


def _share_ends(record: Document) -> str:
    ends = span(record)
    return ABSENT if ends is None else f"{share(ends[0])} to {share(ends[1])}"
