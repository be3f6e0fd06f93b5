"""The page of segments as a browser, a listener and a hostile shop meet it."""

import copy
import json
import math
import re
import subprocess
import sys
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from altair.utils.schemapi import debug_mode
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.drawing import pages
from recsys.drawing.canvas import NARROW, WIDE, draw
from recsys.drawing.documents import clean
from recsys.drawing.heat import STEPS, diverging, rising, strongest
from recsys.drawing.numbers import MINUS, THIN, change, coefficient, count, share, times
from recsys.errors import ConfigError, DataError
from recsys.segments.report import render, write
from recsys.segments.report.contents import MAKERS, parts
from recsys.segments.report.dots import Measured, dot, dots_plot, grouped
from recsys.segments.report.funnel import reached
from recsys.segments.report.history import changes
from recsys.segments.report.lifts import COLUMNS, ROWS
from recsys.segments.report.moves import moved
from recsys.segments.report.page import facts, headline
from recsys.segments.report.parts import LIMIT, PANELS, gain
from recsys.segments.report.ribbons import GAP, LEAST, ribbons_plot, rooms, stacked
from recsys.segments.report.sizes import bars_plot
from recsys.segments.report.standards import standards
from recsys.segments.report.trends import clearest
from recsys.segments.report.worth import SENTENCES

from ..page import HOSTILE, SVG, Page

WHOLE = json.loads((Path(__file__).parent / "page_document.json").read_text(encoding="utf-8"))
BARE = {"title": "Bare", "as_of": None, "users": 0, "axes": []}
STYLE = (Path(pages.__file__).parent / "style.css").read_text(encoding="utf-8")
ORDER = ["worth", "sizes", "history", "moves", "lifts", "standards", "trends", "funnel", "offers",
         "catalogue"]  # fmt: skip


KEPT = {"predicts", "predicts nothing", "harmful", "rising", "falling"}


def renamed(value, names):
    """Give every text another one; verdicts and directions stay, for they choose what is drawn."""
    if isinstance(value, dict):
        return {key: renamed(part, names) for key, part in value.items()}
    if isinstance(value, list):
        return [renamed(part, names) for part in value]
    if not isinstance(value, str) or value in KEPT or value == "":
        return value
    return f"{names[len(value) % len(names)]} {value}"


def keyed(document, names):
    """Segments are also keys, of shares and of stability."""
    document = renamed(document, names)
    for axis in document["axes"]:
        for moment in axis["history"]:
            moment["shares"] = {renamed(key, names): v for key, v in moment["shares"].items()}
        if axis["stability"]:
            found = axis["stability"]["jaccard"]
            axis["stability"]["jaccard"] = {renamed(key, names): v for key, v in found.items()}
    return document


@contextmanager
def undrawn():
    """Plots are described, down to their last mark, but neither checked nor drawn."""
    with pytest.MonkeyPatch.context() as patch, debug_mode(False):
        patch.setattr("recsys.drawing.canvas.draw", described)
        yield


def described(plot):
    assert "NaN" not in json.dumps(plot.to_dict(validate=False))
    return "<svg></svg>"


@pytest.fixture(scope="module")
def whole():
    with undrawn():
        return render(WHOLE)


@pytest.fixture(scope="module")
def hostile():
    return render(keyed(WHOLE, HOSTILE))


def part(name, document):
    """One part of a page."""
    with undrawn():
        (make,) = [make for make in MAKERS if make.__name__ == name]
        return make(clean(document, gaps=True))


# One file


@pytest.mark.parametrize("name", ["whole", "hostile"])
def test_the_page_is_well_formed_and_asks_for_nothing(name, request):
    page = Page(request.getfixturevalue(name))
    assert page.open == []
    loading = {"src", "href", "xlink:href", "srcset", "data", "action", "poster", "background"}
    for tag, attributes in page.tags:
        assert tag not in {"script", "link", "iframe", "object", "embed", "image", "base", "img"}
        assert not [key for key in attributes if key.startswith("on")]
        assert all(attributes[key].startswith("#") for key in loading & set(attributes))
    assert not re.search(r"@import|url\(|https?:", STYLE)
    pairs = [pair for _, found in page.tags for pair in found.items()]
    elsewhere = {key for key, value in pairs if re.match(r"\s*(https?:|//)", value or "")}
    assert elsewhere <= {"xmlns", "xmlns:xlink"}
    assert page.attributes("http-equiv") == ["Content-Security-Policy"]


def test_hostile_names_change_no_tag(whole, hostile):
    def skeleton(page):
        outside = Page(re.sub(r"<svg.*?</svg>", "", page, flags=re.S))
        return [(tag, tuple(attributes)) for tag, attributes in outside.tags]

    assert skeleton(hostile) == skeleton(whole)
    text = Page(hostile).text
    assert all(name in text for name in HOSTILE[:3])


def test_every_drawing_is_xml_with_marks(hostile):
    drawings = re.findall(r"<svg.*?</svg>", hostile, re.S)
    # Five figures at two widths, and two panels each of sizes, moves and the funnel.
    assert len(drawings) == 5 * 2 + 3 * 2
    for drawing in drawings:
        tree = ElementTree.fromstring(drawing)
        assert {"path", "text"} <= {part.tag.removeprefix(SVG) for part in tree.iter()}
        assert "NaN" not in drawing
        assert "undefined" not in drawing


def test_links_and_labels_lead_to_places_of_the_page(whole):
    page = Page(whole)
    ids = page.attributes("id")
    assert len(ids) == len(set(ids))
    references = [link[1:] for link in page.attributes("href")]
    assert references == ORDER
    assert {*references, *page.attributes("aria-labelledby")} <= set(ids)


def test_everything_shown_can_be_heard(whole):
    page = Page(whole)
    pictures = [a["aria-label"] for _, a in page.tags if a.get("role") == "img"]
    assert len(pictures) == len(re.findall("<svg", whole))
    assert all(len(words) > 40 for words in pictures)
    found = [tag for tag, _ in page.tags]
    assert found.count("table") == found.count("caption") > 15
    assert {a.get("scope") for tag, a in page.tags if tag == "th"} == {"col", "row"}
    told = next(words for words in pictures if words.startswith("Share of users:"))
    assert f"active {share(0.572)}" in told


def test_the_facts_and_a_sentence_stand_first(whole):
    text = Page(whole).text
    assert text.index("2 of 4 axes predict") < text.index("What each axis is worth")
    top = headline(clean(WHOLE))
    assert top.kind == "good"
    # exp(0.1169) − 1 = 0.124
    assert (
        f"Knowing interest tells most about what customers buy next: the next purchase becomes \
{share(0.124)} likelier."
        in top.sentence
    )
    assert "harm to use age" in top.sentence
    found = {fact.name: fact for fact in facts(clean(WHOLE))}
    assert found["users"].value == "2500"
    assert (found["axes"].value, found["axes"].note) == ("5", "24 segments")
    mean = (1 + 0.94 + 1 + 0.32 + 0.97) / 5
    assert found["users known, mean of the axes"].value == share(mean)


def strings(value):
    if isinstance(value, dict):
        return {text for part in value.values() for text in strings(part)}
    if isinstance(value, list):
        return {text for part in value for text in strings(part)}
    return {value} if isinstance(value, str) else set()


def test_every_name_and_word_stands_in_the_page(whole):
    text = Page(whole).text
    expected = strings(WHOLE) - {row["name"] for row in WHOLE["trends"]["rows"] if row["title"]}
    assert len(expected) > 120
    assert sorted(word for word in expected if word not in text) == []


# What is missing


def test_an_empty_shop_has_a_page():
    page = Page(render(BARE))
    assert page.open == []
    assert "what that is worth was not measured" in page.text
    assert "svg" not in [tag for tag, _ in page.tags]


def test_null_is_the_same_as_missing():
    empty = {"name": "a", "segments": []}
    nulls = dict.fromkeys(WHOLE) | BARE | {"axes": [dict.fromkeys(WHOLE["axes"][0]) | empty]}
    assert render(nulls) == render(BARE | {"axes": [empty]})


@pytest.mark.parametrize(
    ("name", "key"),
    [("standards", "cross"), *((key, key) for key in ("lifts", "trends", "funnel", "offers"))],
)
def test_a_part_is_there_only_with_its_numbers(name, key):
    unchecked = WHOLE | {"axes": [axis | {"check": None} for axis in WHOLE["axes"]]}
    assert not part(name, unchecked).empty
    assert part(name, unchecked | {key: None}).empty
    assert part(name, unchecked | {key: type(WHOLE[key])()}).empty


@pytest.mark.parametrize(
    ("name", "key"),
    [("worth", "worth"), ("history", "history"), ("moves", "flows"), ("sizes", "segments")],
)
def test_a_part_of_axes_is_there_only_with_their_numbers(name, key):
    calm = WHOLE | {"axes": [axis | {"stability": None} for axis in WHOLE["axes"]]}
    assert not part(name, calm).empty
    assert part(name, calm | {"axes": [axis | {key: None} for axis in calm["axes"]]}).empty


def paths(value, here=()):
    for key, part in value.items() if isinstance(value, dict) else enumerate(value):
        yield (*here, key)
        if isinstance(part, dict | list):
            yield from paths(part, (*here, key))


OPTIONAL = [path for path in paths(WHOLE) if path not in {("title",), ("users",), ("axes",)}]


@settings(max_examples=5, deadline=None)
@given(st.sets(st.sampled_from(OPTIONAL), min_size=1, max_size=150))
def test_any_key_may_be_missing(gone):
    document = copy.deepcopy(WHOLE)
    for path in sorted(gone, key=len, reverse=True):
        part = document
        for key in path[:-1]:
            part = part[key]
        part[path[-1]] = None
    cleaned = clean(document, gaps=True)
    assert headline(cleaned).sentence
    assert all(fact.value for fact in facts(cleaned))
    with undrawn():
        found = parts(cleaned)
    for one in found:
        for table in [*one.tables, *(t for group in one.groups for t in group.tables)]:
            assert {len(row) for row in table.rows} <= {len(table.header)}
        for heat in [*one.heats, *one.folded_heats]:
            assert {1 + len(cells) for _, cells in heat.rows} <= {len(heat.header)}


def test_places_of_numbers_are_kept_where_one_is_missing():
    rows = dict(part("lifts", WHOLE).heats[0].rows)
    assert [cell.text for cell in rows["DRINKS > WINE"]] == [
        "×0.98", "×0.90", "×0.45", "–", times(math.exp(1.05))]  # fmt: skip


# Many


def many(n):
    """As many axes, of as many segments, and as much about them."""
    names = [f"s{place} {'long ' * 6}" for place in range(n)]
    segments = [{"name": name, "share": 1 / n, "users": 5} for name in names]
    moments = [{"as_of": f"2020-0{m}-01", "shares": dict.fromkeys(names, m / n)} for m in (1, 2, 3)]
    moves = [{"from": a, "to": b, "users": 3} for a, b in pairwise(names)]
    nats = {"gain": 0.1, "low": 0.0, "high": 0.2}
    axes = [
        {"name": f"axis {place}", "segments": segments, "history": moments,
         "flows": {"moves": moves}, "worth": {"verdict": "predicts", "log_likelihood": nats}}
        for place in range(n)
    ]  # fmt: skip
    lift = {"axis": "axis 0", "segments": names, "values": names, "log_lift": [[1.0] * n] * n}
    rows = [{"axis": "axis 0", "segment": name} for name in names]
    trend = {"ratio": 2.0, "low": 1.5, "high": 3.0, "name": "x"}
    return {
        "title": "Many", "as_of": None, "users": 9, "axes": axes, "lifts": [lift] * n,
        "cross": [{"one": f"axis {m}", "other": f"axis {m + 1}", "association": 0.5,
                   "rows": names, "columns": names, "counts": [[1.0] * n] * n} for m in range(3)],
        "trends": {"rows": [row | trend for row in rows * 2]},
        "funnel": {"steps": ["view", "purchase"],
                   "rows": [row | {"users": [9, 4], "kept": [None, 0.4]} for row in rows]},
        "offers": {"rows": [row | {"rate": 0.1, "uplift": 1.0} for row in rows * 2]},
    }  # fmt: skip


def test_forty_axes_of_forty_segments_are_cut_and_said_to_be():
    with undrawn():
        found = {one.name: one for one in parts(clean(many(40), gaps=True))}
    assert len(found["worth"].told) == SENTENCES
    assert "And 28 more axes" in found["sizes"].figures[0].caption
    for name in ("history", "moves"):
        assert len(found[name].panels.panels) == PANELS
        assert "And 32 more axes" in found[name].panels.caption
        assert len(found[name].groups[0].tables) == 40
    assert "(and 32 more segments)" in found["history"].panels.panels[0].title
    assert "(and 27 more moves)" in found["moves"].panels.panels[0].title
    heat = found["lifts"].heats[0]
    assert (len(heat.rows), len(heat.header)) == (ROWS, 1 + COLUMNS)
    assert "15 more values and 28 more segments" in heat.caption
    assert "And 40 more segments" in found["offers"].figures[0].caption
    assert len(found["offers"].tables[0].rows) == 80
    assert len(found["funnel"].heats[0].rows) == LIMIT
    assert len(found["catalogue"].groups) == 40


def test_bars_of_forty_segments_can_be_drawn():
    axes = clean(many(40))["axes"][:2]
    words = [part.text for part in drawn(bars_plot(axes, WIDE)).iter(f"{SVG}text")]
    assert words.count("and 32 more") == 2
    assert len([word for word in words if word.endswith("…")]) == 2 * 8


def drawn(plot):
    return ElementTree.fromstring(draw(plot))


# Plots


def test_bars_are_as_long_as_the_shares():
    axes = clean(WHOLE)["axes"]
    tree = drawn(bars_plot(axes, NARROW))
    lengths = sorted(abs(float(line.get("x2"))) for line in tree.iter(f"{SVG}line"))
    shares = sorted(segment["share"] for axis in axes for segment in axis["segments"])
    np.testing.assert_allclose(np.array(lengths) / lengths[-1], np.array(shares) / shares[-1],
                               atol=0.01)  # fmt: skip


def test_dots_stand_where_their_means_are():
    means = [0.4, -0.1, 0.15]
    rows = grouped(("g", dot(f"r{n}", m, (m - 0.05, m + 0.1), "ink")) for n, m in enumerate(means))
    rows = [*rows, dot("nobody knows", None, None, "ink")]
    tree = drawn(dots_plot(rows, Measured("m", zero=0.0), WIDE))
    symbols = [g for g in tree.iter(f"{SVG}g") if "mark-symbol role-mark" in g.get("class", "")]
    places = [
        [float(number) for number in re.findall(r"[-\d.]+", point.get("transform"))]
        for group in symbols
        for point in group
    ]
    places.sort(key=lambda place: place[1])
    slope, start = np.polyfit(means, [x for x, _ in places], 1)
    assert slope > 0
    np.testing.assert_allclose([start + slope * m for m in means], [x for x, _ in places], atol=0.1)
    assert "nobody knows" in [part.text for part in tree.iter(f"{SVG}text")]


def test_nothing_to_draw_is_no_plot():
    assert dots_plot([dot("a", None, None, "ink")], Measured("m"), WIDE) is None
    assert bars_plot([{"name": "a", "segments": [{"name": "s"}]}], WIDE) is None


FLOWS = st.lists(
    st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd"), st.integers(1, 1000)),
    min_size=1,
    max_size=12,
    unique_by=lambda flow: flow[:2],
)


@given(FLOWS)
def test_ribbons_fill_their_names_without_gaps_and_overlaps(flows):
    sources, targets = [flow[0] for flow in flows], [flow[1] for flow in flows]
    thick = [0.1 * flow[2] for flow in flows]
    left, right = rooms(sources, thick, "dcba"), rooms(targets, thick, "dcba")
    middles = stacked((sources, targets), (left, right), thick)
    assert sorted(left, key="dcba".index) == sorted(left, key=lambda name: left[name][0])
    for name, (top, size) in left.items():
        each = zip(middles, thick, sources, strict=True)
        mine = sorted((m - t / 2, m + t / 2) for m, t, source in each if source == name)
        total = sum(end - start for start, end in mine)
        assert size == pytest.approx(max(total, LEAST))
        assert mine[0][0] == pytest.approx(top + (size - total) / 2)
        for (_, end), (start, _) in pairwise(mine):
            assert end == pytest.approx(start)
    tops = sorted(left.values())
    assert all(b[0] == pytest.approx(a[0] + a[1] + GAP) for a, b in pairwise(tops))


def test_what_is_drawn_follows_the_schema():
    axes = clean(WHOLE)["axes"]
    rows = [dot("a", 1.0, (0.5, 2.0), "ink") | {"bar": 0.0, "tick": 0.2, "text": "t", "short": "s"}]
    for plot in (
        bars_plot(axes, WIDE),
        dots_plot(rows, Measured("m", "format(datum.value, '.0%')", ("l", "r"), 0.0), NARROW),
        ribbons_plot([("a", "b"), ("b", "a")], [3.0, 1.0], "ab", ("then", "now")),
    ):
        assert plot.to_dict(validate=True)["layer"]


# Numbers


def test_who_stayed_did_not_move():
    moves = [
        {"from": "a", "to": "a", "users": 90},
        {"from": "a", "to": "b", "users": 3},
        {"from": "b", "to": "a", "users": 7},
        {"from": "b", "to": "c"},
    ]
    assert [(m["from"], m["to"]) for m in moved({"moves": moves})] == [("b", "a"), ("a", "b")]


def test_a_segment_that_is_not_there_has_nobody():
    moments = [
        {"shares": {"a": 0.2}},
        {"shares": {"c": 1.0}},
        {"shares": {"b": 0.5}, "unknown": 0.1},
    ]
    expected = {"a": -0.2, "b": 0.5, "c": 0.0, "unknown": 0.1}
    assert changes(moments) == pytest.approx(expected)


def test_reaching_a_step_is_measured_from_the_first():
    assert reached({"users": [200, 50, None, 10]}, 4) == [1.0, 0.25, None, 0.05]
    assert reached({"users": [0, 0]}, 2) == []
    assert reached({}, 2) == []


def test_the_clearest_changes_are_those_whose_interval_is_furthest_from_none():
    wide = {"ratio": 9.0, "low": 1.01, "high": 80.0}
    sure = [{"ratio": 2.0, "low": 1.5 + n / 100, "high": 3.0} for n in range(20)]
    falls = {"ratio": 0.5, "low": 0.4, "high": 0.6}
    none = {"ratio": 0.0, "low": 0.0, "high": 0.1}
    unclear = {"ratio": 4.0, "low": 3.9, "high": 4.1, "direction": "unclear"}
    assert clearest([wide, *sure, falls, none, unclear]) == [*sure, falls]


def test_a_cell_is_coloured_by_how_far_it_is_from_what_is_usual():
    counts = [[50.0, 0.0], [0.0, 50.0]]
    cross = {"one": "a", "other": "b", "rows": ["x", "y"], "columns": ["x", "y"], "counts": counts}
    (heat,) = standards({"axes": [], "cross": [cross]}).folded_heats
    # Expected 25 each: 50 is twice as many (log 0.68 with half a user), 0 is a fiftieth.
    assert [[cell.tone for cell in cells] for _, cells in heat.rows] == [
        ["more-3", "less-5"], ["less-5", "more-3"]]  # fmt: skip
    assert heat.rows[0][1][0].text == f"50\n{share(1.0)}"


@given(st.floats(-5, 5))
def test_shades_are_symmetric_and_grow(log_ratio):
    step = sum(abs(log_ratio) >= bound for bound in STEPS)
    side = "more" if log_ratio > 0 else "less"
    assert diverging("", log_ratio).tone == (f"{side}-{step}" if step else "")


@given(st.floats(0, 1))
def test_shades_from_nothing_to_all(part):
    step = next(n for n in range(6) if 5 * part <= n + 1e-9)
    assert rising("", part).tone == (f"more-{step}" if step else "")


@given(st.lists(st.floats(-9, 9), max_size=12), st.integers(1, 12))
def test_the_strongest_are_kept_in_order(values, most):
    places = strongest(values, most)
    assert places == sorted(places)
    rest = [value for place, value in enumerate(values) if place not in places]
    assert len(places) == min(most, len(values))
    assert not rest or max(rest) <= min(values[place] for place in places)


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (times(1.26), "×1.3"),
        (times(0.5), "×0.50"),
        (times(0.999), "×1.0"),
        (times(9.96), "×10"),
        (times(123.4), "×123"),
        (change(-0.2), f"{MINUS}0.20"),
        (change(0.001), "0.00"),
        (coefficient(0.614), "0.61"),
        (count(54.5), "54"),
        (share(0.0848), f"8.5{THIN}%"),
        (share(gain(math.log(1.031))), f"3.1{THIN}%"),
    ],
)
def test_numbers_are_written_as_in_print(shown, expected):
    assert shown == expected


def luminance(colour):
    linear = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def rgb(text):
    return np.array([int(text[n : n + 2], 16) for n in (1, 3, 5)]) / 255


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("tone", ["accent", "mixed"])
@pytest.mark.parametrize("step", range(1, 6))
def test_words_on_every_shade_have_the_contrast_of_wcag(step, tone, theme):
    # WCAG 2.2, success criterion 1.4.3: at least 4.5 to 1.
    block = re.findall(r":root \{(.*?)\}", STYLE, re.S)[theme]
    colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", block))
    depth = int(re.search(rf"less-{step} {{ --depth: (\d+)%", STYLE).group(1)) / 100
    ground = depth * rgb(colours[tone]) + (1 - depth) * rgb(colours["paper"])
    light, dark = sorted((luminance(rgb(colours["ink"])), luminance(ground)), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5


# Files and extras


def test_writing(tmp_path):
    write(BARE, tmp_path / "segments.html")
    assert (tmp_path / "segments.html").read_text(encoding="utf-8") == render(BARE)
    with pytest.raises(DataError, match="cannot be written"):
        write(BARE, tmp_path / "missing" / "segments.html")


def test_without_the_extra_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    with pytest.raises(ConfigError, match=r'vl_convert.*pip install "recsys\[report\]"'):
        render(BARE)


def test_importing_the_report_loads_no_extra():
    code = (
        "import sys, recsys.segments.report\n"
        "print([n for n in ('altair', 'jinja2', 'vl_convert') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
