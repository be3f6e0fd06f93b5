"""Items as the shop changes them while a model is served."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from sqlalchemy import Connection, select

from recsys.events.schema import ITEM_ID
from recsys.state.changes import count_change
from recsys.state.database import Database
from recsys.state.events import in_parts
from recsys.state.frames import as_json
from recsys.state.tables import items

Fields: TypeAlias = Mapping[str, Any]
"""Column of the item -> value."""


class Items:
    """What was told of items since the files were read.

    Parameters
    ----------
    database
        Where the state is kept.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, changes: Mapping[str, Fields]) -> int:
        """Set fields of items; what is not named stays. Returns the revision of the change.

        Parameters
        ----------
        changes
            ``item_id`` -> the fields that are told; null takes a field away.
        """
        with self._database.writing() as connection:
            known = dict(_fields(connection, sorted(changes)))
            revision = count_change(self._database, connection)
            rows = [
                {
                    ITEM_ID: item_id,
                    "fields": as_json({**known.get(item_id, {}), **fields}),
                    "revision": revision,
                }
                for item_id, fields in changes.items()
            ]
            if rows:
                connection.execute(self._database.put(items), rows)
        return revision

    def since(self, changes: int) -> dict[str, Fields]:
        """Return the items told of after a count of changes, with all that is told of each."""
        query = select(items).where(items.c.revision > changes).order_by(items.c.revision)
        with self._database.reading() as connection:
            return {row.item_id: json.loads(row.fields) for row in connection.execute(query)}

    def of(self, item_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Return what is told of some items."""
        with self._database.reading() as connection:
            return dict(_fields(connection, sorted(set(item_ids))))


def _fields(connection: Connection, item_ids: Sequence[str]) -> list[tuple[str, dict[str, Any]]]:
    query = select(items.c[ITEM_ID], items.c.fields)
    return [
        (row.item_id, json.loads(row.fields))
        for some in in_parts(item_ids)
        for row in connection.execute(query.where(items.c[ITEM_ID].in_(some)))
    ]
