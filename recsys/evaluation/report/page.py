"""One page that holds a whole evaluation and asks for nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recsys.drawing.documents import Document, clean, span
from recsys.drawing.numbers import between, count, number, percent, percent_between
from recsys.drawing.pages import Fact, Section, fill, require_extra, write_page
from recsys.drawing.tables import pairs
from recsys.evaluation.report import tables
from recsys.evaluation.report.reading import interval_of, main_comparison, main_measure


def write(document: Mapping[str, Any], path: Path) -> None:
    """Write the report of an evaluation to a file.

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
    """Return the report of an evaluation as one HTML page, without scripts or outside parts.

    Parameters
    ----------
    document
        The JSON document of an evaluation. Only ``title``, ``protocol`` and ``variants`` must be
        there; what is missing or null is left out of the page.

    Raises
    ------
    ConfigError
        The extra ``recsys[report]`` is not installed.
    """
    require_extra()
    # Drawing loads altair, which not everybody installs.
    from recsys.evaluation.report.figures import figures

    cleaned: Document = clean(document)
    return fill(
        "recsys.evaluation.report",
        document=cleaned,
        headline=headline(cleaned),
        facts=facts(cleaned),
        figures=figures(cleaned),
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
        A sign, the decision, and what it means in words.
    better_for, worse_for
        Segments: ``axis, segment, relative``.
    further_users
        About how many more users it would take to know.
    """

    kind: str
    mark: str
    word: str
    sentence: str
    better_for: list[Document] = field(default_factory=list)
    worse_for: list[Document] = field(default_factory=list)
    further_users: int | None = None


MARKS = {
    "better": "▲",
    "worse": "▼",
    "mixed": "◆",
    "no difference that matters": "=",
    "not enough users": "…",
}
KINDS = {"better": "good", "worse": "bad", "mixed": "mixed"}


def headline(document: Document) -> Headline:
    """Return the verdict; where nothing was compared, what was judged."""
    verdict = document.get("verdict") or main_comparison(document).get("verdict", {})
    decision = verdict.get("decision")
    if decision is None:
        return Headline("plain", "", "no comparison", _without_verdict(document))
    return Headline(
        KINDS.get(decision, "plain"),
        MARKS.get(decision, ""),
        decision,
        verdict.get("sentence", ""),
        verdict.get("better_for", []),
        verdict.get("worse_for", []),
        verdict.get("further_users"),
    )


def _without_verdict(document: Document) -> str:
    names = list(document["variants"])
    measure = main_measure(document)
    means = {n: v.get("mean", {}).get(measure) for n, v in document["variants"].items()}
    known = {name: mean for name, mean in means.items() if mean is not None}
    if not known:
        return "No measure has a mean."
    best = max(known, key=lambda name: known[name])
    first = "" if len(names) == 1 else f"; the highest of {count(len(names))} variants"
    return f"{best}: {measure} {number(known[best])}{first}."


def facts(document: Document) -> list[Fact]:
    """Return the figures beside the verdict, at most four."""
    overall = main_comparison(document).get("overall", {})
    users = document.get("counts", {}).get("users", overall.get("users"))
    found = [*_gain(overall), *_means(document)]
    if users is not None:
        new = document.get("counts", {}).get("new_users")
        found.append(Fact("users judged", count(users), f"{count(new)} new" if new else ""))
    return found


def _gain(overall: Document) -> list[Fact]:
    if "relative" not in overall:
        return []
    interval = span(overall, "relative_low", "relative_high")
    note = percent_between(interval) if interval else ""
    return [Fact("relative difference", percent(overall["relative"]), note)]


def _means(document: Document) -> list[Fact]:
    measure = main_measure(document) or ""
    names: list[str] = [document.get("candidate", ""), document.get("baseline", "")]
    chosen = [name for name in names if name in document["variants"]]
    if not chosen and len(document["variants"]) == 1:
        chosen = list(document["variants"])
    return [
        Fact(name, number(variant["mean"][measure]), f"{measure}{_ends(variant, measure)}")
        for name, variant in ((name, document["variants"][name]) for name in chosen)
        if measure in variant.get("mean", {})
    ]


def _ends(variant: Document, measure: str) -> str:
    interval = interval_of(variant, measure)
    return f"\n{between(interval)}" if interval else ""


def sections(document: Document) -> list[Section]:
    """Return the sections below the figures; one without a table is left out."""
    results = [
        *tables.leading_table(document),
        *tables.comparisons_table(document),
        *tables.measures_table(document),
        *tables.breakdown_table(document),
        *tables.bins_table(document),
        *tables.curve_table(document),
        *tables.runs_table(document),
    ]
    data = [
        *pairs("Events", document.get("data", {}), shown=True),
        *tables.counts_table(document),
    ]
    protocol = [
        *pairs("Protocol", document["protocol"], shown=True),
        *pairs("Leakage audit", document.get("audit", {}), shown=True),
        *tables.identities_table(document),
        *pairs("Identity of the question", document.get("question", {})),
    ]
    definitions = [*tables.definitions_table(document), *tables.libraries_table(document)]
    versions = pairs("Software", document.get("versions", {}))
    found = [
        Section("tables", "Tables", results, tables.comparison_groups(document)),
        Section("fairness", "Fairness", [], tables.fairness_groups(document)),
        Section("ledger", "What offline gains have meant online", tables.ledger_table(document)),
        Section("data", "Data", data),
        Section("protocol", "Protocol", protocol),
        Section("definitions", "Definitions", definitions),
        Section("versions", "Versions", versions),
    ]
    return [section for section in found if section.tables or section.groups]
