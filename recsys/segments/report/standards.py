"""Where two ways to divide the same users agree, and where they do not."""

import math
from collections.abc import Sequence

from recsys.drawing.documents import Document
from recsys.drawing.heat import Heat, Shade, diverging, rising
from recsys.drawing.numbers import ABSENT, coefficient, count, share
from recsys.drawing.tables import Cell, Table, number_of, table, text_of
from recsys.segments.report.parts import Part, matrix, text

AXES = 12
"""Axes in the map."""
COLOURS = (
    "In the tables of two axes below, blue marks more users than there would be if the axes had "
    "nothing to do with each other, ochre fewer."
)


def standards(document: Document) -> Part:
    """Return how far axes say the same, and the users whom they judge differently."""
    pairs = document.get("cross", [])
    known = [pair for pair in pairs if "association" in pair]
    crossed = [pair for pair in pairs if pair.get("counts")]
    return Part(
        "standards",
        "Where standards agree and conflict",
        lead=[*map(_sentence, known[:1]), *([COLOURS] if crossed else [])],
        heats=_map(known),
        folded_heats=[_cross(pair) for pair in crossed],
        tables=[*_checks(document), *_pairs(pairs)],
    )


def _sentence(pair: Document) -> str:
    told = (
        f"The most alike are {text(pair, 'one')} and {text(pair, 'other')}: "
        f"association {coefficient(pair['association'])} of 1."
    )
    if "agreement" not in pair:
        return told
    return (
        f"{told} Still they put {share(1 - pair['agreement'])} of the users known on both into "
        "segments that do not match."
    )


def _map(pairs: Sequence[Document]) -> list[Heat]:
    # The strongest come first, so the axes named first are the ones worth a look.
    every = list(dict.fromkeys(text(pair, key) for pair in pairs for key in ("one", "other")))
    names = every[:AXES]
    if len(names) < 2:
        return []
    known = {frozenset((text(pair, "one"), text(pair, "other"))): pair for pair in pairs}
    rest = f"; and {count(len(every) - AXES)} more axes in the table" if len(every) > AXES else ""
    return [
        Heat(
            f"Association of axes: 0 is none, 1 says the same (Cramér's V){rest}",
            ("", *names),
            tuple(
                (one, tuple(_association(known, one, other) for other in names)) for one in names
            ),
        )
    ]


def _association(known: dict[frozenset[str], Document], one: str, other: str) -> Shade:
    if one == other:
        return Shade("")
    value = known.get(frozenset((one, other)), {}).get("association")
    return rising(coefficient(value), value)


def _cross(pair: Document) -> Heat:
    names = pair.get("rows", []), pair.get("columns", [])
    found = matrix(pair["counts"], len(names[0]), len(names[1]))
    counts = [[users or 0.0 for users in row] for row in found]
    rows, columns = [sum(row) for row in counts], [sum(c) for c in zip(*counts, strict=True)]
    total = sum(rows) or 1.0
    return Heat(
        f"{text(pair, 'one')} by {text(pair, 'other')}: users, and the share of the row",
        ("", *map(str, names[1])),
        tuple(
            (
                str(name),
                tuple(
                    _users(users, rows[n], rows[n] * columns[m] / total)
                    for m, users in enumerate(row)
                ),
            )
            for n, (name, row) in enumerate(zip(names[0], counts, strict=True))
        ),
    )


def _users(users: float, of: float, expected: float) -> Shade:
    if expected <= 0:
        return Shade(ABSENT)
    # Half a user keeps the logarithm of an empty cell finite.
    log_ratio = math.log((users + 0.5) / (expected + 0.5))
    return diverging(f"{count(users)}\n{share(users / of)}", log_ratio)


def _checks(document: Document) -> list[Table]:
    columns: dict[str, Cell] = {
        "axis": text_of("name"),
        "against": text_of("against"),
        "what was found": text_of("sentence"),
        "known on both": number_of(count, "known_on_both"),
        "association": number_of(coefficient, "association"),
        "agreement": number_of(share, "agreement"),
    }
    records = [
        {**axis["check"], "name": text(axis, "name")}
        for axis in document["axes"]
        if axis.get("check")
    ]
    return table("Cross-checks", records, columns, words=3, shown=True)


def _pairs(pairs: Sequence[Document]) -> list[Table]:
    columns: dict[str, Cell] = {
        "axis": text_of("one"),
        "other": text_of("other"),
        "association": number_of(coefficient, "association"),
        "agreement": number_of(share, "agreement"),
        "users known on both": number_of(count, "users"),
    }
    return table("All pairs of axes", pairs, columns, words=2)
