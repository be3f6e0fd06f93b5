"""The store: a folder for each version, and a pointer to the one that is served.

::

    store/
    ├── active.json          the served version and the ones before it
    ├── .lock                held by whoever writes; readers need no lock
    └── bundles/
        ├── 20171201-3fa9c1d20b7e/
        └── .partial-…       a publish under way, or one that was killed
"""

import fcntl
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from pydantic import Field

from recsys.bundle.folder import (
    Bundle,
    check_content,
    check_files,
    map_arrays,
    read_manifest,
    sync_folder,
    write_bundle,
)
from recsys.bundle.manifest import (
    FORMAT,
    Arrays,
    Json,
    Manifest,
    canonical_array,
    content_id,
    library_versions,
    moment,
    plain_json,
    version_name,
)
from recsys.bundle.pointer import Pointer, read_pointer, write_pointer
from recsys.errors import BundleError, NotFoundError, StoreError
from recsys.types import Config

PARTIAL: Final = ".partial-"
REMOVED: Final = ".removed-"


class StoreConfig(Config):
    """The ``[store]`` table of the config."""

    path: str = Field("store", description="the folder of bundles")


class BundleStore:
    """Bundles below one folder: publish, activate, roll back, load, prune.

    A bundle is never changed. It appears under its version in one step, complete, and is served
    once it is activated. Writers exclude each other by a file lock that the system releases when
    they die; readers need none.

    Parameters
    ----------
    path
        The store's folder; it is made by the first publish.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._bundles = self.path / "bundles"
        self._pointer = self.path / "active.json"

    # One keyword for each thing a manifest records.
    def publish(
        self,
        arrays: Arrays,
        *,
        as_of: str | None,
        config: Json,
        learnt: Json,
        recipes: Json,
        window: Json,
        rows: Json,
        notes: Sequence[str] = (),
        created_at: str,
    ) -> Manifest:
        """Write a bundle; it is not served before it is activated.

        Publishing the same content for the same day again changes nothing and returns the
        manifest that is there; it also repairs a damaged bundle of that version.

        Parameters
        ----------
        arrays
            Named arrays of float32, float64, integers, bool or text.
        as_of, created_at
            ISO 8601 in UTC, kept as they are.
        config, learnt, recipes, window, rows, notes
            JSON, see :class:`Manifest`.

        Raises
        ------
        ValueError
            For another dtype, a number in the JSON that is not finite, or a time not in UTC.
        TypeError
            When a value is no JSON, such as a numpy scalar.
        StoreError
            When the folder cannot be written.
        """
        plain = {name: canonical_array(name, array) for name, array in arrays.items()}
        identity = content_id(plain, learnt, recipes)
        draft = Manifest(
            format=FORMAT,
            version=version_name(as_of, identity),
            content_id=identity,
            as_of=as_of,
            created_at=created_at,
            config=plain_json(dict(config)),
            learnt=plain_json(dict(learnt)),
            recipes=plain_json(dict(recipes)),
            window=plain_json(dict(window)),
            rows=plain_json(dict(rows)),
            libraries=library_versions(),
            notes=list(notes),
            arrays={},
        )
        with self._writing():
            self._sweep()
            return self._published(draft) or self._write(draft, plain)

    def activate(self, version: str) -> None:
        """Serve `version` from now on, once every byte of it has been checked.

        Raises
        ------
        NotFoundError
            When there is no such version.
        BundleError
            When it is damaged, half-written or of another format; what was served stays served.
        StoreError
            When the folder cannot be written.
        """
        self._folder(version)
        with self._writing():
            self._check(version)
            write_pointer(self._pointer, self._way_back().activated(version))

    def active_version(self) -> str | None:
        """Return the version that is served, or None before the first activation."""
        return read_pointer(self._pointer).current

    def rollback(self) -> str:
        """Serve the version that was served before, and return it.

        The version rolled back from leaves the history: a second rollback goes further back.

        Raises
        ------
        NotFoundError
            When none was served before.
        BundleError
            When that version is damaged; what was served stays served.
        """
        self._previous()
        with self._writing():
            target = self._previous()
            self._check(target)
            write_pointer(self._pointer, read_pointer(self._pointer).rolled_back())
        return target

    def versions(self, *, verify: bool = False) -> list[Manifest]:
        """Manifests of the sound bundles, the newest by `created_at` last.

        Parameters
        ----------
        verify
            Also check every byte of the arrays, not only manifests and lengths of files.
        """
        return self._survey(verify=verify)[0]

    def broken(self, *, verify: bool = False) -> dict[str, str]:
        """Versions that will never be served, each with the reason.

        Parameters
        ----------
        verify
            Also check every byte of the arrays, not only manifests and lengths of files.
        """
        return self._survey(verify=verify)[1]

    def manifest(self, version: str) -> Manifest:
        """Read what a version says about itself.

        Raises
        ------
        NotFoundError
            When there is no such version.
        BundleError
            When it is half-written, of another format or visibly damaged.
        """
        return read_manifest(self._folder(version))

    def load(self, version: str | None = None, *, verify: bool = True) -> Bundle:
        """Load a bundle; its arrays are mapped from their files, read-only.

        Parameters
        ----------
        version
            A version; None for the active one.
        verify
            Check every byte first; without it only the manifest and the lengths of files.

        Raises
        ------
        StoreError
            When no version is active.
        NotFoundError
            When there is no such version.
        BundleError
            When it is damaged, half-written or of another format.
        """
        folder = self._folder(version or self._active())
        manifest = read_manifest(folder)
        if verify:
            check_files(folder, manifest)
        return Bundle(manifest=manifest, arrays=map_arrays(folder, manifest))

    def prune(self, keep: int) -> list[str]:
        """Remove all but the newest `keep` versions, and return what was removed.

        The active version and the one a rollback would activate always stay. Broken ones stay
        too: a bundle of another format may be sound to another release.

        Raises
        ------
        ValueError
            When `keep` is negative.
        StoreError
            When it is not known what is active, or the folder cannot be written.
        """
        if keep < 0:
            raise ValueError(f"keep is {keep}; it cannot be negative")
        if not self._names():
            return []
        with self._writing():
            self._sweep()
            return self._remove_oldest(keep)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            self._bundles.mkdir(parents=True, exist_ok=True)
            with (self.path / ".lock").open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
        except OSError as error:
            raise StoreError(
                f"the store {self.path} cannot be written: {error}; check [store] path, its "
                "permissions and the free space"
            ) from error

    def _sweep(self) -> None:
        # Under the lock nobody else is writing, so these were left by someone who was killed.
        for folder in self._bundles.iterdir():
            if folder.name.startswith((PARTIAL, REMOVED)):
                shutil.rmtree(folder)

    def _published(self, draft: Manifest) -> Manifest | None:
        """Find the sound bundle that already has the draft's version, if there is one."""
        try:
            found = self.load(draft.version).manifest
        except (NotFoundError, BundleError):
            return None
        if found.content_id != draft.content_id:
            raise StoreError(
                f"version {draft.version!r} already has content {found.content_id}, and "
                f"{draft.content_id} cannot replace it; choose another as_of"
            )
        return found

    def _write(self, draft: Manifest, arrays: Arrays) -> Manifest:
        partial = self._bundles / f"{PARTIAL}{draft.version}"
        try:
            manifest = write_bundle(partial, draft, arrays)
        except Exception:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        # Whatever has the name by now is damaged; the name says what it should have held.
        self._remove(draft.version)
        os.rename(partial, self._bundles / draft.version)
        sync_folder(self._bundles)
        return manifest

    def _remove(self, version: str) -> None:
        folder = self._bundles / version
        if folder.exists():
            # Renamed first: a bundle goes as it comes, in one step.
            removed = self._bundles / f"{REMOVED}{version}"
            os.rename(folder, removed)
            shutil.rmtree(removed)

    def _remove_oldest(self, keep: int) -> list[str]:
        pointer = read_pointer(self._pointer)
        newest_first = [manifest.version for manifest in reversed(self.versions())]
        spared = {*newest_first[:keep], pointer.current, pointer.previous}
        doomed = [version for version in reversed(newest_first) if version not in spared]
        if pointer.without(doomed) != pointer:
            write_pointer(self._pointer, pointer.without(doomed))
        for version in doomed:
            self._remove(version)
        return doomed

    def _check(self, version: str) -> None:
        check_content(self.load(version))

    def _way_back(self) -> Pointer:
        try:
            return read_pointer(self._pointer)
        except StoreError:
            # Activating again is the remedy for a damaged pointer, so it must not stop here.
            return Pointer()

    def _previous(self) -> str:
        version = read_pointer(self._pointer).previous
        if version is None:
            raise NotFoundError(f"no model version was active before in {self.path}")
        return version

    def _active(self) -> str:
        version = self.active_version()
        if version is None and self._names():
            raise StoreError(
                f"no model version in {self.path} is active; run `recsys models activate VERSION` "
                "or `recsys train`"
            )
        if version is None:
            raise StoreError(f"no model has been published in {self.path}; run `recsys train`")
        return version

    def _names(self) -> list[str]:
        try:
            found = [entry for entry in self._bundles.iterdir() if entry.is_dir()]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StoreError(f"the store {self.path} cannot be read: {error}") from error
        return sorted(entry.name for entry in found if not entry.name.startswith("."))

    def _folder(self, version: str) -> Path:
        known = self._names()
        # Looked up, not joined: a version may come from outside and name any path.
        if version not in known:
            listed = ", ".join(known) or "none"
            raise NotFoundError(
                f"there is no model version {version!r} in {self.path}; known versions: {listed}"
            )
        return self._bundles / version

    def _survey(self, *, verify: bool) -> tuple[list[Manifest], dict[str, str]]:
        sound: list[Manifest] = []
        broken: dict[str, str] = {}
        for name in self._names():
            try:
                sound.append(self._inspect(name, verify=verify))
            except BundleError as error:
                broken[name] = str(error)
        sound.sort(key=lambda manifest: (moment(manifest.created_at), manifest.version))
        return sound, broken

    def _inspect(self, version: str, *, verify: bool) -> Manifest:
        folder = self._bundles / version
        manifest = read_manifest(folder)
        if verify:
            check_files(folder, manifest)
        return manifest
