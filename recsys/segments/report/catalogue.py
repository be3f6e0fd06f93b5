"""The catalogue of tags: every axis and every segment, in plain words."""

from recsys.drawing.documents import Document
from recsys.drawing.numbers import ABSENT, coefficient, count, scalar, share
from recsys.drawing.tables import Cell, Group, Table, number_of, pairs, table, text_of
from recsys.segments.report.parts import Part, text


def catalogue(document: Document) -> Part:
    """Return what each axis and each segment is, folded by axis."""
    return Part(
        "catalogue",
        "The catalogue of tags",
        tables=_overview(document),
        groups=[_group(axis) for axis in document["axes"]],
    )


def _group(axis: Document) -> Group:
    return Group(_title(axis), [*_about(axis), *_segments(axis)])


def _title(axis: Document) -> str:
    name, title = text(axis, "name"), axis.get("title")
    return f"{name} – {title}" if title and title != name else name


def _overview(document: Document) -> list[Table]:
    columns: dict[str, Cell] = {
        "axis": text_of("name"),
        "what it says": text_of("title"),
        "kind": text_of("kind"),
        "memberships change": text_of("update"),
        "owner": text_of("owner"),
        "segments": lambda axis: count(len(axis.get("segments", []))),
        "users known": number_of(share, "coverage"),
    }
    return table("Axes", document["axes"], columns, words=5, shown=True)


def _about(axis: Document) -> list[Table]:
    told = {
        "what it says": axis.get("title"),
        "kind": axis.get("kind"),
        "version of the definition": axis.get("definition_id"),
        "owner": axis.get("owner"),
        "memberships change": axis.get("update"),
        "made from": ", ".join(map(scalar, axis.get("parents", []))) or None,
        "users known": share(axis["coverage"]) if "coverage" in axis else None,
        "cross-check": _check(axis.get("check", {})),
    }
    return pairs("About", {key: value for key, value in told.items() if value is not None})


def _check(check: Document) -> str | None:
    return scalar(check["sentence"]) if check.get("sentence") else None


def _segments(axis: Document) -> list[Table]:
    jaccard = axis.get("stability", {}).get("jaccard", {})
    columns: dict[str, Cell] = {
        "segment": text_of("name"),
        "definition": text_of("definition"),
        "users": number_of(count, "users"),
        "weight": number_of(count, "weight"),
        "share": number_of(share, "share"),
    }
    if jaccard:
        columns["found again (Jaccard)"] = lambda row: _again(jaccard, row)
    return table("Segments", axis.get("segments", []), columns, words=2)


def _again(jaccard: Document, segment: Document) -> str:
    found = jaccard.get(text(segment, "name"))
    return ABSENT if found is None else coefficient(found)
