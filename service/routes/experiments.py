"""``/v1/experiments``: what is tried out, and what it shows."""

import json
import time
from typing import Any

from fastapi import APIRouter, status

from recsys.experiments import Plan
from recsys.experiments.document import definition_document, document
from recsys.experiments.ledger import conclude
from recsys.experiments.metrics import measurable
from recsys.experiments.reading import look
from recsys.experiments.running import opened, write_down
from recsys.state import KeptExperiment
from service.dependencies import ADMIN, READ, Front, Shopfront
from service.schemas import ExperimentAnswer, ExperimentList, RampRequest

router = APIRouter(prefix="/v1/experiments", tags=["experiments"])


@router.get("", dependencies=[READ])
def experiments(front: Front) -> ExperimentList:
    """List every experiment, the oldest first."""
    kept = front.state.experiments.all()
    return ExperimentList(experiments=[_told(front, one) for one in kept])


@router.post("", dependencies=[ADMIN], status_code=status.HTTP_201_CREATED)
def create(front: Front, plan: Plan) -> ExperimentAnswer:
    """Write an experiment down; it does not run yet, and what it says does not change."""
    model = front.models.served.ranker.model
    kept = write_down(
        front.state,
        plan,
        {name: variant.digest for name, variant in front.variants.items()},
        {axis.name: axis.segments for axis in model.axes},
        measurable(front.config.experiments.every_metric(), model.catalogue.margins()),
        now=_now(),
    )
    return _told(front, kept)


@router.get("/{name}", dependencies=[READ])
def experiment(front: Front, name: str) -> ExperimentAnswer:
    """Describe one."""
    return _told(front, front.state.experiments.of(name))


@router.post("/{name}:start", dependencies=[ADMIN])
def start(front: Front, name: str) -> ExperimentAnswer:
    """Let it run from the next answer on."""
    return _told(front, front.state.experiments.start(name, now=_now()))


@router.post("/{name}:ramp", dependencies=[ADMIN])
def ramp(front: Front, name: str, body: RampRequest) -> ExperimentAnswer:
    """Let more of its users take part; nobody is moved or sent away."""
    return _told(front, front.state.experiments.ramp(name, body.coverage))


@router.post("/{name}:stop", dependencies=[ADMIN])
def stop(front: Front, name: str) -> ExperimentAnswer:
    """End it: from the next answer on everybody has the default variant again."""
    return _told(front, front.state.experiments.stop(name, now=_now()))


@router.get("/{name}/analysis", dependencies=[READ])
def analysis(front: Front, name: str) -> dict[str, Any]:
    """Look at it now, by the design that was written down; what a stopped one came to is kept."""
    margins = front.models.served.ranker.model.catalogue.margins()
    metrics = front.config.experiments.every_metric()
    found = look(front.state, name, metrics, margins=margins)
    conclude(front.state, found)
    return document(found)


def _told(front: Shopfront, kept: KeptExperiment) -> ExperimentAnswer:
    return ExperimentAnswer(
        name=kept.name,
        status=kept.status,
        coverage=kept.coverage,
        created_at=kept.created_at,
        started_at=kept.started_at,
        stopped_at=kept.stopped_at,
        trouble=front.experiments.now.troubles.get(kept.name),
        results=None if kept.results is None else json.loads(kept.results),
        **definition_document(opened(kept)),
    )


def _now() -> int:
    return time.time_ns() // 1000
