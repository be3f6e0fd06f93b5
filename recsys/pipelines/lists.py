"""Another recommender's lists, read from a file."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from recsys.errors import DataError
from recsys.events import mapping
from recsys.events.schema import ITEM_ID, USER_ID
from recsys.pipelines.ingest import open_columns

RANK = "rank"


@dataclass(frozen=True)
class GivenLists:
    """Another recommender's lists.

    Attributes
    ----------
    name
        What to call it.
    rows
        ``user_id, item_id, rank``.
    """

    name: str
    rows: pd.DataFrame


def read_lists(path: str) -> GivenLists:
    """Read another recommender's ``user_id, item_id, rank``.

    Raises
    ------
    DataError
        When a column is missing, a row lacks an id or a whole number as its rank, or a list holds
        an item or a rank twice.
    """
    relation, columns = open_columns(path, USER_ID, ITEM_ID, RANK)
    ids = [f"{mapping.identifier(columns[name])} AS {name}" for name in (USER_ID, ITEM_ID)]
    rank = f"TRY_CAST({RANK} AS BIGINT) AS {RANK}"
    lists: pd.DataFrame = relation.select(", ".join([*ids, rank])).df()
    incomplete = int(lists.isna().any(axis=1).sum())
    if incomplete:
        raise DataError(
            f"{path!r}: {incomplete:,} rows lack a {USER_ID}, an {ITEM_ID} or a whole number as "
            f"{RANK}; correct them, or leave them out"
        )
    for other in (ITEM_ID, RANK):
        repeated = int(lists.duplicated([USER_ID, other]).sum())
        if repeated:
            raise DataError(
                f"{path!r}: {repeated:,} rows repeat {other} in the same user's list; "
                "leave them out"
            )
    return GivenLists(Path(path).stem, lists)
