"""The leakage audit of an evaluation: what training and ranking look at, with noise and without."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from threadpoolctl import threadpool_limits

from recsys.bundle import content_id
from recsys.config import RecsysConfig
from recsys.evaluation.leakage import Audit, audit, check, with_noise
from recsys.evaluation.protocols import Question
from recsys.events.schema import EVENT_ID, USER_ID
from recsys.events.times import format_time
from recsys.interactions import Histories, Targets
from recsys.pipelines.cases import Cases
from recsys.pipelines.progress import Progress, silent
from recsys.pipelines.train import Trained
from recsys.pipelines.windows import Learning, prepare
from recsys.ranking import Customers, describe
from recsys.segments import Memberships, UserFacts
from recsys.segments.profiles import Span
from recsys.vocabulary import Vocabulary


def audit_question(
    question: Question,
    config: RecsysConfig,
    trained: Trained,
    customers: list[Customers],
    *,
    progress: Progress = silent,
) -> Audit:
    """Make everything again that training and ranking look at, over noise, and compare.

    Everything that is learnt is a function of these aggregates, the config and the seed, so a
    model need not be fitted twice.

    Parameters
    ----------
    question
        What was asked.
    config
        The config.
    trained
        What was learnt from the real rows.
    customers
        The asked users as they were described, one for each part of the question.
    progress
        Where to say how far it is.

    Raises
    ------
    CheckError
        When an aggregate changed: it knows what may not be known.
    """
    with progress("leakage audit", None), threadpool_limits(1, "blas"):
        real = artefacts(trained.learning, trained.memberships, customers)
        with with_noise(question, seed=config.model.seed) as noised:
            learning = prepare(noised.training, config, as_of=noised.as_of)
            memberships = learning.now.memberships(config)
            described = [
                describe(
                    asked.known.events(before=noised.as_of),
                    one.users,
                    asked.known.users(as_of=noised.as_of),
                    trained.model,
                    as_of=noised.as_of,
                )
                for asked, one in zip(noised.asked, customers, strict=True)
            ]
            found = audit(real, artefacts(learning, memberships, described))
    check(found, question)
    return found


def artefacts(
    learning: Learning, memberships: Memberships, customers: list[Customers]
) -> dict[str, str]:
    """Return the content id of everything that training and ranking look at, by name."""
    found = {
        **_of_facts("training", learning.now.facts),
        **_of_histories("training", learning.now.histories),
        "memberships of training": _memberships(memberships),
        **dict(_of_windows(learning)),
    }
    for number, one in enumerate(customers, 1):
        found |= _of_histories(f"asked users {number}", one.histories)
        found[f"memberships of asked users {number}"] = _memberships(one.memberships)
    return found


def _of_facts(whose: str, facts: UserFacts) -> dict[str, str]:
    text = facts.catalogue.columns
    return {
        f"catalogue of {whose}": _digest(
            ids=facts.catalogue.items.ids, on=facts.catalogue.available, **text
        ),
        f"attributes of {whose}": _frame(facts.attributes),
        **{
            f"profiles of {whose} over {_in_words(span)}": _digest(users=facts.users.ids, **profile)
            for span, profile in facts.profiles.items()
        },
        **{
            f"shares of {whose} by {column.name}": _digest(
                values=shares.values,
                data=shares.worth.data,
                columns=shares.worth.indices,
                starts=shares.worth.indptr,
            )
            for column, shares in facts.shares.items()
        },
        f"prices and launches of {whose}": _digest(
            price_position=facts.reference.price_position, launched=facts.reference.launched
        ),
    }


def _in_words(span: Span) -> str:
    return f"{span.days:g} days before {format_time(span.until)}"


def _of_histories(whose: str, histories: Histories) -> dict[str, str]:
    pairs = {"users": histories.users.ids, "items": histories.items, "starts": histories.indptr}
    return {
        f"interactions of {whose}": _digest(**pairs, worth=histories.worth),
        f"purchases of {whose}": _digest(
            **pairs,
            visits=histories.visits,
            faded=histories.decayed_visits,
            last=histories.since_last,
            first=histories.since_first,
        ),
    }


def _of_windows(learning: Learning) -> Iterator[tuple[str, str]]:
    came_back = learning.past.bought_next
    if came_back is not None:
        yield "what came back", _digest(came_back=came_back)
    for number, window in enumerate(learning.windows, 1):
        yield from _of_facts(f"learning window {number}", window.start.facts).items()
        yield from _of_histories(f"learning window {number}", window.start.histories).items()
        yield f"cases of learning window {number}", _cases(window.cases)
        yield f"targets of learning window {number}", _targets(window.cases.targets)
    for number, one in enumerate(learning.rounds, 1):
        yield from _of_histories(f"window {number}", one.histories).items()
        yield f"targets of window {number}", _targets(one.bought)


def _cases(cases: Cases) -> str:
    events = cases.events.select(USER_ID, EVENT_ID).collect("pandas").to_native()
    known = events.sort_values([USER_ID, EVENT_ID])
    users, ids = known[USER_ID].to_numpy(dtype=str), known[EVENT_ID].to_numpy(dtype=str)
    said = cases.attributes.sort_index()
    return _digest(users=users, events=ids, attributes=np.asarray([_frame(said)]))


def _targets(targets: Targets) -> str:
    return _digest(users=targets.users.ids, rows=targets.user_index, items=targets.items)


def _memberships(memberships: Memberships) -> str:
    users, matrix = memberships.users, memberships.matrix.tocsr()
    arrays = {"users": users.ids, "data": matrix.data, "columns": matrix.indices}
    axes = [axis.model_dump(mode="json") for axis in memberships.axes]
    return content_id({**arrays, "starts": matrix.indptr}, {"axes": axes}, {})


def _frame(frame: pd.DataFrame) -> str:
    ids = Vocabulary(frame.index.astype(str)).ids
    values = pd.util.hash_pandas_object(frame.sort_index(axis="columns").sort_index())
    names = sorted(map(str, frame.columns))
    return content_id({"ids": ids, "values": values.to_numpy()}, {"columns": names}, {})


def _digest(**arrays: npt.NDArray[Any]) -> str:
    return content_id(arrays, {}, {})
