"""The report as a browser, a reader of tables and a hostile shop meet it."""

import copy
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.optimize import isotonic_regression

from recsys.drawing import pages
from recsys.drawing.documents import clean
from recsys.drawing.numbers import MINUS, THIN, count, number, percent, signed
from recsys.errors import ConfigError, DataError
from recsys.evaluation.report import plots, render, write
from recsys.evaluation.report.figures import figures
from recsys.evaluation.report.looks import looks
from recsys.evaluation.report.page import facts, headline, sections
from recsys.evaluation.report.reading import main_comparison

from ..page import HOSTILE, SVG, Page

WHOLE = json.loads((Path(__file__).parent / "report_document.json").read_text(encoding="utf-8"))
BARE = {"title": "Bare", "protocol": {}, "variants": {"als": {"mean": {"ndcg@10": 0.1}}}}
STYLE = (Path(pages.__file__).parent / "style.css").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def whole():
    return render(WHOLE)


def renamed(document, names):
    """Give every variant, segment, axis and title of a document another name."""
    old = [*document["variants"], "lifecycle", "interest", "Produce", document["title"], "recsys"]
    new = {name: f"{names[n % len(names)]} {n}" for n, name in enumerate(old)}

    def walk(value):
        if isinstance(value, dict):
            return {new.get(key, key): walk(part) for key, part in value.items()}
        if isinstance(value, list):
            return [walk(part) for part in value]
        return new.get(value, value) if isinstance(value, str) else value

    return walk(document)


@pytest.fixture(scope="module")
def hostile():
    return render(renamed(WHOLE, HOSTILE))


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
        assert not any("url(" in (value or "") for key, value in attributes.items()
                       if key in {"style", "fill", "stroke"})  # fmt: skip
    assert not re.search(r"@import|url\(|https?:", STYLE)
    # Addresses elsewhere are words or the names of a namespace.
    attributes = [pair for _, found in page.tags for pair in found.items()]
    addresses = {key for key, value in attributes if re.match(r"\s*(https?:|//)", value or "")}
    assert addresses <= {"xmlns", "xmlns:xlink"}


@pytest.mark.parametrize("name", ["whole", "hostile"])
def test_every_drawing_is_xml_with_marks(name, request):
    drawings = re.findall(r"<svg.*?</svg>", request.getfixturevalue(name), re.S)
    assert len(drawings) == 12  # six figures, for a desk and for a phone
    for drawing in drawings:
        tree = ElementTree.fromstring(drawing)
        assert {"path", "text"} <= {part.tag.removeprefix(SVG) for part in tree.iter()}
        assert "NaN" not in drawing


def test_links_lead_to_places_of_the_page(whole):
    page = Page(whole)
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    references = [a["href"][1:] for _, a in page.tags if "href" in a]
    references += [a["aria-labelledby"] for _, a in page.tags if "aria-labelledby" in a]
    assert len(references) > 10
    assert set(references) <= set(ids)


def test_nothing_may_run_even_if_it_slipped_in(whole):
    policies = [a["content"] for tag, a in Page(whole).tags if a.get("http-equiv")]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'"]


# Names are words, never markup


def test_hostile_names_change_no_tag(whole, hostile):
    def outside_drawings(page):
        return Page(re.sub(r"<svg.*?</svg>", "", page, flags=re.S))

    assert outside_drawings(hostile).skeleton == outside_drawings(whole).skeleton
    text = Page(hostile).text
    for name in HOSTILE[:3]:
        assert name in text
    assert "49" not in headline(clean(renamed(WHOLE, HOSTILE))).sentence


def tables_only(name):
    return {
        "title": name,
        "protocol": {"targets": name},
        "variants": {f"v{name}": {"digest": name, "mean": {}}},
        "definitions": [{"name": name, "formula": name}],
        "notes": [name],
        "versions": {f"v{name}": name},
        "verdict": {"decision": "better", "sentence": name, "better_for": [{"axis": name}, {}]},
    }


PLAIN = [(tag, tuple(attributes)) for tag, attributes in Page(render(tables_only("plain"))).tags]


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(alphabet=st.characters(), max_size=20).map(lambda text: f"a{text}"))
def test_any_name_is_shown_as_it_is(name):
    page = Page(render(tables_only(name)))
    assert page.skeleton == PLAIN
    shown = re.sub(r"\s+", " ", clean(name))
    assert re.sub(r"\s+", " ", page.text).count(shown) >= 7


@settings(max_examples=5, deadline=None)
@given(st.lists(st.text(max_size=12), min_size=2, max_size=4, unique_by=clean))
def test_any_name_can_stand_in_a_drawing(names):
    variants = {name: {"mean": {"m": float(n)}} for n, name in enumerate(names)}
    document = clean({"variants": variants})
    plot = plots.variants_plot(document, looks(document), "m", plots.WIDE)
    ElementTree.fromstring(plots.draw(plot))


# Everything of the document stands in the page


def strings(value):
    if isinstance(value, dict):
        return {text for key, part in value.items() for text in {key} | strings(part)}
    if isinstance(value, list):
        return {text for part in value for text in strings(part)}
    return {value} if isinstance(value, str) else set()


def test_every_name_and_word_stands_in_the_page(whole):
    text = Page(whole).text
    variants = [(name, v["digest"], v["mean"]) for name, v in WHOLE["variants"].items()]
    expected = strings([list(map(list, variants)), [list(v[2]) for v in variants]])
    expected |= strings([WHOLE[key] for key in ("definitions", "libraries", "versions", "notes")])
    for comparison in WHOLE["comparisons"]:
        expected |= strings([[row["axis"], row["segment"]] for row in comparison["segments"]])
    expected -= {"formula", "range", "better", "unit", "source", "name", "library", "note", "ours"}
    assert len(expected) > 40
    assert sorted(word for word in expected if word not in text) == []


def test_every_mean_and_difference_stands_in_the_page(whole):
    text = Page(whole).text
    means = [mean for v in WHOLE["variants"].values() for mean in v["mean"].values()]
    assert [mean for mean in means if number(mean) not in text] == []
    rows = [row for one in WHOLE["comparisons"] for row in one["segments"]]
    assert [row for row in rows if signed(row["difference"]) not in text] == []
    assert percent(WHOLE["comparisons"][0]["overall"]["relative"]) in text


def test_tables_are_tables(whole):
    page = Page(whole)
    found = [tag for tag, _ in page.tags]
    assert found.count("table") == found.count("caption") > 10
    scopes = [attributes.get("scope") for tag, attributes in page.tags if tag == "th"]
    assert set(scopes) == {"col", "row"}
    pictures = [a["aria-label"] for _, a in page.tags if a.get("role") == "img"]
    assert len(pictures) == 12
    assert all(len(words) > 40 for words in pictures)


def test_many_segments_are_cut_in_the_plot_and_whole_in_the_table():
    document = copy.deepcopy(WHOLE)
    comparison = document["comparisons"][0]
    quiet = comparison["segments"][0] | {"axis": "store", "low": -1.0, "shrunken_low": -1.0}
    comparison["segments"] += [quiet | {"segment": f"s{n}", "users": 40 + n} for n in range(60)]
    chosen = plots.chosen_segments(comparison)
    places = [comparison["segments"].index(segment) for segment in chosen]
    assert len(chosen) == plots.LIMIT
    assert places == sorted(places)
    left_out = [row for row in comparison["segments"] if row not in chosen]
    assert not any(plots.direction(row) for row in left_out)
    largest = min(row["users"] for row in chosen if plots.direction(row) == 0)
    assert max(row["users"] for row in left_out) <= largest
    text = Page(render(document)).text
    assert f"{len(left_out)} of {len(comparison['segments'])} segments are left out" in text
    assert all(f"s{n}" in text for n in range(60))


# What is missing


@pytest.mark.parametrize("gone", [None, "absent"])
def test_only_title_protocol_and_variants_must_be_there(gone):
    document = dict(BARE) if gone else dict.fromkeys(WHOLE) | BARE
    page = Page(render(document))
    assert page.open == []
    assert "als: ndcg@10 0.1000." in page.text


def test_without_a_mean_there_is_a_page():
    page = Page(render({"title": "t", "protocol": {}, "variants": {"als": {}}}))
    assert "No measure has a mean." in page.text
    assert "svg" not in [tag for tag, _ in page.tags]


def paths(value, here=()):
    parts = value.items() if isinstance(value, dict) else enumerate(value)
    for key, part in parts:
        yield (*here, key)
        if isinstance(part, dict | list):
            yield from paths(part, (*here, key))


OPTIONAL = [path for path in paths(WHOLE) if path not in {("title",), ("protocol",), ("variants",)}]
NAMED = {"reveal", "variant", "bin"}


@settings(max_examples=60, deadline=None)
@given(st.sets(st.sampled_from(OPTIONAL), min_size=1, max_size=40))
def test_any_key_may_be_missing(gone):
    document = copy.deepcopy(WHOLE)
    for path in sorted(gone, key=len, reverse=True):
        part = document
        for key in path[:-1]:
            part = part[key]
        part[path[-1]] = None if path[0] != "variants" or len(path) > 2 else {}
    cleaned = clean(document)
    assert headline(cleaned).word
    assert all(fact.value for fact in facts(cleaned))
    for section in sections(cleaned):
        for table in [*section.tables, *(t for group in section.groups for t in group.tables)]:
            assert {len(row) for row in table.rows} == {len(table.header)}


@pytest.mark.parametrize("key", ["low", "difference", "readable"])
def test_a_key_missing_everywhere_leaves_figures_that_can_be_drawn(key):
    def without(value):
        if isinstance(value, dict):
            return {name: without(part) for name, part in value.items() if name != key}
        return [without(part) for part in value] if isinstance(value, list) else value

    document = clean(without(WHOLE)) | {"definitions": []}
    for figure in figures(document):
        ElementTree.fromstring(figure.narrow)


def test_what_is_not_finite_is_missing():
    values = {"a": float("nan"), "b": [float("inf"), 1.0, None], "c": {"d": None}, "e": 0, "f": ""}
    assert clean(values) == {"b": [1.0], "c": {}, "e": 0, "f": ""}


# The verdict


def test_the_verdict_stands_first(whole):
    page = Page(whole)
    text = page.text
    sentence = WHOLE["verdict"]["sentence"]
    assert text.index(sentence) < text.index("Tables")
    first = [tag for tag, _ in page.tags].index("svg")
    verdict = next(n for n, (_, a) in enumerate(page.tags) if a.get("id") == "verdict")
    assert verdict < first


@pytest.mark.parametrize(
    "decision", ["better", "worse", "mixed", "no difference that matters", "not enough users"]
)
def test_every_decision_has_a_sign_and_a_word_of_its_own(decision):
    top = headline(BARE | {"verdict": {"decision": decision, "sentence": "why", "axis": 1}})
    assert top.word == decision
    assert top.mark
    assert top.sentence == "why"


def test_a_leak_is_an_alarm():
    leaky = BARE | {"audit": {"held": False, "artefacts": 3}}
    assert "did not hold" in Page(render(leaky)).text
    assert "did not hold" not in Page(render(leaky | {"audit": {"held": True}})).text


# The plots


def marks(plot, kind):
    """Where the marks of a kind begin and end: (x, y, x2) of each, in pixels."""
    tree = ElementTree.fromstring(plots.draw(plot))
    groups = [
        g for g in tree.iter(f"{SVG}g") if g.get("class", "").startswith(f"mark-{kind} role-mark")
    ]
    parts = [part for group in groups for part in group]
    found = []
    for part in parts:
        x, y = map(float, re.match(r"translate\(([^,]+),([^)]+)\)", part.get("transform")).groups())
        found.append((x, y, x + float(part.get("x2", 0))))
    return found


def test_the_marks_of_variants_stand_where_their_means_are():
    document = clean(WHOLE)
    plot = plots.variants_plot(document, looks(document), "ndcg@10", plots.WIDE)
    variants = sorted(document["variants"].values(), key=lambda v: -v["mean"]["ndcg@10"])
    means = [variant["mean"]["ndcg@10"] for variant in variants]
    points = sorted(marks(plot, "symbol"), key=lambda mark: mark[1])
    slope, start = np.polyfit(means, [x for x, _, _ in points], 1)
    np.testing.assert_allclose([start + slope * m for m in means], [p[0] for p in points], atol=0.1)
    rules = sorted(m for m in marks(plot, "rule") if m[0] != m[2])
    ends = sorted(tuple(variant["interval"]["ndcg@10"]) for variant in variants)
    expected = [(start + slope * low, start + slope * high) for low, high in ends]
    np.testing.assert_allclose([(x, x2) for x, _, x2 in rules], expected, atol=0.1)


def test_a_handful_of_users_does_not_flatten_the_lines():
    calm = [
        {"step": step, "line": "als", "mean": mean, "low": mean - 0.1, "high": mean + 0.1}
        for step, mean in (("0", 0.2), ("1", 0.5), ("2", 0.4))
    ]
    wild = {"low": -40.0, "high": 40.0, "users": 2}
    styles = looks({"variants": {"als": {}}})

    def heights(rows):
        plot = plots.lines_plot(rows, styles, ("0", "1", "2"), ("step", "m"), plots.WIDE)
        return [y for _, y, _ in marks(plot, "symbol")]

    assert heights([calm[0], calm[1], calm[2] | wild]) == heights(
        [calm[0], calm[1], {key: calm[2][key] for key in ("step", "line", "mean")}]
    )


def test_the_marks_of_gaps_stand_where_gaps_are_and_chance_reaches_from_zero():
    fairness = clean(WHOLE)["fairness"]
    plot = plots.gaps_plot(fairness, "ndcg@10", plots.WIDE)
    gaps, others = ([gap["gap"] for gap in plots.gaps_of(one)] for one in fairness)
    assert len(gaps) == len(fairness[0]["gaps"]) - 1  # one axis has none
    points = [x for x, _, _ in marks(plot, "symbol")]
    slope, start = np.polyfit(sorted(gaps + others), sorted(points), 1)
    expected = [start + slope * gap for gap in sorted(gaps + others)]
    np.testing.assert_allclose(sorted(points), expected, atol=0.1)
    spans = [(m[0], m[2]) for m in marks(plot, "rule") if m[0] != m[2]]
    values = [(0.0, gap["by_chance"]) for gap in plots.gaps_of(fairness[0])]
    values += [(gap["low"], gap["high"]) for gap in plots.gaps_of(fairness[0])]
    wanted = [(start + slope * low, start + slope * high) for low, high in values]
    np.testing.assert_allclose(sorted(spans), sorted(wanted), atol=0.1)


def test_without_a_gap_there_is_no_plot_of_gaps():
    assert plots.gaps_plot([], "ndcg@10", plots.WIDE) is None
    nothing = [{"variant": "als", "gaps": [{"axis": "age", "segments": 1}]}]
    assert plots.gaps_plot(nothing, "ndcg@10", plots.WIDE) is None
    names = [found.name for found in figures(clean(WHOLE | {"fairness": nothing}))]
    assert "gaps" not in names
    assert len(names) == 5


def test_all_that_is_known_of_fairness_stands_in_the_page(whole):
    text = Page(whole).text
    for one in WHOLE["fairness"]:
        assert one["sentence"] in text
        gaps = [gap for gap in one["gaps"] if gap["gap"] is not None]
        names = ("best_mean", "worst_mean", "gap", "by_chance")
        assert [gap for gap in gaps for name in names if number(gap[name]) not in text] == []
        assert [row for row in one["exposure"] if number(row["gini"]) not in text] == []
    assert "own brands" in text


def test_a_segment_with_too_few_users_is_named_and_not_drawn():
    comparison = clean(WHOLE)["comparisons"][0]
    readable = sum(segment["readable"] for segment in comparison["segments"])
    plot = plots.segments_plot(comparison, plots.WIDE)
    assert len(comparison["segments"]) == readable + 1
    assert len(marks(plot, "symbol")) == readable + 1  # and all users
    drawn = ElementTree.fromstring(plots.draw(plot))
    words = [part.text for part in drawn.iter(f"{SVG}text")]
    assert plots.FEW in words
    assert {segment["segment"] for segment in comparison["segments"]} <= {
        word.removesuffix(" *") for word in words
    }


@pytest.mark.parametrize("width", [plots.WIDE, plots.NARROW])
def test_what_is_drawn_follows_the_schema(width):
    document = clean(WHOLE)
    styles = looks(document)
    rows = document["curve"]["rows"]
    curve = [row | {"step": str(row["reveal"]), "line": row["variant"]} for row in rows]
    steps = list(dict.fromkeys(row["step"] for row in curve))
    for plot in (
        plots.variants_plot(document, styles, "ndcg@10", width),
        plots.segments_plot(document["comparisons"][0], width),
        plots.gaps_plot(document["fairness"], "ndcg@10", width),
        plots.lines_plot(curve, styles, steps, ("items", "ndcg@10"), width),
        plots.scatter_plot(document, styles, ("popularity@10", "coverage@10"), width),
    ):
        assert plot.to_dict(validate=True)["layer"]


def test_the_candidate_and_the_baseline_have_marks_of_their_own():
    styles = looks(clean(WHOLE))
    assert styles["segment_aware"].role == "candidate"
    assert styles["no_segments"].role == "baseline"
    shapes = [look.shape for look in styles.values()]
    assert len(set(shapes)) == len(shapes)
    assert looks(BARE)["als"].role == "candidate"  # alone, it need not hide


NUMBERS = st.floats(-1e3, 1e3, allow_nan=False, width=32)


@given(st.lists(NUMBERS, min_size=1, max_size=15), st.floats(0.1, 100))
def test_labels_are_spread_with_the_least_movement(values, gap):
    places = np.array(plots.spread(values, gap=gap))
    order = np.argsort(values, kind="stable")
    assert (np.diff(places[order]) >= gap - 1e-6).all()
    steps = gap * np.arange(len(values))
    best = isotonic_regression(np.array(values)[order] - steps).x + steps
    np.testing.assert_allclose(places[order], best, atol=1e-6)


def test_labels_of_points_far_apart_hide_nothing():
    points = [(100.0, 100.0), (104.0, 103.0), (300.0, 50.0), (760.0, 200.0)]
    names = ["segment_aware", "no_segments", "als", "popular_by_segment"]
    labels = plots.beside(points, names, plots.WIDE)
    share = {"left": 0.0, "center": 0.5, "right": 1.0}
    boxes = [(x - 6, x + 6, y - 6, y + 6) for x, y in points]
    for (x, y, align), name in zip(labels, names, strict=True):
        length = plots.LETTER * len(name)
        start = x - share[align] * length
        boxes.append((start, start + length, y - 7, y + 7))
    apart = [
        a[1] <= b[0] or b[1] <= a[0] or a[3] <= b[2] or b[3] <= a[2]
        for n, a in enumerate(boxes)
        for b in boxes[max(n + 1, len(points)) :]
    ]
    assert all(apart)
    assert all(box[0] >= 0 and box[1] <= plots.WIDE for box in boxes)


# Numbers


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (number(0.12345), "0.1235"),
        (number(-0.5), f"{MINUS}0.5000"),
        (signed(0.01), "+0.0100"),
        (percent(0.0312), f"+3.1{THIN}%"),
        (percent(-0.2), f"{MINUS}20.0{THIN}%"),
        (percent(-1e-9), f"0.0{THIN}%"),
        (count(16844), f"16{THIN}844"),
        (number(None), "–"),
    ],
)
def test_numbers_are_written_as_in_print(shown, expected):
    assert shown == expected


@given(st.floats(-9999, 9999, allow_nan=False))
def test_a_number_can_be_read_back(value):
    read = float(number(value).replace(MINUS, "-"))
    assert read == pytest.approx(value, rel=6e-3 if abs(value) < 5e-4 else 0, abs=5.1e-3)
    assert abs(value) >= 10 or read == pytest.approx(value, rel=6e-3, abs=5.1e-5)


# Colours


def luminance(colour):
    parts = np.array([int(colour[n : n + 2], 16) for n in (1, 3, 5)]) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("ground", ["paper", "raised"])
@pytest.mark.parametrize("ink", ["ink", "muted", "faint", "accent", "good", "bad", "mixed"])
def test_words_have_the_contrast_of_wcag(ink, ground, theme):
    # WCAG 2.2, success criterion 1.4.3: at least 4.5 to 1.
    block = re.findall(r":root \{(.*?)\}", STYLE, re.S)[theme]
    colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", block))
    light, dark = sorted((luminance(colours[ink]), luminance(colours[ground])), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5


# The optional extra


def test_without_the_extra_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    with pytest.raises(ConfigError, match=r'vl_convert.*pip install "recsys\[report\]"'):
        render(BARE)


def test_importing_the_report_loads_no_extra():
    code = (
        "import sys, recsys.evaluation.report\n"
        "print([n for n in ('altair', 'jinja2', 'vl_convert') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_writing(tmp_path):
    write(BARE, tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == render(BARE)
    with pytest.raises(DataError, match=r"cannot be written"):
        write(BARE, tmp_path / "missing" / "report.html")


# In a browser

PROBE = """<script>
addEventListener("load", () => {
  const shown = [...document.querySelectorAll("svg")].filter(s => s.getBoundingClientRect().width);
  const ink = s => [...s.querySelectorAll("text, path, line")].map(m => getComputedStyle(m));
  const result = {
    background: getComputedStyle(document.body).backgroundColor,
    overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    plots: shown.map(s => {
      const box = s.getBoundingClientRect(), drawn = s.getBBox();
      return {width: box.width, height: box.height, drawn: drawn.width,
        inks: [...new Set(ink(s).flatMap(style => [style.fill, style.stroke]))]};
    }),
  };
  const out = document.createElement("pre");
  out.id = "probe";
  out.textContent = JSON.stringify(result);
  document.body.append(out);
});
</script>"""


def browser():
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    return next((path for path in map(shutil.which, names) if path), None)


def probed(page, folder, width):
    """What a browser makes of a page; the policy is lifted, so that the probe may run."""
    policy = re.search(r'<meta http-equiv="Content-Security-Policy"[^>]*>', page).group()
    file = folder / "page.html"
    file.write_text(page.replace(policy, "").replace("</body>", f"{PROBE}</body>"), "utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
               "--no-first-run", f"--user-data-dir={folder / 'profile'}",
               f"--window-size={width},900", "--dump-dom", file.as_uri()]  # fmt: skip
    try:
        done = subprocess.run([browser(), *options], capture_output=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"the browser does not run here: {error}")
    found = re.search(r'<pre id="probe">(.*?)</pre>', done.stdout.decode(), re.S)
    if found is None:
        pytest.skip(f"the browser gave no page: exit code {done.returncode}")
    return json.loads(found.group(1))


@pytest.mark.skipif(browser() is None, reason="no Chromium or Chrome on this machine")
@pytest.mark.parametrize(("width", "drawn"), [(1200, plots.WIDE), (500, plots.NARROW)])
def test_a_browser_shows_every_plot_and_nothing_overflows(hostile, tmp_path, width, drawn):
    result = probed(hostile, tmp_path, width)
    assert result["overflow"] <= 0
    assert result["background"] not in {"rgba(0, 0, 0, 0)", "transparent"}
    assert len(result["plots"]) == 6
    for plot in result["plots"]:
        assert plot["width"] > 300
        assert plot["height"] > 60
        assert plot["drawn"] > 0.7 * drawn
        # Variables and currentColor have become colours, more than one of them.
        assert len([ink for ink in plot["inks"] if ink.startswith("rgb(")]) >= 3


def test_the_main_comparison_is_the_first():
    assert main_comparison(WHOLE)["baseline"] == "no_segments"
    assert main_comparison(BARE) == {}
