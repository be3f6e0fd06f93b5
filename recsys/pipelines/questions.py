"""What the configured protocol asks of a shop, with the files that it names."""

from typing import Any

import pandas as pd

from recsys.config import RecsysConfig
from recsys.engines import quote
from recsys.errors import DataError
from recsys.evaluation.protocols import Question, given, split
from recsys.events import mapping
from recsys.events.schema import AMOUNT, ITEM_ID, USER_ID
from recsys.events.shop import Shop
from recsys.pipelines.ingest import open_columns


def ask(shop: Shop, config: RecsysConfig) -> list[Question]:
    """Return the questions of the configured protocol, the newest first.

    Raises
    ------
    ConfigError, DataError
        When the data do not allow the protocol.
    """
    evaluation = config.evaluation
    if evaluation.protocol != "given":
        target = config.interactions.target
        return split(shop, evaluation, target, seed=config.model.seed)
    targets = read_columns(str(evaluation.targets), USER_ID, ITEM_ID, optional=(AMOUNT,))
    catalogue = None
    if evaluation.catalogue:
        catalogue = read_columns(evaluation.catalogue, ITEM_ID)[ITEM_ID].tolist()
    return given(shop, _distinct(targets), catalogue)


def _distinct(targets: pd.DataFrame) -> pd.DataFrame:
    if AMOUNT not in targets:
        return targets.drop_duplicates(ignore_index=True)
    return targets.groupby([USER_ID, ITEM_ID])[[AMOUNT]].sum().reset_index()


def read_columns(path: str, *names: str, optional: tuple[str, ...] = ()) -> pd.DataFrame:
    """Read named columns of a file: ids as text, amounts as minor units of money.

    Raises
    ------
    DataError
        When one is missing, or a row lacks an id.
    """
    relation, columns = open_columns(path, *names)
    read = [f"{mapping.identifier(columns[name])} AS {quote(name)}" for name in names]
    read += [f"{mapping.money(columns[n])} AS {quote(n)}" for n in optional if n in columns]
    table: pd.DataFrame = relation.select(", ".join(read)).df()
    incomplete = int(table[list(names)].isna().any(axis=1).sum())
    if incomplete:
        raise DataError(
            f"{path!r}: {incomplete:,} rows lack {' or '.join(names)}; correct them, or leave "
            "them out"
        )
    return table


def data_words(shop: Shop) -> dict[str, Any]:
    """Return the shop's row counts and window for a report."""
    counts = {name: report.accepted for name, report in shop.reports.items()}
    rejected = sum(sum(report.rejected.values()) for report in shop.reports.values())
    return {
        **counts,
        "rejected": rejected,
        "event_types": shop.event_counts(),
        "window": shop.window(),
    }
