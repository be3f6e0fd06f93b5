"""Where a state can be kept, and what is said of a place where it cannot."""

import pytest
from pydantic import ValidationError
from sqlalchemy import Table

from recsys.errors import StateError
from recsys.state import StateConfig, StateStore
from recsys.state.tables import SCHEMA_VERSION, events, metadata


def test_the_default_is_a_file_in_the_store() -> None:
    assert StateConfig().url == "sqlite:///store/state.db"
    with pytest.raises(ValidationError):
        StateConfig.model_validate({"ulr": "sqlite:///x.db"})


@pytest.mark.parametrize(
    "url",
    [
        "store/state.db",
        "",
        "mysql://me:hunter2@shop/db",
        "oracle+what://me:hunter2@shop/db",
        "sqlite+hunter2://",
        "postgresql+nothing://me:hunter2@shop/db",
        "postgresql://me:hunter2@shop:port/db",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///file:state.db?mode=memory&uri=true",
    ],
)
def test_a_place_that_cannot_hold_a_state(url: str) -> None:
    with pytest.raises(StateError) as caught:
        StateStore(url)
    assert "me:hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:hunter2@127.0.0.1:9/db?application_name=hunter3",
        "sqlite://me:hunter2@shop/state.db",
    ],
)
def test_a_secret_is_never_shown(url: str) -> None:
    with pytest.raises(StateError) as caught:
        StateStore(url).ping()
    assert "hunter" not in str(caught.value)


def others() -> dict[str, Table]:
    return {name: table for name, table in metadata.tables.items() if name != "events"}


def test_the_tables_are_those_of_this_version() -> None:
    """A change here needs another `SCHEMA_VERSION`: states of this one exist."""
    assert SCHEMA_VERSION == "5"
    assert {name: [column.name for column in table.c] for name, table in others().items()} == {
        "meta": ["key", "value"],
        "users": [
            *("user_id", "attributes", "consent", "registered", "told", "revision", "profiled"),
        ],
        "memberships": ["user_id", "weights", "model_version", "as_of"],
        "exposures": [
            *("recommendation_id", "user_id", "time", "variant", "digest", "model_version"),
            *("fallback", "experiment", "segments", "items", "propensities", "context"),
            *("session_id", "differs", "sides", "milliseconds"),
        ],
        "links": ["kind", "alias", "user_id"],
        "items": ["item_id", "fields", "revision"],
        "tombstones": ["digest", "erased_at"],
        "orders": ["digest", "event", "time", "quantity", "amount"],
        "keys": ["name", "digest", "scope", "created_at", "expires_at"],
        "leases": ["name", "holder", "until"],
        "experiments": [
            *("name", "definition", "digest", "coverage", "created_at", "started_at"),
            *("stopped_at", "results"),
        ],
        "ledger": [
            *("kind", "source", "control", "variant", "metric", "control_digest"),
            *("variant_digest", "mean", "low", "high", "n", "measured_at"),
        ],
    }
    assert {column.name: str(column.type) for column in events.c} == {
        "user_id": "TEXT",
        "item_id": "TEXT",
        "event": "TEXT",
        "time": "BIGINT",
        "quantity": "DOUBLE",
        "amount": "BIGINT",
        "discount": "BIGINT",
        "currency": "TEXT",
        "rating": "DOUBLE",
        "sentiment": "DOUBLE",
        "query": "TEXT",
        "basket_id": "TEXT",
        "session_id": "TEXT",
        "source": "TEXT",
        "event_id": "TEXT",
        "recommendation_id": "TEXT",
        "told": "BOOLEAN",
    }
    assert [column.name for column in events.primary_key] == ["user_id", "event_id"]
