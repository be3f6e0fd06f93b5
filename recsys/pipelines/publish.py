"""Training meets serving: a bundle for what was learnt, the state for who there is."""

import math
from collections.abc import Iterable
from typing import Any

import pandas as pd

from recsys.bundle import BundleStore, Manifest
from recsys.config import RecsysConfig
from recsys.events.schema import EVENT_ID, USER_ID
from recsys.events.shop import Shop
from recsys.events.times import format_time
from recsys.pipelines.progress import Progress, silent
from recsys.pipelines.train import Trained
from recsys.ranking import Variant
from recsys.state import Profile, StateStore

ABOUT_NOBODY = frozenset({"events", "told", "items", "category_tree"})
"""Reports of what says nothing of users' attributes."""
ROWS_A_FILL = 20_000
"""Events of one transaction: a service that is running waits for no more than that."""
USERS_A_FILL = 2_000


def publish(
    trained: Trained, shop: Shop, config: RecsysConfig, store: BundleStore, *, created_at: str
) -> Manifest:
    """Write a bundle and activate it.

    Parameters
    ----------
    trained
        What was learnt.
    shop
        Its row counts and window go into the manifest.
    config
        Goes into the manifest as well.
    store
        Where bundles live.
    created_at
        ISO 8601; the library asks no clock.
    """
    manifest = store.publish(
        {**trained.model.arrays(), **trained.related.arrays()},
        as_of=format_time(trained.as_of) if trained.model.timed else None,
        config=config.model_dump(mode="json"),
        learnt=_learnt(trained),
        recipes=_recipes(config.every_variant().values()),
        window=shop.window(),
        rows={name: report.accepted for name, report in shop.reports.items()},
        notes=trained.notes,
        created_at=created_at,
    )
    store.activate(manifest.version)
    return manifest


def _learnt(trained: Trained) -> dict[str, Any]:
    weights = {digest: found.model_dump(mode="json") for digest, found in trained.weights().items()}
    windows = {
        name: {
            "ndcg": None if math.isnan(found.ndcg) else found.ndcg,
            "gains": {axis: list(gain) for axis, gain in found.gains.items()},
        }
        for name, found in trained.learnt.items()
    }
    return {
        **trained.model.learnt(),
        **trained.related.learnt(),
        "as_of": trained.as_of,
        "weights": weights,
        "on_the_window": windows,
        "window_days": trained.window_days,
    }


def _recipes(variants: Iterable[Variant]) -> dict[str, Any]:
    return {
        variant.name: {
            "digest": variant.digest,
            "recipe": variant.recipe.model_dump(mode="json"),
        }
        for variant in variants
    }


def fill_state(
    shop: Shop, state: StateStore, *, as_of: int, progress: Progress = silent
) -> dict[str, int]:
    """Put what the sources hold before `as_of` into the state; doing it twice changes nothing."""
    state.create()
    if not ABOUT_NOBODY.issuperset(shop.reports):
        state.put_users(shop.users(as_of=as_of).reset_index())
    known = f"time < {as_of}" if shop.timed else "true"
    ordered = f"SELECT * FROM ({shop.to_keep}) WHERE {known} ORDER BY {USER_ID}, {EVENT_ID}"
    total = shop.reports["events"].accepted
    with progress("filling the state", math.ceil(total / ROWS_A_FILL)) as advance:
        for batch in shop.connection.sql(ordered).to_arrow_reader(ROWS_A_FILL):
            state.add_events(_typed(batch.to_pandas()))
            advance()
    return state.counts()


def keep_memberships(
    trained: Trained, state: StateStore, version: str, *, progress: Progress = silent
) -> None:
    """Put the memberships of a training into the state, for a service to serve from.

    Whoever did something at or after the moment of training stays to be worked out again.
    """
    users = trained.memberships.users
    with progress("keeping memberships", math.ceil(len(users) / USERS_A_FILL)) as advance:
        cursor = ""
        while found := state.profiles.after(cursor, USERS_A_FILL):
            cursor = max(found)
            later = state.active_since(trained.as_of, list(found)) if trained.model.timed else set()
            rows = users.index_of(found)
            profiles = [
                Profile(user_id, revision - (user_id in later), trained.memberships.named(row))
                for (user_id, revision), row in zip(found.items(), rows.tolist(), strict=True)
                if row >= 0
            ]
            state.profiles.put(profiles, model_version=version, as_of=trained.as_of)
            advance()


def _typed(events: pd.DataFrame) -> pd.DataFrame:
    integers = dict.fromkeys(("time", "amount", "discount"), "Int64")
    return events.astype(integers)
