"""``/v1/segments``: what the axes are, who is in them, and what they are worth to ranking."""

import numpy as np
from fastapi import APIRouter

from recsys.errors import NotFoundError, nearest
from recsys.models import PRIOR
from recsys.segments import Axis, columns_of
from service.dependencies import READ, Front, Shopfront
from service.schemas import AxisAnswer, AxisList, Preference, SegmentAnswer
from service.served import Served

router = APIRouter(prefix="/v1/segments", tags=["segments"], dependencies=[READ])

MOST = 10
"""Items that a segment prefers."""


@router.get("")
def axes(front: Front) -> AxisList:
    """List every axis, with its segments and what it weighs in each variant."""
    served = front.models.served
    found = [_axis(front, served, axis, preferences=False) for axis in served.ranker.model.axes]
    return AxisList(model_version=served.version, axes=found)


@router.get("/{name}")
def axis(front: Front, name: str) -> AxisAnswer:
    """Describe one axis, with what each of its segments prefers."""
    served = front.models.served
    known = {axis.name: axis for axis in served.ranker.model.axes}
    if name not in known:
        raise NotFoundError(f"there is no axis {name!r}{nearest(name, known)}")
    return _axis(front, served, known[name], preferences=True)


def _axis(front: Shopfront, served: Served, axis: Axis, *, preferences: bool) -> AxisAnswer:
    model = served.ranker.model
    columns = columns_of(model.axes)[axis.name]
    shares = model.fold_in.shares[columns].tolist()
    rows = zip(axis.segments, axis.fit.definitions, shares, strict=True)
    return AxisAnswer(
        axis=axis.name,
        title=axis.config.title,
        kind=axis.config.kind,
        definition_id=axis.definition_id,
        shrinkage=model.kappa.get(axis.name),
        weights=_weights(front, served, axis.name),
        segments=[
            SegmentAnswer(
                name=segment,
                definition=definition,
                share=share,
                prefers=_preferred(served, axis.name, number) if preferences else None,
            )
            for number, (segment, definition, share) in enumerate(rows)
        ],
    )


def _weights(front: Shopfront, served: Served, axis: str) -> dict[str, dict[str, float]]:
    """Return what the axis weighs in each variant that lists it, by the number of items known."""
    found = {}
    for name, variant in front.variants.items():
        learnt = served.ranker.weights.get(variant.learns)
        if PRIOR + axis in variant.signals(served.ranker.model.segments) and learnt is not None:
            weights = learnt.signals.get(PRIOR + axis, (0.0,) * len(learnt.knots))
            pairs = zip(learnt.knots, weights, strict=True)
            found[name] = {f"{knot:g}": weight for knot, weight in pairs}
    return found


def _preferred(served: Served, axis: str, number: int) -> list[Preference]:
    model = served.ranker.model
    lifts = model.columns[:, model.blocks[PRIOR + axis]][:, number].astype(np.float64)
    offered = np.where(model.catalogue.available[: len(lifts)], lifts, -np.inf)
    best = np.argsort(-offered, kind="stable")[:MOST]
    titles = model.catalogue.columns.get("title")
    return [
        Preference(
            item_id=str(model.items.ids[item]),
            title=None if titles is None else str(titles[item]) or None,
            lift=float(np.exp(lifts[item])),
        )
        for item in best.tolist()
        if lifts[item] > 0
    ]
