"""Who moved from which segment to which, and how calm an axis is."""

from recsys.drawing.documents import Document, span
from recsys.drawing.figures import Panel, Panels, panel
from recsys.drawing.numbers import ABSENT, coefficient, count, number, share
from recsys.drawing.tables import Cell, Group, Table, number_of, table, text_of
from recsys.segments.report.parts import PANELS, Part, day, more, text
from recsys.segments.report.ribbons import ribbons_plot

MOVES = 12
"""Moves in a panel."""


def moves(document: Document) -> Part:
    """Return who moved, one panel an axis, and how calm each axis is."""
    axes = [axis for axis in document["axes"] if axis.get("flows")]
    drawn = [axis for axis in axes if moved(axis["flows"])]
    caption = (
        f"The {MOVES} largest moves of each axis; those who stayed are left out. The thickness is "
        "the number of users, the darkest ribbon the largest move."
        + more(len(drawn) - PANELS, "axes")
    )
    panels = [one for one in map(_panel, drawn[:PANELS]) if one]
    found = Panels("moves", "", caption, panels) if panels else None
    tables = [part for axis in axes for part in _table(axis)]
    groups = [Group("The moves in figures", tables)] if tables else []
    return Part("moves", "Who moved", panels=found, tables=_calm(document), groups=groups)


def moved(flows: Document) -> list[Document]:
    """Return the moves of known size from one segment to another, the largest first."""
    found = [
        move
        for move in flows.get("moves", [])
        if move.get("users", 0) > 0 and text(move, "from") != text(move, "to")
    ]
    return sorted(found, key=lambda move: -move["users"])


def _panel(axis: Document) -> Panel | None:
    flows = axis["flows"]
    found = moved(flows)
    shown = found[:MOVES]
    order = [text(segment, "name") for segment in axis.get("segments", [])]
    when = day(flows.get("since", "before")), day(flows.get("until", "after"))
    ends = [(text(move, "from"), text(move, "to")) for move in shown]
    plot = ribbons_plot(ends, [move["users"] for move in shown], order, when)
    told = "; ".join(f"{text(m, 'from')} to {text(m, 'to')} {count(m['users'])}" for m in shown)
    return panel(
        _title(axis, len(found) - MOVES),
        f"Users who moved on {text(axis, 'name')}: {told}.",
        plot,
    )


def _title(axis: Document, left_out: int) -> str:
    flows = axis["flows"]
    stayed = f": {share(flows['stayed'])} stayed" if "stayed" in flows else ""
    rest = f" (and {count(left_out)} more moves)" if left_out > 0 else ""
    return f"{text(axis, 'name')}{stayed}{rest}"


def _calm(document: Document) -> list[Table]:
    columns: dict[str, Cell] = {
        "axis": text_of("name"),
        "since": lambda row: day(row["flows"].get("since", ABSENT)),
        "until": lambda row: day(row["flows"].get("until", ABSENT)),
        "stayed": lambda row: share(row["flows"].get("stayed")),
        "stability index (PSI)": lambda row: number(row["flows"].get("psi")),
        "found again (Rand index)": lambda row: coefficient(row["stability"].get("ari")),
        "95 % interval": _ends,
    }
    records = [
        {"flows": {}, "stability": {}, **axis}
        for axis in document["axes"]
        if axis.get("flows") or axis.get("stability")
    ]
    return table("How calm each axis is", records, columns, words=3, shown=True)


def _ends(row: Document) -> str:
    ends = span(row["stability"], "ari_low", "ari_high")
    return ABSENT if ends is None else f"{coefficient(ends[0])} to {coefficient(ends[1])}"


def _table(axis: Document) -> list[Table]:
    columns: dict[str, Cell] = {
        "from": text_of("from"),
        "to": text_of("to"),
        "users": number_of(count, "users"),
        "of those who were there": number_of(share, "share_of_from"),
    }
    records = axis["flows"].get("moves", [])
    return table(f"{text(axis, 'name')}: moves", records, columns, words=2)
