"""The tables of a report: everything the document holds, as text ready to be shown."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recsys.evaluation.report.numbers import (
    ABSENT,
    between,
    chance,
    count,
    number,
    percent,
    percent_between,
    scalar,
    share,
    signed,
    signed_between,
)
from recsys.evaluation.report.reading import (
    Document,
    interval_of,
    main_measure,
    measures,
    span,
)

Cell = Callable[[Document], str]


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes
    ----------
    caption
        What it holds.
    header
        One name for each column.
    rows
        Cells; a line break stands for itself.
    words
        How many columns from the left are text; the others are figures.
    shown
        Whether it is open from the start.
    """

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: int = 1
    shown: bool = False


def table(
    caption: str,
    records: Iterable[Document],
    columns: Mapping[str, Cell],
    *,
    words: int = 1,
    shown: bool = False,
) -> list[Table]:
    """Return a table of records as a list of one; none where there is no record."""
    rows = tuple(tuple(cell(record) for cell in columns.values()) for record in records)
    return [Table(caption, tuple(columns), rows, words, shown)] if rows else []


def pairs(caption: str, values: Mapping[str, Any], *, shown: bool = False) -> list[Table]:
    """Return a table of names and values; what is nested becomes "outer · inner"."""
    columns: dict[str, Cell] = {"": lambda row: row["name"], "value": lambda row: row["value"]}
    rows = [{"name": name, "value": scalar(value)} for name, value in _flat(values)]
    return table(caption, rows, columns, words=2, shown=shown)


def _flat(values: Mapping[str, Any], outer: str = "") -> list[tuple[str, Any]]:
    flat: list[tuple[str, Any]] = []
    for key, value in values.items():
        name = f"{outer}{key}".replace("_", " ") if not outer else f"{outer}{key}"
        nested = isinstance(value, Mapping)
        flat += _flat(value, f"{name} · ") if nested else [(name, value)]
    return flat


def _text(key: str) -> Cell:
    return lambda row: scalar(row.get(key, ABSENT))


def _with(form: Callable[[float | None], str], key: str) -> Cell:
    return lambda row: form(row.get(key))


# Results

LEADING = ("ndcg", "precision", "recall", "mrr", "coverage", "novelty")
"""Measures of the first table; the second has all."""


def leading_table(document: Document) -> list[Table]:
    """Return each variant with the measures everybody asks for."""
    main = main_measure(document)
    if main is None:
        return []
    k = main.partition("@")[2]
    known = set(measures(document)) - {main}
    names = [name for name in (f"{word}@{k}" for word in LEADING) if name in known]
    columns: dict[str, Cell] = {
        "variant": _text("name"),
        main: lambda row: number(row.get("mean", {}).get(main)),
        "95 % interval": lambda row: between(interval_of(row, main)),
    }
    columns |= {name: _mean_of(name) for name in names}
    records = [{**variant, "name": name} for name, variant in document["variants"].items()]
    records.sort(key=lambda row: -row.get("mean", {}).get(main, 0.0))
    return table("Variants, the best first", records, columns, shown=True)


def _mean_of(measure: str) -> Cell:
    return lambda row: number(row.get("mean", {}).get(measure))


def measures_table(document: Document) -> list[Table]:
    """Return every measure of every variant."""
    columns: dict[str, Cell] = {"measure": _text("name")}
    columns |= {name: _judged(variant) for name, variant in document["variants"].items()}
    records = [{"name": name} for name in measures(document)]
    return table("All measures, with 95 % intervals", records, columns)


def _judged(variant: Document) -> Cell:
    def cell(row: Document) -> str:
        measure = row["name"]
        users = variant.get("users", {})
        over = [f"of {count(users[measure])} users"] if measure in users else []
        interval = interval_of(variant, measure)
        ends = [between(interval)] if interval else []
        return "\n".join([number(variant.get("mean", {}).get(measure)), *ends, *over])

    return cell


def bins_table(document: Document) -> list[Table]:
    """Return every measure by activity."""
    records = [
        row | {"measure": measure, "variant": name}
        for name, variant in document["variants"].items()
        for measure, rows in variant.get("bins", {}).items()
        for row in rows
    ]
    return pivot("By how much was known of a user", document, records, ("measure", "bin"))


def breakdown_table(document: Document) -> list[Table]:
    """Return each variant's mean in each segment."""
    records = [
        row | {"variant": name}
        for name, variant in document["variants"].items()
        for row in variant.get("segments", [])
    ]
    caption = f"{main_measure(document) or 'Mean'} by segment"
    return pivot(caption, document, records, ("axis", "segment"))


def curve_table(document: Document) -> list[Table]:
    """Return the warm-up curve."""
    curve = document.get("curve", {})
    caption = f"Warm-up, by {curve.get('unit', 'items')} revealed"
    return pivot(caption, document, curve.get("rows", []), ("reveal",))


def runs_table(document: Document) -> list[Table]:
    """Return the means of each run."""
    rows = document.get("runs", [])
    keys = [key for key in ("origin", "seed", "reveal") if any(key in row for row in rows)]
    return pivot(f"Runs: {main_measure(document) or 'mean'}", document, rows, keys)


def pivot(
    caption: str, document: Document, records: Iterable[Document], keys: Sequence[str]
) -> list[Table]:
    """Return records as a table with a column for each variant; `keys` make a row."""
    rows: dict[tuple[str, ...], dict[str, Document]] = {}
    for record in records:
        key = tuple(scalar(record.get(name, ABSENT)) for name in keys)
        rows.setdefault(key, {})[record.get("variant", ABSENT)] = record
    present = [name for name in document["variants"] if any(name in row for row in rows.values())]
    sizes = (
        ("users",) if any("users" in one for row in rows.values() for one in row.values()) else ()
    )
    cells = tuple(
        (
            *key,
            *(_sizes(row) for _ in sizes),
            *(_mean_and_ends(row.get(name, {})) for name in present),
        )
        for key, row in rows.items()
    )
    return [Table(caption, (*keys, *sizes, *present), cells, len(keys))] if cells else []


def _sizes(row: Mapping[str, Document]) -> str:
    # A measure that is not defined for all may be over other users in another variant.
    sizes = [record["users"] for record in row.values() if "users" in record]
    ends = dict.fromkeys(count(end) for end in (min(sizes), max(sizes))) if sizes else [ABSENT]
    return " to ".join(ends)


def _mean_and_ends(record: Document) -> str:
    few = [] if record.get("readable", True) else ["too few users"]
    interval = span(record)
    ends = [between(interval)] if interval else []
    return "\n".join([number(record.get("mean")), *ends, *few])


# Comparisons


def comparisons_table(document: Document) -> list[Table]:
    """Return the candidate against each baseline, over all users."""
    columns: dict[str, Cell] = {
        "candidate": _text("candidate"),
        "baseline": _text("baseline"),
        "verdict": lambda row: scalar(row.get("verdict", {}).get("decision", ABSENT)),
        "difference": _with(signed, "difference"),
        "95 % interval": lambda row: signed_between(span(row)),
        "relative": _with(percent, "relative"),
        "95 % interval, relative": lambda row: percent_between(
            span(row, "relative_low", "relative_high")
        ),
        "p (Holm)": lambda row: chance(row.get("p_holm", row.get("p"))),
    }
    records = [{**row.get("overall", {}), **row} for row in document.get("comparisons", [])]
    return table("Comparisons, over all users", records, columns, words=3, shown=True)


@dataclass(frozen=True)
class Group:
    """Tables that are opened together."""

    title: str
    tables: list[Table]


def comparison_groups(document: Document) -> list[Group]:
    """Return what each comparison holds: its figures, all measures, segments and axes."""
    return [
        Group(
            f"{one.get('candidate', ABSENT)} against {one.get('baseline', ABSENT)}",
            [*_details_table(one), *_other_measures(one), *_segments_table(one), *_axes_table(one)],
        )
        for one in document.get("comparisons", [])
    ]


def _details_table(comparison: Document) -> list[Table]:
    overall = comparison.get("overall", {})
    lists = comparison.get("lists", {})
    k = lists.get("k", "k")
    told = {
        "measure": comparison.get("measure"),
        "verdict": comparison.get("verdict", {}).get("sentence"),
        "users": _told(count, overall, "users"),
        "mean of the baseline": _told(number, overall, "baseline_mean"),
        "mean of the candidate": _told(number, overall, "candidate_mean"),
        "95 % interval by Student's t": _told_span(overall),
        "p": _told(chance, overall, "p"),
        "standardised difference (dz)": _told(number, overall, "dz"),
        f"items in common in the first {k}": _told(share, lists, "overlap"),
        "rank-biased overlap of the lists": _told(number, lists, "rbo"),
        "users whose list changed": _told(share, lists, "changed"),
        **{f"spread over {word}": told for word, told in _spreads(comparison).items()},
    }
    known = {name: value for name, value in told.items() if value is not None}
    return pairs("In figures", known)


def _told(form: Callable[[float], str], values: Document, key: str) -> str | None:
    return form(values[key]) if key in values else None


def _told_span(overall: Document) -> str | None:
    interval = span(overall, "t_low", "t_high")
    return signed_between(interval) if interval else None


def _spreads(comparison: Document) -> dict[str, str]:
    return {
        word: f"standard deviation {number(part.get('sd'))} of {count(part.get('n'))}"
        for word, part in comparison.get("variance", {}).items()
    }


def _other_measures(comparison: Document) -> list[Table]:
    columns: dict[str, Cell] = {
        "measure": _text("measure"),
        "baseline": _with(number, "baseline_mean"),
        "candidate": _with(number, "candidate_mean"),
        "difference": _with(signed, "difference"),
        "95 % interval": lambda row: signed_between(span(row)),
        "users": _with(count, "users"),
    }
    return table("All measures", comparison.get("measures", []), columns)


def _segments_table(comparison: Document) -> list[Table]:
    columns: dict[str, Cell] = {
        "axis": _text("axis"),
        "segment": _segment_name,
        "users": _with(count, "users"),
        "weight": lambda row: scalar(round(row["weight"], 1)) if "weight" in row else ABSENT,
        "baseline": _with(number, "baseline_mean"),
        "candidate": _with(number, "candidate_mean"),
        "difference": _with(signed, "difference"),
        "standard error": _with(number, "se"),
        "95 % interval": lambda row: signed_between(span(row)),
        "relative": _with(percent, "relative"),
        "shrunken": _with(signed, "shrunken"),
        "95 % interval, shrunken": lambda row: signed_between(
            span(row, "shrunken_low", "shrunken_high")
        ),
        "chance of the wrong sign": _with(chance, "false_sign_rate"),
        "p": _with(chance, "p"),
        "p (BH)": _with(chance, "p_bh"),
    }
    return table("Segments", comparison.get("segments", []), columns, words=2)


def _segment_name(row: Document) -> str:
    notes = [
        *(["several for a user"] if row.get("overlapping") else []),
        *([] if row.get("readable", True) else ["too few users"]),
    ]
    return "\n".join([scalar(row.get("segment", ABSENT)), *notes])


def _axes_table(comparison: Document) -> list[Table]:
    columns: dict[str, Cell] = {
        "axis": _text("axis"),
        "Q": _with(number, "q"),
        "p": _with(chance, "p"),
        "I²": _with(share, "i2"),
        "τ": _with(number, "tau"),
    }
    caption = "Do the segments of an axis differ?"
    return table(caption, comparison.get("heterogeneity", []), columns)


# What was judged, and by what


def counts_table(document: Document) -> list[Table]:
    """Return who and what was counted."""
    return pairs("Counts", document.get("counts", {}), shown=True)


def identities_table(document: Document) -> list[Table]:
    """Return the digest of each variant's recipe."""
    columns: dict[str, Cell] = {"variant": _text("name"), "digest": _text("digest")}
    records = [
        {"name": name, "digest": variant["digest"]}
        for name, variant in document["variants"].items()
        if "digest" in variant
    ]
    return table("Identity of the variants", records, columns, words=2)


def definitions_table(document: Document) -> list[Table]:
    """Return what each measure means."""
    names = ("name", "formula", "range", "better", "unit", "source")
    columns = {name: _text(name) for name in names}
    return table("Measures", document.get("definitions", []), columns, words=len(names), shown=True)


def libraries_table(document: Document) -> list[Table]:
    """Return what other libraries call the measures."""
    columns = {
        "library": _text("library"),
        "its name": _text("name"),
        "ours": _text("ours"),
        "note": _text("note"),
    }
    caption = "Other libraries' names"
    return table(caption, document.get("libraries", []), columns, words=4)
