"""Somebody else's split: train and target files, and what may be recommended."""

from collections.abc import Sequence

import pandas as pd

from recsys.evaluation.protocols.question import Asked, Question, asked_or_fail
from recsys.events.shop import Shop


def given(shop: Shop, targets: pd.DataFrame, catalogue: Sequence[str] | None) -> list[Question]:
    """Ask once: learn from all of the shop, find the given targets.

    Parameters
    ----------
    shop
        The training events.
    targets
        ``user_id, item_id`` and, where there are amounts, ``amount``; distinct pairs.
    catalogue
        The items that can be recommended; None = every item of the shop.

    Raises
    ------
    DataError
        When there is no target.
    """
    training = shop if catalogue is None else shop.offering(catalogue)
    asked = asked_or_fail(Asked(training, targets), "name another file in [evaluation] targets")
    words: dict[str, object] = {
        "protocol": "given",
        "targets": "distinct pairs of the targets file",
        "catalogue": "every item" if catalogue is None else "the items of the catalogue file",
    }
    return [Question("given", training, shop.after_all(), (asked,), words)]
