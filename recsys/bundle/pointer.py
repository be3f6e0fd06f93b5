"""Which version is served, and which ones were served before it."""

import os
from collections.abc import Collection
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from recsys.bundle.folder import sync_folder, write_file
from recsys.errors import StoreError


class Pointer(BaseModel):
    """The served version and the way back.

    Attributes
    ----------
    current
        The version that is served; None before the first activation.
    history
        Versions served before it, the latest last, each once.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    current: str | None = None
    history: list[str] = []

    @property
    def previous(self) -> str | None:
        """What a rollback would activate."""
        return self.history[-1] if self.history else None

    def activated(self, version: str) -> "Pointer":
        """Return the pointer once `version` is served."""
        before = [*self.history, *([self.current] if self.current else [])]
        return Pointer(current=version, history=[name for name in before if name != version])

    def rolled_back(self) -> "Pointer":
        """Return the pointer once the previous version is back; the current one is forgotten."""
        return Pointer(current=self.previous, history=self.history[:-1])

    def without(self, versions: Collection[str]) -> "Pointer":
        """Return the pointer with `versions` gone from the way back."""
        kept = [name for name in self.history if name not in versions]
        return self.model_copy(update={"history": kept})


def read_pointer(path: Path) -> Pointer:
    """Read the pointer; one that was never written points nowhere.

    Raises
    ------
    StoreError
        When the file is damaged or cannot be read.
    """
    try:
        return Pointer.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return Pointer()
    except (OSError, ValidationError) as error:
        raise StoreError(f"{path} cannot be read: {error}; activate a version again") from error


def write_pointer(path: Path, pointer: Pointer) -> None:
    """Replace the pointer; a reader sees the old one or the new one, never a part."""
    partial = path.with_name(f".{path.name}")
    partial.unlink(missing_ok=True)
    write_file(partial, (pointer.model_dump_json(indent=2) + "\n").encode())
    os.replace(partial, path)
    sync_folder(path.parent)
