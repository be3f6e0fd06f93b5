"""The folder of one bundle: written durably, read back, checked.

::

    manifest.json     what it is, with the checksum of every array file
    manifest.sha256   checksum of the manifest, as `sha256sum --check` reads it
    <array>.npy       one file for each array; its name is percent-encoded
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import file_digest, sha256
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import quote

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from recsys.bundle.manifest import FORMAT, ArrayEntry, Manifest, content_id
from recsys.errors import BundleError

MANIFEST: Final = "manifest.json"
CHECKSUM: Final = "manifest.sha256"


@dataclass(frozen=True, eq=False)
class Bundle:
    """A loaded bundle.

    Attributes
    ----------
    manifest
        What the bundle says about itself.
    arrays
        The arrays by name, read-only and mapped from their files.
    """

    manifest: Manifest
    arrays: Mapping[str, npt.NDArray[Any]]


def file_name(array: str) -> str:
    """Name the file of an array; any text is a safe file name once percent-encoded."""
    return f"{quote(array, safe='')}.npy"


def write_file(path: Path, data: bytes) -> None:
    """Write a new file and wait until it is on the disk."""
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Wait until the names in `folder` are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_bundle(folder: Path, draft: Manifest, arrays: Mapping[str, npt.NDArray[Any]]) -> Manifest:
    """Fill a new folder with canonical arrays and the manifest, which is returned complete."""
    folder.mkdir()
    entries = {name: _write_array(folder, name, arrays[name]) for name in sorted(arrays)}
    manifest = draft.model_copy(update={"arrays": entries})
    data = (json.dumps(manifest.model_dump(), indent=2) + "\n").encode()
    write_file(folder / MANIFEST, data)
    write_file(folder / CHECKSUM, _checksum_line(data))
    sync_folder(folder)
    return manifest


def _write_array(folder: Path, name: str, array: npt.NDArray[Any]) -> ArrayEntry:
    path = folder / file_name(name)
    with path.open("xb") as file:
        np.save(file, array, allow_pickle=False)
        file.flush()
        os.fsync(file.fileno())
    return ArrayEntry(
        dtype=array.dtype.str,
        shape=array.shape,
        sha256=_file_sha256(path),
        bytes=path.stat().st_size,
    )


def _checksum_line(data: bytes) -> bytes:
    return f"{sha256(data).hexdigest()}  {MANIFEST}\n".encode()


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest, and check it and the lengths of the array files.

    Raises
    ------
    BundleError
        When the bundle is half-written, of another format or visibly damaged.
    """
    data = _read(folder, MANIFEST)
    document = _parse(folder, data)
    # Before the checksum, which a later format may keep elsewhere.
    _check_format(folder, document)
    if _read(folder, CHECKSUM) != _checksum_line(data):
        raise _damaged(folder, MANIFEST, f"its checksum is not the one in {CHECKSUM}")
    manifest = _validate(folder, document)
    if manifest.version != folder.name:
        raise _damaged(folder, MANIFEST, f"it belongs to version {manifest.version!r}")
    for name, entry in manifest.arrays.items():
        _check_length(folder, file_name(name), entry.bytes)
    return manifest


def _read(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except FileNotFoundError as error:
        raise BundleError(
            f"bundle {folder.name!r} has no {name}: it is half-written; train again"
        ) from error
    except OSError as error:
        raise _unreadable(folder, name, error) from error


def _parse(folder: Path, data: bytes) -> dict[str, Any]:
    try:
        document = json.loads(data)
    except ValueError as error:
        raise _damaged(folder, MANIFEST, f"it is no JSON: {error}") from error
    if not isinstance(document, dict):
        raise _damaged(folder, MANIFEST, "it is no JSON object")
    return document


def _check_format(folder: Path, document: dict[str, Any]) -> None:
    found = document.get("format")
    if found != FORMAT:
        raise BundleError(
            f"bundle {folder.name!r} has format {found!r}, and this release reads format "
            f"{FORMAT}; train again"
        )


def _validate(folder: Path, document: dict[str, Any]) -> Manifest:
    try:
        return Manifest.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise _damaged(folder, MANIFEST, f"{where}: {first['msg']}") from error


def _check_length(folder: Path, name: str, expected: int) -> None:
    try:
        found = (folder / name).stat().st_size
    except FileNotFoundError as error:
        raise _damaged(folder, name, "it is missing") from error
    except OSError as error:
        raise _unreadable(folder, name, error) from error
    if found != expected:
        raise _damaged(folder, name, f"it has {found} bytes instead of {expected}")


def check_files(folder: Path, manifest: Manifest) -> None:
    """Check every byte of the array files against the manifest.

    Raises
    ------
    BundleError
        When a file is missing or its checksum differs.
    """
    for name, entry in manifest.arrays.items():
        _check_file(folder, file_name(name), entry.sha256)


def _check_file(folder: Path, name: str, expected: str) -> None:
    try:
        found = _file_sha256(folder / name)
    except OSError as error:
        raise _unreadable(folder, name, error) from error
    if found != expected:
        raise _damaged(folder, name, f"its checksum is {found} instead of {expected}")


def check_content(bundle: Bundle) -> None:
    """Check that the arrays and learnt numbers are the ones the content id was taken over.

    Raises
    ------
    BundleError
        When they are not.
    """
    manifest = bundle.manifest
    found = content_id(bundle.arrays, manifest.learnt, manifest.recipes)
    if found != manifest.content_id:
        raise BundleError(
            f"bundle {manifest.version!r} has content id {manifest.content_id}, but its content "
            f"gives {found}; train again"
        )


def map_arrays(folder: Path, manifest: Manifest) -> Mapping[str, npt.NDArray[Any]]:
    """Map the array files into memory, read-only."""
    arrays = {name: _map(folder, name, entry) for name, entry in manifest.arrays.items()}
    return MappingProxyType(arrays)


def _map(folder: Path, name: str, entry: ArrayEntry) -> npt.NDArray[Any]:
    file = file_name(name)
    try:
        array = _open_array(folder / file, is_empty=0 in entry.shape)
    except Exception as error:  # what a damaged header raises is up to whoever parses it
        raise _unreadable(folder, file, error) from error
    if (array.dtype.str, array.shape) != (entry.dtype, entry.shape):
        raise _damaged(folder, file, f"it is no {entry.dtype} array of shape {entry.shape}")
    # A plain view: the memmap class pays for its bookkeeping with every slice.
    plain = array.view(np.ndarray)
    plain.flags.writeable = False
    return plain


def _open_array(path: Path, *, is_empty: bool) -> npt.NDArray[Any]:
    # np.load would also take a zip or a pickle for an answer; these two read .npy and no objects.
    if not is_empty:
        return np.lib.format.open_memmap(path, mode="r")
    # The system maps no empty range.
    with path.open("rb") as file:
        empty: npt.NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
        return empty


def _damaged(folder: Path, name: str, reason: str) -> BundleError:
    return BundleError(
        f"bundle {folder.name!r} is damaged: {name}: {reason}; activate another version or "
        "train again"
    )


def _unreadable(folder: Path, name: str, error: Exception) -> BundleError:
    return _damaged(folder, name, f"it cannot be read: {error}")
