"""What was found out about segments as one JSON document: for files, terminals and the page."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from recsys import __version__
from recsys.bundle.manifest import library_versions
from recsys.drawing.documents import plain
from recsys.events.schema import MICROSECONDS_PER_DAY, MINOR_UNITS
from recsys.events.shop import Shop
from recsys.events.times import format_time
from recsys.models.worth import Worth
from recsys.pipelines.insight import TREND_DAYS, Insight, Lifts
from recsys.pipelines.segment import Segmented
from recsys.segments import Axis, Memberships
from recsys.segments.insight.association import Association
from recsys.segments.insight.flows import Flows, moves
from recsys.segments.insight.offers import CAVEAT, Offers
from recsys.segments.insight.stability import Stability, population

Document = dict[str, Any]
CLEAR = ("rising", "falling")
MOST_TRENDS = 60
"""Trends that are told, the surest first."""
MOST_QUERIES = 100
"""Searches that are told, the most frequent first."""
SEGMENTS_TOLD = 3
"""Segments, all users among them, that one rising or falling thing is told of."""
LEAST_USERS = 5
"""A search of fewer is counted and not told: words can give a person away."""
MOST_CROSS = 15
"""Pairs of axes whose cross table is told."""


def segment_document(shop: Shop, found: Segmented, insight: Insight, *, title: str) -> Document:
    """Lay everything out that `recsys segment` found.

    Parameters
    ----------
    shop
        The shop.
    found
        Memberships.
    insight
        What a closer look found.
    title
        Of the page.

    Returns
    -------
    dict
        Only plain JSON: texts, numbers, null for what is unknown, lists and dicts.
    """
    memberships, tags = found.memberships, found.tags
    document = {
        "title": title,
        "as_of": format_time(found.facts.as_of) if shop.timed else None,
        "users": len(memberships.users),
        "window": shop.window(),
        "notes": [*found.notes, *insight.notes, *insight.funnel.notes, *_notes(insight)],
        "axes": [
            _axis(axis, tags[tags["axis"] == axis.name], found, insight)
            for axis in memberships.axes
        ],
        "cross": [_cross(*pair, memberships) for pair in insight.cross[:MOST_CROSS]],
        "lifts": [_lifts(lifts, memberships) for lifts in insight.lifts],
        "trends": _trends(insight.trends, found.facts.as_of),
        "funnel": _funnel(insight),
        "offers": _offers(insight.offers),
        "searches": _searches(insight.searches),
        "versions": {"recsys": __version__, **library_versions()},
    }
    told: Document = plain(document)
    return told


def _notes(insight: Insight) -> Iterator[str]:
    yield from insight.offers.notes if insight.offers else ()
    tested = insight.trends
    if len(tested) and not tested["direction"].isin(CLEAR).any():
        yield f"nothing rises or falls beyond chance: {len(tested):,} changes were looked at"


def _axis(axis: Axis, tags: pd.DataFrame, found: Segmented, insight: Insight) -> Document:
    memberships = found.memberships
    known = np.diff(memberships.of(axis.name).indptr) > 0
    now = [_sizes(found.facts.as_of, memberships, axis)] if insight.past else []
    return {
        "name": axis.name,
        "kind": axis.config.kind,
        "title": axis.config.title or axis.name,
        "definition_id": axis.definition_id,
        "owner": axis.config.owner,
        "update": axis.config.update,
        "parents": list(axis.config.parents),
        "coverage": float(known.mean()) if len(known) else 0.0,
        "segments": [
            {
                "name": row["segment"],
                **{name: row[name] for name in ("definition", "users", "weight", "share")},
            }
            for row in tags.to_dict(orient="records")
        ],
        "check": _check(tags),
        "history": [*(_sizes(moment, past, axis) for moment, past in insight.past), *now],
        "flows": _flows(axis, found, insight),
        "stability": _stability(axis, insight.stability.get(axis.name)),
        "worth": _worth(insight.worth.get(axis.name)),
    }


def _check(tags: pd.DataFrame) -> Document | None:
    first = tags.iloc[0]
    if not first["check"]:
        return None
    return {
        "against": first["check"],
        "association": first["association"],
        "agreement": first["agreement"],
        "sentence": (
            f"{first['agreement']:.0%} of the users known to both are where {first['check']} "
            "puts them"
        ),
    }


def _sizes(moment: int, memberships: Memberships, axis: Axis) -> Document:
    sizes = population(memberships.of(axis.name))
    shares = sizes / max(sizes.sum(), 1.0)
    return {
        "as_of": format_time(moment),
        "shares": dict(zip(axis.segments, shares[:-1], strict=True)),
        "unknown": shares[-1],
    }


def _flows(axis: Axis, found: Segmented, insight: Insight) -> Document | None:
    flows: Flows | None = insight.flows.get(axis.name)
    if flows is None:
        return None
    return {
        "since": format_time(insight.past[-1][0]),
        "until": format_time(found.facts.as_of),
        "stayed": flows.stayed,
        "psi": flows.psi,
        "moves": moves(flows).to_dict(orient="records"),
    }


def _stability(axis: Axis, found: Stability | None) -> Document | None:
    if found is None:
        return None
    return {
        "ari": found.ari,
        "ari_low": found.ari_low,
        "ari_high": found.ari_high,
        "jaccard": dict(zip(axis.segments, found.jaccard, strict=True)),
    }


def _worth(found: Worth | None) -> Document | None:
    if found is None:
        return None
    return {
        "verdict": found.verdict,
        "sentence": found.sentence,
        "users": found.users,
        "log_likelihood": {
            "gain": found.gain.mean,
            "low": found.gain.low,
            "high": found.gain.high,
        },
        "ndcg": {
            "popular": found.ndcg_popular,
            "prior": found.ndcg_prior,
            "gain": found.ndcg_gain.mean,
            "low": found.ndcg_gain.low,
            "high": found.ndcg_gain.high,
        },
        "placebo": {"median": found.placebo_median, "highest": found.placebo_highest},
        "kappa": found.kappa,
    }


def _cross(one: str, other: str, found: Association, memberships: Memberships) -> Document:
    segments = {axis.name: list(axis.segments) for axis in memberships.axes}
    return {
        "one": one,
        "other": other,
        "association": found.association,
        "agreement": found.matching.share,
        "users": found.users,
        "rows": segments[one],
        "columns": segments[other],
        "counts": found.table,
    }


def _lifts(found: Lifts, memberships: Memberships) -> Document:
    segments = next(axis.segments for axis in memberships.axes if axis.name == found.axis)
    return {
        "axis": found.axis,
        "column": found.column,
        "segments": list(segments),
        "values": list(found.values),
        "log_lift": found.log_lift.T,
        "shown": f"the {len(found.values)} values of {found.column} that are dealt with most",
    }


def _trends(found: pd.DataFrame, until: int) -> Document | None:
    if found.empty:
        return None
    window = int(TREND_DAYS * MICROSECONDS_PER_DAY)
    ends = {"before": until - 2 * window, "since": until - window, "until": until}
    clear = found[found["direction"].isin(CLEAR)]
    first = clear.sort_values(["q_value", "axis", "segment", "name"], kind="stable")
    # What rises everywhere would fill the page with itself.
    told = first.groupby(["what", "name"], sort=False).head(SEGMENTS_TOLD)
    rows = told.head(MOST_TRENDS).to_dict(orient="records")
    named = {name: format_time(moment) for name, moment in ends.items()}
    return {**named, "rows": rows, "tested": len(found), "clear": len(clear)}


def _funnel(insight: Insight) -> Document | None:
    found = insight.funnel
    if found.rows.empty or len(found.steps) < 2:
        return None
    loses: dict[Any, str] = found.losses.set_index(["axis", "segment"])["loses_at"].to_dict()
    rows = [
        {
            "axis": axis,
            "segment": segment,
            "users": part["users"].tolist(),
            "kept": part["kept"].tolist(),
            "loses_at": loses.get((axis, segment)),
        }
        for (axis, segment), part in found.rows.groupby(["axis", "segment"], sort=False)
    ]
    separation = insight.separation
    separates = None
    if separation is not None and separation.best is not None:
        separates = {"step": separation.best, "sentence": separation.sentence}
    return {
        "steps": list(found.steps),
        "rows": rows,
        "separates": separates,
        "sentence": found.sentence,
    }


def _searches(found: pd.DataFrame) -> Document | None:
    if found.empty:
        return None
    total = int(found["searches"].sum())
    lost = found["nowhere"].sum() / total
    tail = found.loc[found["tail"], "searches"].sum() / total
    return {
        "rows": found[found["users"] >= LEAST_USERS].head(MOST_QUERIES).to_dict(orient="records"),
        "sentence": (
            f"{total:,} searches for {len(found):,} different words: {lost:.0%} led nowhere, and "
            f"{tail:.0%} were for the {int(found['tail'].sum()):,} rare ones."
        ),
    }


def _offers(found: Offers | None) -> Document | None:
    if found is None:
        return None
    money = ["uplift", "uplift_low", "uplift_high"]
    rows = found.rows.assign(**{name: found.rows[name] / MINOR_UNITS for name in money})
    return {"caveat": CAVEAT, "rows": rows.to_dict(orient="records"), "sentence": found.sentence}
