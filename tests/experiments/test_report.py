"""The page of an experiment: what it says on top, what it draws, and that it asks for nothing."""

import re
from pathlib import Path

import numpy as np
import pytest

from recsys.experiments.analysis import analyse
from recsys.experiments.document import document
from recsys.experiments.metrics import METRICS
from recsys.experiments.outcomes import Outcomes
from recsys.experiments.preference import decide_preference
from recsys.experiments.reading import Point, Read, ReadPreferences
from recsys.experiments.report import render, write
from recsys.experiments.verdict import decide

from .made import DAY, experiment, interleaved, preferences, units

HOSTILE = '<script>alert("1")</script>'


def read(effect: float, *, only: str | None = None, users: int = 4000, **said: object) -> Read:
    frame, segments = units(5, users, effect=effect, only=only)
    metrics = {name: METRICS[name] for name in ("revenue", "conversion")}
    plan = {"primary": "revenue", "guardrails": [{"metric": "conversion", "margin": 0.2}], **said}
    analysis = analyse(
        experiment(**plan),
        Outcomes(frame, 0, 0),
        metrics,
        segments,
        stopped="planned_users" not in plan,
    )
    course = tuple(
        Point(day, one.variant, one.relative) for day in (1, 2) for one in analysis.primary
    )
    return Read(analysis, decide(analysis, users_per_day=100.0), 0, 14 * DAY, course, course)


@pytest.mark.parametrize(
    ("found", "word", "sentence"),
    [
        (read(0.5), "Ship", "Give new to everybody."),
        (
            read(0.5, only="young", segments=("age",)),
            "Ship for these segments only",
            "Give new to these customers: age:young.",
        ),
        (read(-0.5), "Do not ship", "Keep old."),
        (
            read(0.5, planned_users=9000),
            "Keep running",
            "It is too early to say. 5000 more customers are to come, about 50 days",
        ),
        (read(0.5, users=1), "Invalid", "find out what went wrong"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 30 else "",
)
def test_what_to_do_stands_on_top(found: Read, word: str, sentence: str) -> None:
    page = re.sub(r"\s+", " ", render(document(found)).replace("\u2009", "").replace("\u202f", ""))
    top = page[page.index('<section class="verdict') : page.index("</section>")]
    assert word in top
    assert sentence in top


def test_everything_is_drawn_and_in_a_table() -> None:
    page = render(document(read(0.5)))
    for name in ("metrics", "segments", "by-day", "by-week"):
        assert f'id="figure-{name}"' in page
    for word in ("revenue", "conversion", "young", "What was written down", "hypothesis"):
        assert word in page


def test_it_asks_for_nothing_and_runs_nothing() -> None:
    page = render(document(read(0.5, hypothesis=HOSTILE)))
    assert HOSTILE not in page
    assert "<script" not in page
    assert not re.search(r'(?:src|href)="(?!#)', page)


def test_what_is_not_known_is_left_out() -> None:
    frame, segments = units(5, 200)
    frame["revenue"] = np.where(frame["arm"] == 1, 0.0, 1.0)
    metrics = {"revenue": METRICS["revenue"]}
    analysis = analyse(
        experiment(primary="revenue"), Outcomes(frame, 0, 0), metrics, segments, stopped=True
    )
    found = Read(analysis, decide(analysis, users_per_day=1.0), 0, DAY, (), ())
    page = render(document(found))
    assert "nan" not in page.lower().replace("finance", "")
    assert 'id="figure-by-' not in page


def test_it_is_written_as_a_file(tmp_path: Path) -> None:
    write(document(read(0.5)), tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_preference() -> None:
    found = preferences(*interleaved(5, 300, better=0.15))
    verdict = decide_preference(found, users_per_day=10)
    page = render(document(ReadPreferences(found, verdict, 0, 30 * DAY)))
    top = page[page.index('<section class="verdict') : page.index("</section>")]
    assert "Customers turn to what new lists: try it in an A/B test." in top
    assert 'id="figure-preferences"' in page
    for word in ("Interleaved lists", "age:young", "first places"):
        assert word in page
