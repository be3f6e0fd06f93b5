"""The tag catalogue: every segment with its definition, its owner, its size and its cross-check."""

from typing import Any

import numpy as np
import pandas as pd

from recsys.errors import ConfigError, nearest
from recsys.segments.attributes import as_text
from recsys.segments.axis import one_hot
from recsys.segments.insight.association import associate
from recsys.segments.memberships import Axis, Memberships, columns_of
from recsys.types import Membership

COLUMNS = (
    "axis",
    "title",
    "kind",
    "segment",
    "definition",
    "parents",
    "version",
    "owner",
    "update",
    "users",
    "weight",
    "share",
    "check",
    "association",
    "agreement",
)


def catalogue(memberships: Memberships, attributes: pd.DataFrame | None = None) -> pd.DataFrame:
    """List every segment of every axis, with what one has to know to use it as a tag.

    Parameters
    ----------
    memberships
        Of everybody, on all axes.
    attributes
        Of the users, indexed by ``user_id``: an axis may be checked against one.

    Returns
    -------
    DataFrame
        One row a segment, axes and segments in their order: ``axis, title, kind, segment,
        definition, parents`` (the axes it is made of), ``version`` (`Axis.definition_id`),
        ``owner, update, users`` (with any weight), ``weight`` (their sum), ``share`` (of the
        weight, in all users), ``check`` (what the axis is held against), ``association`` (their
        Cramér's V) and ``agreement`` (the share of users in whom their segments are each other's
        counterpart); for an axis without a check
        the last three are empty.

    Raises
    ------
    ConfigError
        When an axis is checked against what is neither an axis nor a column of the users.
    """
    known = pd.DataFrame() if attributes is None else attributes
    sizes = _sizes(memberships)
    slices = columns_of(memberships.axes)
    tags = [
        _tags(axis, sizes.iloc[slices[axis.name]], _check(axis, memberships, known))
        for axis in memberships.axes
    ]
    none = pd.DataFrame(columns=list(COLUMNS))
    return pd.concat(tags, ignore_index=True) if tags else none


def _sizes(memberships: Memberships) -> pd.DataFrame:
    matrix = memberships.matrix
    weight = np.asarray(matrix.sum(axis=0), dtype=np.float64).ravel()
    users = np.asarray((matrix > 0).sum(axis=0), dtype=np.int64).ravel()
    share = weight / max(len(memberships.users), 1)
    return pd.DataFrame({"users": users, "weight": weight, "share": share})


def _tags(axis: Axis, sizes: pd.DataFrame, check: dict[str, Any]) -> pd.DataFrame:
    config = axis.config
    of_axis = {
        "axis": axis.name,
        "title": config.title or axis.name,
        "kind": config.kind,
        "parents": ", ".join(config.parents),
        "version": axis.definition_id,
        "owner": config.owner or "",
        "update": config.update,
        **check,
    }
    table = sizes.assign(segment=axis.segments, definition=axis.fit.definitions, **of_axis)
    return table[list(COLUMNS)]


def _check(axis: Axis, memberships: Memberships, attributes: pd.DataFrame) -> dict[str, Any]:
    if axis.config.check is None:
        return {"check": "", "association": np.nan, "agreement": np.nan}
    found = associate(memberships.of(axis.name), _standard(axis, memberships, attributes))
    return {
        "check": axis.config.check,
        "association": found.association,
        "agreement": found.matching.share,
    }


def _standard(axis: Axis, memberships: Memberships, attributes: pd.DataFrame) -> Membership:
    """Return memberships by what an axis is checked against."""
    name = axis.config.check or ""
    axes = [other.name for other in memberships.axes]
    if name in axes:
        return memberships.of(name)
    if name not in attributes:
        known = [*axes, *map(str, attributes.columns)]
        raise ConfigError(
            f"[segments.{axis.name}] check = {name!r} is neither an axis nor a column of the "
            f"users{nearest(name, known)}"
        )
    texts = attributes[name].reindex(memberships.users.ids).astype(object)
    values = texts.map(as_text, na_action="ignore")
    codes, names = pd.factorize(values.where(values != ""), sort=True)
    return one_hot(codes.astype(np.int64), len(names))
