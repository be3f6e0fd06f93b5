"""One page that says what an experiment came to, to somebody who has to act on it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recsys.drawing.documents import Document, clean, span
from recsys.drawing.figures import Figure
from recsys.drawing.numbers import (
    chance,
    count,
    number,
    percent,
    percent_between,
    signed,
    signed_between,
)
from recsys.drawing.pages import Fact, Section, fill, require_extra, write_page
from recsys.drawing.tables import Cell, number_of, pairs, table, text_of
from recsys.events.schema import MICROSECONDS_PER_DAY
from recsys.events.times import format_time

KINDS = {
    "ship": "good",
    "ship for these segments only": "mixed",
    "do not ship": "bad",
    "invalid": "bad",
    "keep running": "plain",
    "preferred": "good",
    "not preferred": "bad",
}
MARKS = {
    "ship": "▲",
    "ship for these segments only": "◆",
    "do not ship": "▼",
    "invalid": "✕",
    "keep running": "…",
    "preferred": "▲",
    "not preferred": "▼",
}
MEANING = {
    "ship": "Give {variant} to everybody.",
    "ship for these segments only": "Give {variant} to these customers: {segments}.",
    "do not ship": "Keep {control}.",
    "invalid": "These numbers say nothing and are not shown: find out what went wrong, mend it, "
    "and begin again.",
    "keep running": "It is too early to say.",
    "preferred": "Customers turn to what {variant} lists: try it in an A/B test.",
    "not preferred": "Customers do not turn to what {variant} lists more often: keep {control}.",
}
"""What a verdict asks its reader to do."""


WORDS = {
    "relative, its interval": "the treatment's value over the control's, less 1; a range that "
    "holds the truth in 19 of 20 experiments (or as the plan's alpha says)",
    "p": "how often so large a difference comes by chance where there is none",
    "noise left": "the variance of the difference over what it were without the past and strata",
    "declared": "named before the start: such segments may decide, all others are only leads",
    "sign is wrong": "the chance that the true effect has the other sign",
    "where lists differ": "among customers whose lists the variants would have made differently",
}
"""What a reader need not know already."""


def write(document: Mapping[str, Any], path: Path) -> None:
    """Write the report of an experiment to a file.

    Parameters
    ----------
    document
        As for `render`.
    path
        The HTML file; one that exists is replaced.

    Raises
    ------
    ConfigError
        The extra ``recsys[report]`` is not installed.
    DataError
        The file cannot be written.
    """
    write_page(render(document), path)


def render(document: Mapping[str, Any]) -> str:
    """Return the report as one HTML page, without scripts or outside parts.

    Parameters
    ----------
    document
        What `recsys.experiments.document.document` returns.

    Raises
    ------
    ConfigError
        The extra ``recsys[report]`` is not installed.
    """
    require_extra()
    # Drawing loads altair, which not everybody installs.
    from recsys.experiments.report.figures import figures

    cleaned: Document = clean(document)
    drawn: list[Figure] = figures(cleaned)
    return fill(
        "recsys.experiments.report",
        document={**cleaned, "title": f"Experiment {cleaned['experiment']}"},
        headline=headline(cleaned),
        facts=facts(cleaned),
        figures=[] if is_invalid(cleaned) else drawn,
        sections=sections(cleaned),
    )


@dataclass(frozen=True)
class Headline:
    """The verdict as it stands on top.

    Attributes
    ----------
    kind
        good, bad, mixed or plain: how it is coloured.
    mark, word, sentence
        A sign, the verdict, and what to do.
    reasons
        Why.
    """

    kind: str
    mark: str
    word: str
    sentence: str
    reasons: list[str]


def headline(document: Document) -> Headline:
    """Return the verdict, and what it asks for."""
    verdict, answer = document["verdict"], document["verdict"]["answer"]
    said = MEANING[answer].format(
        variant=verdict.get("variant", ""),
        control=document["plan"]["control"],
        segments=", ".join(verdict.get("segments", [])),
    )
    users, days = verdict.get("further_users"), verdict.get("further_days")
    if answer == "keep running" and users is not None:
        long = "" if days is None else f", about {count(math.ceil(days))} days at the pace so far"
        said += f" {count(users)} more customers are to come{long}."
    return Headline(KINDS[answer], MARKS[answer], answer, said, verdict.get("reasons", []))


def facts(document: Document) -> list[Fact]:
    """Return the figures beside the verdict; of an invalid experiment no effect is one."""
    effects = [] if is_invalid(document) else document.get("primary", [])
    found = [
        Fact(
            f"{one['metric']}, {one['variant']}",
            percent(one.get("relative", {}).get("mean")),
            f"{percent_between(span(one.get('relative', {})))}\n"
            f"{number(one['control'].get('mean'))} → {number(one['treatment'].get('mean'))}",
        )
        for one in effects
    ]
    if "preference" in document and not is_invalid(document):
        one = document["preference"]
        found.append(
            Fact("preference, -1 to 1", signed(one.get("mean")), signed_between(span(one)))
        )
    planned = document.get("planned_users")
    note = "" if planned is None else f"of {count(planned)} planned"
    came = " : ".join(count(n) for n in document.get("sample_ratios", [{}])[0].get("users", []))
    fits = "not as planned" if is_invalid(document) else "as planned"
    return [
        *found,
        Fact("customers", count(document.get("users")), note),
        Fact("how they came", came, fits),
        *_days(document),
    ]


def _days(document: Document) -> list[Fact]:
    ends = [document[end] for end in ("first_list", "until") if end in document]
    if len(ends) < 2:
        return []
    first, last = (format_time(end)[:10] for end in ends)
    lasted = math.ceil((ends[1] - ends[0]) / MICROSECONDS_PER_DAY)
    return [Fact("days", count(lasted), f"{first} to {last}")]


def is_invalid(document: Document) -> bool:
    """Whether nothing but the shares may be read."""
    return bool(document["verdict"]["answer"] == "invalid")


def sections(document: Document) -> list[Section]:
    """Return the tables below the plots."""
    compared = [
        *document.get("primary", []),
        *(guard["comparison"] for guard in document.get("guardrails", [])),
        *document.get("other_metrics", []),
    ]
    plan = {key: value for key, value in document["plan"].items() if value not in ([], {}, None)}
    shares = Section(
        "shares",
        "Did customers come as planned?",
        table("Customers of each variant", document.get("sample_ratios", []), RATIO_COLUMNS),
    )
    written = Section("plan", "What was written down", pairs("The plan", plan))
    if is_invalid(document):
        return [shares, written]
    built = (
        Section("metrics", "Metrics", table("Every metric", compared, METRIC_COLUMNS, words=2)),
        Section(
            "guardrails",
            "Guardrails",
            table("What must not get worse", document.get("guardrails", []), GUARDRAIL_COLUMNS),
        ),
        Section(
            "segments",
            "Segments",
            table("Every segment", document.get("segments", []), SEGMENT_COLUMNS, words=4),
        ),
        Section(
            "preferences",
            "Segments",
            table(
                "Every segment",
                document.get("preference_in_segments", []),
                PREFERENCE_COLUMNS,
                words=2,
            ),
        ),
        shares,
        written,
        Section("words", "Words", pairs("What the columns say", WORDS)),
    )
    return [section for section in built if section.tables]


def _inner(outer: str, form: Any, key: str = "mean") -> Cell:
    return lambda row: form(row.get(outer, {}).get(key))


METRIC_COLUMNS: dict[str, Cell] = {
    "metric": text_of("metric"),
    "variant": text_of("variant"),
    "customers": number_of(count, "users"),
    "control": _inner("control", number),
    "treatment": _inner("treatment", number),
    "difference": lambda row: signed_between(span(row.get("difference", {}))),
    "relative": _inner("relative", percent),
    "its interval": lambda row: percent_between(span(row.get("relative", {}))),
    "p": number_of(chance, "p"),
    "noise left": number_of(percent, "noise_left"),
}
GUARDRAIL_COLUMNS: dict[str, Cell] = {
    "metric": lambda row: row["comparison"]["metric"],
    "variant": lambda row: row["comparison"]["variant"],
    "may lose": number_of(percent, "margin"),
    "difference": lambda row: percent_between(span(row["comparison"].get("relative", {}))),
    "holds": lambda row: {True: "yes", False: "no", None: "not shown"}[row.get("holds")],
}
SEGMENT_COLUMNS: dict[str, Cell] = {
    "axis": text_of("axis"),
    "segment": text_of("segment"),
    "variant": text_of("variant"),
    "declared": lambda row: "yes" if row.get("declared") else "",
    "customers": number_of(count, "users"),
    "relative": _inner("relative", percent),
    "its interval": lambda row: percent_between(span(row.get("relative", {}))),
    "p, adjusted": number_of(chance, "adjusted_p"),
    "sign is wrong": number_of(chance, "false_sign_rate"),
}
PREFERENCE_COLUMNS: dict[str, Cell] = {
    "segment": text_of("of"),
    "declared": lambda row: "yes" if row.get("declared") else "",
    "customers": number_of(count, "users"),
    "preference": number_of(signed, "mean"),
    "its interval": lambda row: signed_between(span(row)),
    "p, adjusted": number_of(chance, "adjusted_p"),
}
RATIO_COLUMNS: dict[str, Cell] = {
    "of": text_of("of"),
    "customers": lambda row: " : ".join(count(n) for n in row.get("users", [])),
    "p": number_of(chance, "p"),
    "p, at any time": number_of(chance, "p_any_time"),
}
