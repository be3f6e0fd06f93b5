"""One page about all segments, that asks for nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recsys.drawing.documents import Document, clean
from recsys.drawing.numbers import count, share
from recsys.drawing.pages import Fact, fill, require_extra, write_page
from recsys.drawing.tables import Table, pairs
from recsys.segments.report.parts import text
from recsys.segments.report.verdicts import gained, judged, kind_of


def write(document: Mapping[str, Any], path: Path) -> None:
    """Write the page of segments to a file.

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
    """Return the page of segments as one HTML file, without scripts or outside parts.

    Parameters
    ----------
    document
        JSON. Only ``title``, ``as_of``, ``users`` and ``axes`` must be there; what is missing or
        null is left out of the page. ``axes`` holds one record an axis (``name, kind, title,
        definition_id, owner, update, parents, coverage``, its ``segments`` and its ``check,
        history, flows, stability, worth``); ``cross, lifts, trends, searches, funnel, offers`` are
        about several of them; ``window, notes, versions`` about the whole.

    Raises
    ------
    ConfigError
        The extra ``recsys[report]`` is not installed.
    """
    require_extra()
    # Drawing loads altair, which not everybody installs.
    from recsys.segments.report.contents import parts

    cleaned: Document = {"users": None, "axes": [], **clean(document, gaps=True)}
    return fill(
        "recsys.segments.report",
        document=cleaned,
        kicker=kicker(cleaned),
        headline=headline(cleaned),
        facts=facts(cleaned),
        parts=parts(cleaned),
        versions=versions(cleaned),
    )


@dataclass(frozen=True)
class Headline:
    """What stands on top: how it is coloured, a word, and a sentence."""

    kind: str
    word: str
    sentence: str


def kicker(document: Document) -> str:
    """Return of when the page is."""
    window = document.get("window", {})
    words = ["Segments"]
    if "as_of" in document:
        words.append(f"as of {_minute(document['as_of'])}")
    if "first" in window and "last" in window:
        words.append(f"events {_minute(window['first'])} to {_minute(window['last'])}")
    return " · ".join(words)


def _minute(moment: str) -> str:
    """Write a time without its seconds: nobody reads them."""
    return moment[:16].replace("T", " ")


def headline(document: Document) -> Headline:
    """Return how many axes predict, and which one most."""
    axes = judged(document)
    good = [axis for axis in axes if kind_of(axis["worth"]) == "good"]
    if not axes:
        return Headline("plain", "Not measured", _unmeasured(document))
    word = f"{count(len(good))} of {count(len(axes))} axes predict"
    if not good:
        sentence = "No axis tells better than popularity what customers buy next."
        return Headline("plain", word, sentence + _harm(axes))
    most = gained(good[0])
    told = "" if most is None else f": the next purchase becomes {share(most)} likelier"
    sentence = f"Knowing {text(good[0], 'name')} tells most about what customers buy next{told}."
    return Headline("good", word, sentence + _harm(axes))


def _unmeasured(document: Document) -> str:
    n_axes = len(document["axes"])
    return (
        f"{count(n_axes)} {'axis divides' if n_axes == 1 else 'axes divide'} "
        f"{count(document['users'])} users; what that is worth was not measured."
    )


def _harm(axes: list[Document]) -> str:
    names = [text(axis, "name") for axis in axes if kind_of(axis["worth"]) == "bad"]
    rest = f" and {count(len(names) - 3)} more" if len(names) > 3 else ""
    return f" It would do harm to use {', '.join(names[:3])}{rest}." if names else ""


def facts(document: Document) -> list[Fact]:
    """Return the figures on top."""
    axes = document["axes"]
    n_segments = sum(len(axis.get("segments", [])) for axis in axes)
    found = [
        Fact("users", count(document["users"])),
        Fact("axes", count(len(axes)), f"{count(n_segments)} segments"),
    ]
    known = judged(document)
    if known:
        n_good = sum(kind_of(axis["worth"]) == "good" for axis in known)
        found.append(Fact("axes that predict", count(n_good), f"of {count(len(known))} measured"))
    return [*found, *_coverage(axes)]


def _coverage(axes: list[Document]) -> list[Fact]:
    known = [axis["coverage"] for axis in axes if "coverage" in axis]
    if not known:
        return []
    note = f"{share(min(known))} to {share(max(known))}"
    return [Fact("users known, mean of the axes", share(sum(known) / len(known)), note)]


def versions(document: Document) -> list[Table]:
    """Return the software and what else identifies the page."""
    return pairs("Versions", document.get("versions", {}))
