"""What a bundle says about itself, and the identity of what was learnt."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from importlib import metadata
from typing import Annotated, Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
from pydantic import AfterValidator, BaseModel, ConfigDict

FORMAT: Final = 5
"""The layout of a bundle's folder and of its arrays; a reader refuses every other number."""

LIBRARIES: Final = ("numpy", "scipy", "implicit", "duckdb", "pandas")
"""Whose versions a manifest records, where they are installed."""

Arrays: TypeAlias = Mapping[str, npt.NDArray[Any]]
"""Named arrays of float32, float64, integers, booleans or text."""

Json: TypeAlias = Mapping[str, Any]
"""A JSON object."""


def moment(text: str) -> datetime:
    """Read an ISO 8601 time in UTC; one without an offset is UTC.

    Raises
    ------
    ValueError
        When `text` is not ISO 8601 or has an offset other than zero.
    """
    parsed = datetime.fromisoformat(text)
    if parsed.utcoffset():
        raise ValueError(f"{text!r} is not in UTC; convert it first")
    return parsed.replace(tzinfo=UTC)


def _utc(text: str) -> str:
    # The text stays as it came: parsing would lose its nanoseconds.
    moment(text)
    return text


UtcText = Annotated[str, AfterValidator(_utc)]


class ArrayEntry(BaseModel):
    """One array and the ``.npy`` file that holds it.

    Attributes
    ----------
    dtype
        numpy's spelling, little-endian, such as ``<f4``.
    shape
        Length of each dimension.
    sha256
        Checksum of the file, hexadecimal.
    bytes
        Length of the file.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    dtype: str
    shape: tuple[int, ...]
    sha256: str
    bytes: int


class Manifest(BaseModel):
    """What a bundle says about itself.

    Attributes
    ----------
    format
        Layout of the folder, `FORMAT`.
    version
        Name of the bundle: the day of `as_of` and the beginning of `content_id`.
    content_id
        Identity of what was learnt, see :func:`content_id`.
    as_of
        Nothing at or after it was learnt from, ISO 8601 UTC; None when events have no times.
    created_at
        When it was published, ISO 8601 UTC.
    config
        The resolved config of the training.
    learnt
        Learnt numbers that are not arrays: weights, cut points.
    recipes
        The resolved recipe of each variant.
    window
        The window of the data that was learnt from.
    rows
        Counts of rows read, used and rejected.
    libraries
        Installed versions of the libraries that do the arithmetic.
    notes
        What a person should know about this training.
    arrays
        The arrays, by name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int
    version: str
    content_id: str
    as_of: UtcText | None
    created_at: UtcText
    config: dict[str, Any]
    learnt: dict[str, Any]
    recipes: dict[str, Any]
    window: dict[str, Any]
    rows: dict[str, Any]
    libraries: dict[str, str]
    notes: list[str]
    arrays: dict[str, ArrayEntry]

    @property
    def bytes(self) -> int:
        """What its arrays take on the disk."""
        return sum(entry.bytes for entry in self.arrays.values())


def plain_json(value: Any) -> Any:
    """Return `value` as it will be read back: tuples become lists and keys become texts.

    Raises
    ------
    ValueError
        When a number is not finite; JSON has no word for it.
    TypeError
        When something in it is no JSON, such as a numpy scalar.
    """
    return json.loads(json.dumps(value, allow_nan=False))


def canonical_json(value: Any) -> bytes:
    """Spell `value` in the one canonical way: sorted keys, no whitespace, ASCII.

    Raises
    ------
    ValueError
        When a number is not finite.
    """
    # Keys are made texts before they are sorted: 10 sorts after 2, but "10" before "2".
    return json.dumps(plain_json(value), sort_keys=True, separators=(",", ":")).encode()


def canonical_array(name: str, array: npt.ArrayLike) -> npt.NDArray[Any]:
    """Return the same values as a plain array, little-endian and in C order.

    Raises
    ------
    ValueError
        When the dtype is not float32, float64, an integer, bool or text.
    """
    plain = np.asarray(array)
    if not _is_storable(plain.dtype):
        raise ValueError(
            f"array {name!r} has dtype {plain.dtype}; a bundle holds float32, float64, "
            "integers, bool and text"
        )
    return np.asarray(plain, dtype=plain.dtype.newbyteorder("<"), order="C")


def _is_storable(dtype: np.dtype[Any]) -> bool:
    return dtype.kind in "biuU" or (dtype.kind == "f" and dtype.itemsize in (4, 8))


def content_id(arrays: Arrays, learnt: Json, recipes: Json) -> str:
    """Identity of what was learnt: SHA-256 of one canonical encoding, 64 hexadecimal digits.

    The encoding is, for each array in the order of the names, its name, dtype and shape as one
    line of JSON and its values little-endian in C order; then `learnt` and `recipes` as canonical
    JSON. Order of keys, memory layout and endianness do not matter; paths, row counts, library
    versions and run time do not enter.

    Parameters
    ----------
    arrays
        Named arrays of any shape.
    learnt, recipes
        JSON objects.

    Raises
    ------
    ValueError
        When a number in the JSON is not finite, or an array has a dtype no bundle holds.

    Examples
    --------
    >>> rows = np.arange(6.0).reshape(2, 3)
    >>> columns = np.asfortranarray(rows)
    >>> content_id({"x": rows}, {"w": 0.5}, {}) == content_id({"x": columns}, {"w": 0.5}, {})
    True
    >>> content_id({"x": rows}, {"w": 0.5}, {}) == content_id({"x": rows}, {"w": 0.25}, {})
    False
    """
    digest = sha256()
    for name in sorted(arrays):
        array = canonical_array(name, arrays[name])
        digest.update(canonical_json([name, array.dtype.str, array.shape]) + b"\n")
        digest.update(array.reshape(-1).data)
    digest.update(b"\n" + canonical_json([learnt, recipes]))
    return digest.hexdigest()


def version_name(as_of: str | None, identity: str) -> str:
    """Name of a bundle, such as ``20171201-3fa9c1d20b7e``; it sorts by day."""
    day = "untimed" if as_of is None else moment(as_of).date().isoformat().replace("-", "")
    return f"{day}-{identity[:12]}"


def library_versions() -> dict[str, str]:
    """Installed versions of `LIBRARIES`, without importing them."""
    found = {name: _installed(name) for name in LIBRARIES}
    return {name: version for name, version in found.items() if version is not None}


def _installed(library: str) -> str | None:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return None
