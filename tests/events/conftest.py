from collections.abc import Callable, Iterator
from typing import Any

import pytest

from recsys.engines import connect
from recsys.events.readers import Source
from recsys.events.shop import Shop, read_shop
from recsys.events.sources import Further
from recsys.events.validation import Intake


@pytest.fixture
def read() -> Iterator[Callable[..., Shop]]:
    """Reads shops, closed when the test ends; the rest is further sources and the intake."""
    opened: list[Shop] = []

    def read_one(
        events: Source, *, users: Source | None = None, items: Source | None = None, **rules: Any
    ) -> Shop:
        beside = Further(**{name: rules.pop(name, None) for name in Further._fields})
        intake = Intake(**{"columns": {}, "default_event": "purchase", **rules})
        connection = connect(threads=1)
        opened.append(
            read_shop(connection, events, intake, users=users, items=items, further=beside)
        )
        return opened[-1]

    yield read_one
    for shop in opened:
        shop.close()
