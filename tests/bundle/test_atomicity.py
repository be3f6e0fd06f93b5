"""A bundle is there completely or not at all, whenever its writer dies."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from recsys.bundle import BundleStore
from recsys.errors import StoreError


class Killed(BaseException):
    """Not an Exception: as with a real kill, nobody tidies up."""


class Countdown:
    """Stands in for a system call and dies in place of the n-th one."""

    def __init__(self, call, n, error):
        self.call, self.left, self.error = call, n, error

    def __call__(self, *arguments):
        self.left -= 1
        if self.left == 0:
            raise self.error
        return self.call(*arguments)


def entries(store):
    return sorted(path.name for path in (store.path / "bundles").iterdir())


# Four arrays, the manifest, its checksum, the folder: the eighth comes after the rename.
@pytest.mark.parametrize("n", range(1, 8))
def test_a_publish_killed_before_the_end_never_lists_and_never_loads(
    store, publish, monkeypatch, n
):
    before = publish(1)
    store.activate(before.version)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(os, "fsync", Countdown(os.fsync, n, Killed()))
        publish(2)
    assert len(entries(store)) == 2
    assert store.versions() == [before]
    assert store.broken() == {}
    assert store.load().arrays["seed"] == 1
    after = publish(2)
    assert store.versions() == [before, after]
    assert entries(store) == sorted([before.version, after.version])


def test_a_publish_killed_after_the_rename_is_complete(store, publish, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(os, "fsync", Countdown(os.fsync, 8, Killed()))
        publish(2)
    (found,) = store.versions(verify=True)
    assert publish(2) == found


def test_a_repair_killed_between_its_renames_lists_nothing(store, publish, monkeypatch):
    version = publish().version
    (store.path / "bundles" / version / "sold.npy").unlink()
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(os, "rename", Countdown(os.rename, 2, Killed()))
        publish()
    assert (store.versions(), store.broken()) == ([], {})
    publish()
    assert entries(store) == [version]


@pytest.mark.parametrize("n", range(1, 9))
def test_a_full_disk_is_a_store_error_and_leaves_nothing(store, publish, monkeypatch, n):
    with monkeypatch.context() as patch, pytest.raises(StoreError, match="No space left"):
        patch.setattr(os, "fsync", Countdown(os.fsync, n, OSError(28, "No space left on device")))
        publish()
    assert len(entries(store)) == (1 if n == 8 else 0)
    publish()
    assert len(store.versions(verify=True)) == 1


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_an_activation_killed_half_way_leaves_the_old_one(store, publish, monkeypatch, step):
    first, second = publish(1).version, publish(2).version
    store.activate(first)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(os, step, Countdown(getattr(os, step), 1, Killed()))
        store.activate(second)
    assert store.load().arrays["seed"] == 1
    store.activate(second)
    assert store.load().arrays["seed"] == 2


def test_a_prune_killed_half_way_leaves_whole_bundles(store, publish, monkeypatch):
    for seed in range(3):
        publish(seed)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr("shutil.rmtree", Countdown(None, 1, Killed()))
        store.prune(1)
    assert len(store.versions(verify=True)) == 2
    assert store.broken() == {}
    store.prune(1)
    assert len(entries(store)) == 1


def test_a_process_really_killed_releases_the_store(store, publish):
    script = """
        import os, signal, sys
        import numpy as np
        from recsys.bundle import BundleStore

        def die(descriptor):
            os.kill(os.getpid(), signal.SIGKILL)

        os.fsync = die
        empty = {name: {} for name in ("config", "learnt", "recipes", "window", "rows")}
        BundleStore(sys.argv[1]).publish(
            {"x": np.zeros(9)}, as_of=None, created_at="2018-01-01", **empty
        )
    """
    command = [sys.executable, "-c", textwrap.dedent(script), str(store.path)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert len(entries(store)) == 1
    assert (store.versions(), store.broken()) == ([], {})
    manifest = publish()
    assert entries(store) == [manifest.version]


@pytest.mark.parametrize("name", [".partial-20171201-000000000000", ".removed-x", ".DS_Store"])
def test_leftovers_are_ignored_and_only_ours_are_removed(store, publish, name):
    publish(1)
    leftover = store.path / "bundles" / name
    leftover.mkdir()
    (leftover / "item_factors.npy").write_bytes(b"half")
    assert len(store.versions()) == 1
    assert store.broken() == {}
    publish(2)
    assert leftover.exists() == (name == ".DS_Store")


def test_publishing_the_same_again_changes_nothing(store, publish):
    first = publish()
    folder = store.path / "bundles" / first.version
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert publish(created_at="2030-01-01", rows={"used": 11}, config={}) == first
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_a_different_bundle_never_overwrites(store, publish, monkeypatch):
    first = publish(1)
    # Twelve equal digits do not happen by themselves.
    monkeypatch.setattr("recsys.bundle.store.version_name", lambda *_: first.version)
    with pytest.raises(StoreError, match="cannot replace it"):
        publish(2)
    assert store.load(first.version).arrays["seed"] == 1


def test_writers_take_turns(store, publish):
    seeds = [0, 1, 2, 0, 1, 2, 0, 1, 2]
    with ThreadPoolExecutor(4) as pool:
        manifests = list(pool.map(publish, seeds))
    assert manifests[:3] == manifests[3:6] == manifests[6:]
    assert store.versions(verify=True) == manifests[:3]
    assert len(entries(store)) == 3


def test_readers_see_whole_bundles_while_versions_change(store, publish):
    seed_of = {publish(seed).version: seed for seed in (1, 2)}
    store.activate(next(iter(seed_of)))
    done = threading.Event()

    def read():
        seen = set()
        while not done.is_set():
            bundle = BundleStore(store.path).load()
            seed = int(bundle.arrays["seed"])
            assert seed == seed_of[bundle.manifest.version]
            seen.add(seed)
        return seen

    with ThreadPoolExecutor(2) as pool:
        readers = [pool.submit(read) for _ in range(2)]
        for version in list(seed_of) * 20:
            store.activate(version)
        done.set()
        assert set.union(*(reader.result() for reader in readers)) <= {1, 2}


def test_a_loaded_bundle_outlives_its_files(store, publish):
    old = store.load(publish(1).version)
    expected = np.array(old.arrays["item_factors"])
    publish(2)
    assert store.prune(1) == [old.manifest.version]
    np.testing.assert_array_equal(old.arrays["item_factors"], expected)
