"""The tables of a report: everything the document holds, as text ready to be shown."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from recsys.drawing.documents import Document, span
from recsys.drawing.numbers import (
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
from recsys.drawing.tables import Cell, Group, Table, number_of, pairs, table, text_of
from recsys.evaluation.report.reading import interval_of, main_measure, measures

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
        "variant": text_of("name"),
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
    columns: dict[str, Cell] = {"measure": text_of("name")}
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
        "candidate": text_of("candidate"),
        "baseline": text_of("baseline"),
        "verdict": lambda row: scalar(row.get("verdict", {}).get("decision", ABSENT)),
        "difference": number_of(signed, "difference"),
        "95 % interval": lambda row: signed_between(span(row)),
        "relative": number_of(percent, "relative"),
        "95 % interval, relative": lambda row: percent_between(
            span(row, "relative_low", "relative_high")
        ),
        "p (Holm)": lambda row: chance(row.get("p_holm", row.get("p"))),
    }
    records = [{**row.get("overall", {}), **row} for row in document.get("comparisons", [])]
    return table("Comparisons, over all users", records, columns, words=3, shown=True)


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
        "measure": text_of("measure"),
        "baseline": number_of(number, "baseline_mean"),
        "candidate": number_of(number, "candidate_mean"),
        "difference": number_of(signed, "difference"),
        "95 % interval": lambda row: signed_between(span(row)),
        "users": number_of(count, "users"),
    }
    return table("All measures", comparison.get("measures", []), columns)


def _segments_table(comparison: Document) -> list[Table]:
    columns: dict[str, Cell] = {
        "axis": text_of("axis"),
        "segment": _segment_name,
        "users": number_of(count, "users"),
        "weight": lambda row: scalar(round(row["weight"], 1)) if "weight" in row else ABSENT,
        "baseline": number_of(number, "baseline_mean"),
        "candidate": number_of(number, "candidate_mean"),
        "difference": number_of(signed, "difference"),
        "standard error": number_of(number, "se"),
        "95 % interval": lambda row: signed_between(span(row)),
        "relative": number_of(percent, "relative"),
        "shrunken": number_of(signed, "shrunken"),
        "95 % interval, shrunken": lambda row: signed_between(
            span(row, "shrunken_low", "shrunken_high")
        ),
        "chance of the wrong sign": number_of(chance, "false_sign_rate"),
        "p": number_of(chance, "p"),
        "p (BH)": number_of(chance, "p_bh"),
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
        "axis": text_of("axis"),
        "Q": number_of(number, "q"),
        "p": number_of(chance, "p"),
        "I²": number_of(share, "i2"),
        "τ": number_of(number, "tau"),
    }
    caption = "Do the segments of an axis differ?"
    return table(caption, comparison.get("heterogeneity", []), columns)


# Fairness


def fairness_groups(document: Document) -> list[Group]:
    """Return whom each variant serves worse, and what it shows to whom."""
    groups = [
        Group(one.get("variant", ABSENT), [*_gaps_table(one), *_exposure_table(one)])
        for one in document.get("fairness", [])
    ]
    return [group for group in groups if group.tables]


def _gaps_table(fairness: Document) -> list[Table]:
    columns: dict[str, Cell] = {
        "axis": _axis_name,
        "best served": text_of("best"),
        "worst served": text_of("worst"),
        "best mean": number_of(number, "best_mean"),
        "worst mean": number_of(number, "worst_mean"),
        "gap": number_of(number, "gap"),
        "95 % interval": lambda row: between(span(row)),
        "by chance": number_of(number, "by_chance"),
        "p": number_of(chance, "p"),
        "p (Holm)": number_of(chance, "p_holm"),
        "gap over the mean": number_of(share, "relative"),
        "segments": number_of(count, "segments"),
    }
    caption = "The best and the worst served segment of each axis"
    return table(caption, fairness.get("gaps", []), columns, words=3)


def _axis_name(row: Document) -> str:
    notes = ["several for a user"] if row.get("overlapping") else []
    return "\n".join([scalar(row.get("axis", ABSENT)), *notes])


def _exposure_table(fairness: Document) -> list[Table]:
    records = fairness.get("exposure", [])
    flagged = dict.fromkeys(key for row in records for key in row if key.startswith("share of "))
    columns: dict[str, Cell] = {
        "axis": text_of("axis"),
        "segment": _segment_name,
        "users": number_of(count, "users"),
        "catalogue shown": number_of(share, "shown"),
        "as many lists of each": number_of(share, "shown_alike"),
        "Gini": number_of(number, "gini"),
        "popular items": number_of(share, "head"),
        **{key.removeprefix("share of "): number_of(share, key) for key in flagged},
        "distance from everyone": number_of(number, "distance"),
        "by chance": number_of(number, "distance_by_chance"),
        "p": number_of(chance, "distance_p"),
    }
    return table("What each segment is shown", records, columns, words=2)


# What was judged, and by what


def counts_table(document: Document) -> list[Table]:
    """Return who and what was counted."""
    return pairs("Counts", document.get("counts", {}), shown=True)


def identities_table(document: Document) -> list[Table]:
    """Return the digest of each variant's recipe."""
    columns: dict[str, Cell] = {"variant": text_of("name"), "digest": text_of("digest")}
    records = [
        {"name": name, "digest": variant["digest"]}
        for name, variant in document["variants"].items()
        if "digest" in variant
    ]
    return table("Identity of the variants", records, columns, words=2)


def ledger_table(document: Document) -> list[Table]:
    """Return what was known of the variants of finished experiments, and what came of them."""
    ledger = document.get("ledger", {})

    def of(kind: str, form: Callable[[float | None], str]) -> Cell:
        return lambda row: form(row.get(kind, {}).get("mean"))

    columns: dict[str, Cell] = {
        "experiment": text_of("experiment"),
        "variant": text_of("variant"),
        "against": text_of("control"),
        "offline": of("offline", percent),
        "preference": of("interleaving", signed),
        "off-policy": of("off_policy", percent),
        "online": of("online", percent),
        "its interval": lambda row: percent_between(span(row.get("online", {}))),
    }
    caption = ledger.get("sentence", "Finished experiments")
    return table(caption, ledger.get("experiments", []), columns, words=3, shown=True)


def definitions_table(document: Document) -> list[Table]:
    """Return what each measure means."""
    names = ("name", "formula", "range", "better", "unit", "source")
    columns = {name: text_of(name) for name in names}
    return table("Measures", document.get("definitions", []), columns, words=len(names), shown=True)


def libraries_table(document: Document) -> list[Table]:
    """Return what other libraries call the measures."""
    columns = {
        "library": text_of("library"),
        "its name": text_of("name"),
        "ours": text_of("ours"),
        "note": text_of("note"),
    }
    caption = "Other libraries' names"
    return table(caption, document.get("libraries", []), columns, words=4)
