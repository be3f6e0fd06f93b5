"""What is searched for, and what it leads to."""

from recsys.drawing.documents import Document
from recsys.drawing.numbers import count, share
from recsys.drawing.tables import Cell, number_of, table, text_of
from recsys.segments.report.parts import Part


def searches(document: Document) -> Part:
    """Return what customers look for in words, most frequent first."""
    found = document.get("searches", {})
    columns: dict[str, Cell] = {
        "query": text_of("query"),
        "leads to": text_of("leads_to"),
        "": lambda record: "rare" if record.get("tail") else "",
        "searches": number_of(count, "searches"),
        "users": number_of(count, "users"),
        "share": number_of(share, "share"),
        "led nowhere": number_of(count, "nowhere"),
    }
    return Part(
        "searches",
        "What is searched for",
        lead=[found["sentence"]] if "sentence" in found else [],
        tables=table("The most frequent searches", found.get("rows", []), columns, words=3),
    )
