"""From a request to a list, and from a list to its answer."""

import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

from recsys.errors import ConfigError, nearest
from recsys.experiments.assignment import position
from recsys.experiments.enrolment import Enrolled
from recsys.experiments.interleaving import SIDES, Side, coins, team_draft
from recsys.ranking import Ranking, Reason, Request, Variant, merged, reasons
from recsys.ranking.scorer import Scorer
from recsys.segments import Named, from_names
from recsys.state import Exposure, Pulse
from service.book import Known
from service.dependencies import Shopfront
from service.exposing import Shadow
from service.served import Served

SHADOW = "shadow"
"""The salt of lists at which the other variants are asked as well."""
INTERLEAVED = "interleaved"
"""What the answer says in place of a variant where the list holds items of two."""


@dataclass(frozen=True)
class Asked:
    """What is asked for, however it was sent.

    Attributes
    ----------
    user_id
        Whom the list is for.
    limit, variant, category, exclude_items, cart, explain
        As in the HTTP interface.
    segment
        ``axis:name``, what is said of a visitor.
    history
        Items just seen.
    session_id
        Whose strangers' events count as hers.
    context
        What the storefront says of the place and the moment; kept with the exposure.
    """

    user_id: str
    limit: int = 10
    variant: str | None = None
    category: Sequence[str] = ()
    exclude_items: Sequence[str] = ()
    cart: Sequence[str] = ()
    segment: Sequence[str] = ()
    history: Sequence[str] = ()
    session_id: str | None = None
    context: Mapping[str, Any] = field(default_factory=dict)
    explain: bool = False


@dataclass(frozen=True)
class Answered:
    """A list, and what it was made with.

    Attributes
    ----------
    body
        The answer.
    exposure
        The record of it; None where none may be kept.
    shadow
        Tells whether another variant of the experiment would have listed something else; None
        where nobody asks.
    """

    body: dict[str, Any]
    exposure: Exposure | None
    shadow: Shadow | None = None


@dataclass(frozen=True)
class _Making:
    """Everything one answer is made of."""

    front: Shopfront
    served: Served
    variant: Variant
    known: Known
    scorer: Scorer
    request: Request
    asked: Asked
    degraded: list[str]
    enrolled: Enrolled | None
    began: float


class _Side(NamedTuple):
    """A variant's list, and what it was made with."""

    variant: Variant
    scorer: Scorer
    ranking: Ranking


class _Listed(NamedTuple):
    """A list, what speaks for its items, and, of a list of two variants, whose pick each is."""

    ranking: Ranking
    told: list[list[Reason]]
    sides: list[Side] | None = None


def answer(front: Shopfront, asked: Asked, pulse: Pulse | None) -> Answered:
    """Rank for a user, as she is now.

    Parameters
    ----------
    front
        The process' own.
    asked
        What is asked for.
    pulse
        Of the state, for this user; None where it is away.

    Raises
    ------
    ConfigError
        For a variant or a segment that is not there.
    """
    began = time.perf_counter()
    served = front.models.served if pulse is None else front.models.up_to(pulse.changes)
    variant = front.variant(asked.variant)
    known, degraded = front.known(asked.user_id, served, pulse)
    if pulse is not None and known.consent == "full" and (asked.history or asked.session_id):
        known = front.known_with(known, served, asked.history, asked.session_id)
    if asked.segment:
        known = _said_to_be(known, named(served, asked.segment))
    enrolled = _enrolled(front, asked, pulse, known)
    if enrolled is not None:
        variant = front.variant(enrolled.arm.variant)
    scorer = known.scorer(served.ranker, variant)
    request = Request(
        asked.limit,
        frozenset(asked.category),
        frozenset(asked.exclude_items),
        as_of=front.answered_at(served, pulse),
        request_id=secrets.token_urlsafe(16),
        cart=tuple(asked.cart),
    )
    making = _Making(
        front, served, variant, known, scorer, request, asked, degraded, enrolled, began
    )
    listed = _listed(making)
    ranking = listed.ranking
    body = _body(making, listed, explain=asked.explain)
    kept = known.consent != "none"
    front.metrics.lists.labels(
        variant.name,
        ranking.fallback or "",
        "yes" if ranking.shortfall else "no",
        "yes" if degraded else "no",
    ).inc()
    if not kept:
        return Answered(body, None)
    return Answered(body, _exposure(making, listed, body), _shadow(making, ranking))


def _listed(making: _Making) -> _Listed:
    """List by her variant, or by the two of an experiment that interleaves them."""
    own = _Side(making.variant, making.scorer, _ranked(making, making.scorer))
    enrolled = making.enrolled
    if enrolled is None or not enrolled.interleaved:
        return _Listed(own.ranking, _told(making, own, own.ranking))
    other = making.front.variant(enrolled.variants[1])
    scorer = making.known.scorer(making.served.ranker, other)
    return _interleaved(making, (own, _Side(other, scorer, _ranked(making, scorer))))


def _ranked(making: _Making, scorer: Scorer) -> Ranking:
    return making.served.ranker.answer(scorer, making.request)


def _told(making: _Making, side: _Side, ranking: Ranking) -> list[list[Reason]]:
    """Return what speaks for each item of a list of one variant, or of a part of it."""
    served = making.served
    return reasons(
        served.ranker.model,
        making.known.customers,
        0,
        ranking,
        centre=served.ranker.centre(side.variant),
        wording=making.front.config.service.reasons,
        origin=side.scorer.origin,
    )


def _interleaved(making: _Making, both: tuple[_Side, _Side]) -> _Listed:
    request, vocabulary = making.request, making.served.ranker.model.items.ids
    ids = [side.ranking.ids(vocabulary) for side in both]
    drafted = team_draft(ids[0], ids[1], request.k, coins(request.request_id))
    numbers = [SIDES.index(side) for side in drafted.sides]
    picks = [
        (number, ids[number].index(item))
        for number, item in zip(numbers, drafted.items, strict=True)
    ]
    # Reasons are for what is shown: half of either list.
    told = []
    for number, side in enumerate(both):
        own = [(0, place) for which, place in picks if which == number]
        told.append(iter(_told(making, side, merged([side.ranking], own, len(own)))))
    ranking = merged([side.ranking for side in both], picks, request.k)
    return _Listed(ranking, [next(told[number]) for number in numbers], drafted.sides)


def _enrolled(front: Shopfront, asked: Asked, pulse: Pulse | None, known: Known) -> Enrolled | None:
    """Return what an experiment gives her; nothing where a variant was asked for by name.

    Nor where nothing may be kept of her: what cannot be analysed is no experiment.
    """
    running = front.running(pulse)
    if not running or asked.variant is not None or known.consent == "none":
        return None
    return running.enrol(asked.user_id, asked.session_id, known.segments)


def _shadow(making: _Making, ranking: Ranking) -> Shadow | None:
    """Ask the other variants too, of some lists, chosen by their ids and nothing else."""
    front, enrolled = making.front, making.enrolled
    sample = front.config.experiments.shadow
    # While the state is away records wait, and must not hold on to customers.
    if enrolled is None or enrolled.interleaved or making.degraded:
        return None
    if position("sha256-1", SHADOW, making.request.request_id) >= sample:
        return None

    def differs() -> bool:
        ranker = making.served.ranker
        others = [name for name in enrolled.variants if name != making.variant.name]
        lists = (
            ranker.answer(making.known.scorer(ranker, front.variant(name)), making.request).items
            for name in others
        )
        return any(items.tolist() != ranking.items.tolist() for items in lists)

    return differs


def named(served: Served, segments: Sequence[str]) -> Named:
    """Read ``axis:name`` of each, by the model's axes.

    Raises
    ------
    ConfigError
        When there is no such axis or segment.
    """
    known = {axis.name: axis.segments for axis in served.ranker.model.axes}
    found: dict[str, dict[str, float]] = {}
    for text in segments:
        axis, _, name = text.partition(":")
        if axis not in known:
            raise ConfigError(f"segment={text!r}: there is no axis {axis!r}{nearest(axis, known)}")
        if name not in known[axis]:
            raise ConfigError(
                f"segment={text!r}: the axis {axis!r} has no segment {name!r}"
                f"{nearest(name, known[axis])}"
            )
        found.setdefault(axis, {})[name] = 1.0
    shared = {axis: 1.0 / len(names) for axis, names in found.items()}
    return {axis: dict.fromkeys(names, shared[axis]) for axis, names in found.items()}


def _said_to_be(known: Known, said: Named) -> Known:
    """Put a customer into the segments that are named, on their axes."""
    axes = known.customers.memberships.axes
    memberships = from_names(known.user_id, axes, {**known.segments, **said})
    return known.seen_as(replace(known.customers, memberships=memberships))


def _body(making: _Making, listed: _Listed, *, explain: bool) -> dict[str, Any]:
    served, variant, ranking = making.served, making.variant, listed.ranking
    ids = ranking.ids(served.ranker.model.items.ids)
    body: dict[str, Any] = {
        "recommendation_id": making.request.request_id,
        "user_id": making.scorer.user_id,
        "model_version": served.version,
        "variant": {"name": variant.name, "digest": variant.digest},
        "generated_at": instant(),
        "fallback": ranking.fallback,
        "shortfall": ranking.shortfall,
        "degraded": making.degraded,
        "experiment": _experiment(making.enrolled),
        "items": [_item(ranking, n, item_id, listed.told[n]) for n, item_id in enumerate(ids)],
        "segments": None,
    }
    if explain:
        _explain(body, ranking, making.known)
    return body


def _experiment(enrolled: Enrolled | None) -> dict[str, str] | None:
    if enrolled is None:
        return None
    given = INTERLEAVED if enrolled.interleaved else enrolled.arm.variant
    return {"id": enrolled.experiment, "variant": given}


def _explain(body: dict[str, Any], ranking: Ranking, known: Known) -> None:
    for place, item in enumerate(body["items"]):
        item["terms"] = {name: float(values[place]) for name, values in ranking.terms.items()}
    body["segments"] = [
        {"axis": axis, "name": name, "weight": weight}
        for axis, weights in sorted(known.segments.items())
        for name, weight in sorted(weights.items())
    ]


def _item(ranking: Ranking, position: int, item_id: str, told: list[Reason]) -> dict[str, Any]:
    return {
        "item_id": item_id,
        "rank": position + 1,
        "score": float(ranking.scores[position]),
        "reasons": [reason._asdict() for reason in told],
        "terms": None,
    }


def _exposure(making: _Making, listed: _Listed, body: dict[str, Any]) -> Exposure:
    ranking = listed.ranking
    return Exposure(
        making.request.request_id,
        making.scorer.user_id,
        making.request.as_of,
        making.variant.name,
        making.variant.digest,
        making.served.version,
        ranking.fallback,
        making.enrolled.experiment if making.enrolled else None,
        making.known.segments,
        [item["item_id"] for item in body["items"]],
        ranking.propensities.tolist(),
        making.asked.context,
        making.asked.session_id,
        sides=listed.sides,
        milliseconds=(time.perf_counter() - making.began) * 1000,
    )


def instant() -> str:
    """Return the time on the wall, as answers tell it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
