"""A bundle that is not what was published is refused, whatever happened to it."""

import json
import shutil
from contextlib import contextmanager
from hashlib import sha256

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.bundle import FORMAT, BundleStore
from recsys.errors import BundleError, NotFoundError

FILES = [
    "manifest.json",
    "manifest.sha256",
    "item_factors.npy",
    "item_ids.npy",
    "seed.npy",
    "sold.npy",
]


@pytest.fixture(scope="module")
def active(tmp_path_factory, publish_into):
    """A store with one active bundle; whoever damages it restores it."""
    store = BundleStore(tmp_path_factory.mktemp("damage"))
    store.activate(publish_into(store).version)
    return store


def folder_of(store):
    return store.path / "bundles" / store.active_version()


@contextmanager
def replaced(path, data):
    before = path.read_bytes()
    path.write_bytes(data)
    try:
        yield
    finally:
        path.write_bytes(before)


def assert_refused(store, match=None):
    version = store.active_version()
    for attempt in (store.load, lambda: store.load(version), lambda: store.activate(version)):
        with pytest.raises(BundleError, match=match):
            attempt()
    assert list(store.broken(verify=True)) == [version]
    assert store.versions(verify=True) == []


def with_manifest(folder, document):
    """The folder's manifest replaced by one with the right checksum."""
    data = json.dumps(document).encode()
    (folder / "manifest.json").write_bytes(data)
    (folder / "manifest.sha256").write_text(f"{sha256(data).hexdigest()}  manifest.json\n")


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_flipped_bit_is_refused(active, name, data):
    path = folder_of(active) / name
    damaged = bytearray(path.read_bytes())
    bit = data.draw(st.integers(0, 8 * len(damaged) - 1))
    damaged[bit // 8] ^= 1 << bit % 8
    with replaced(path, bytes(damaged)):
        assert_refused(active)
    assert active.load().arrays["seed"] == 0


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_a_truncated_file_is_refused(active, name, data):
    path = folder_of(active) / name
    whole = path.read_bytes()
    with replaced(path, whole[: data.draw(st.integers(0, len(whole) - 1))]):
        assert_refused(active)


@pytest.mark.parametrize("name", FILES)
def test_a_longer_file_is_refused(active, name):
    path = folder_of(active) / name
    with replaced(path, path.read_bytes() + b"\n"):
        assert_refused(active)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(active, name):
    path = folder_of(active) / name
    data = path.read_bytes()
    path.unlink()
    try:
        assert_refused(active, match=name)
    finally:
        path.write_bytes(data)


@pytest.mark.parametrize("name", FILES)
def test_a_folder_in_place_of_a_file_is_refused(store, publish, name):
    store.activate(publish().version)
    path = folder_of(store) / name
    path.unlink()
    path.mkdir()
    assert_refused(store, match=name)


def test_a_wrong_checksum_names_the_file(active):
    path = folder_of(active) / "item_factors.npy"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    with replaced(path, bytes(data)):
        assert_refused(active, match=r"item_factors\.npy: its checksum is \w{64} instead of \w{64}")


def test_a_quick_look_checks_manifests_and_lengths_only(store, publish):
    version = publish().version
    path = store.path / "bundles" / version / "item_factors.npy"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert [manifest.version for manifest in store.versions()] == [version]
    assert store.broken() == {}
    store.load(version, verify=False)
    path.write_bytes(whole[:-1])
    assert store.versions() == []
    assert "item_factors.npy" in store.broken()[version]
    with pytest.raises(BundleError, match=r"item_factors\.npy"):
        store.load(version, verify=False)


@pytest.mark.parametrize("start", [b"", b"PK\x03\x04", b"\x80\x04", b"\x93NUMPY\x09", b"\x93NUMPY"])
def test_a_damaged_header_is_refused_even_unverified(store, publish, start):
    version = publish().version
    path = store.path / "bundles" / version / "item_factors.npy"
    size = path.stat().st_size
    path.write_bytes(start + bytes(size - len(start)))
    with pytest.raises(BundleError, match=r"item_factors\.npy"):
        store.load(version, verify=False)


def test_an_array_of_another_type_is_refused_even_unverified(store, publish):
    version = publish(arrays={"x": np.zeros(4, np.float32)}).version
    np.save(store.path / "bundles" / version / "x.npy", np.zeros(4, np.int32))
    with pytest.raises(BundleError, match=r"x\.npy: it is no <f4 array of shape \(4,\)"):
        store.load(version, verify=False)


def test_a_pickle_is_never_opened(store, publish):
    version = publish(arrays={"x": np.zeros(4)}).version
    folder = store.path / "bundles" / version
    np.save(folder / "x.npy", np.array([{}]), allow_pickle=True)
    data = (folder / "x.npy").read_bytes()
    document = json.loads((folder / "manifest.json").read_text())
    document["arrays"]["x"] = {
        "dtype": "|O",
        "shape": [1],
        "sha256": sha256(data).hexdigest(),
        "bytes": len(data),
    }
    with_manifest(folder, document)
    with pytest.raises(BundleError, match=r"x\.npy"):
        store.load(version)


def test_another_format_names_both_and_the_remedy(store, publish):
    store.activate(publish().version)
    folder = folder_of(store)
    document = json.loads((folder / "manifest.json").read_text())
    with_manifest(folder, document | {"format": FORMAT + 1})
    (folder / "manifest.sha256").unlink()
    assert_refused(store, match=rf"has format {FORMAT + 1}, .* reads format {FORMAT}; train again")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"surprise": 1}, "surprise: Extra inputs"),
        ({"notes": "text"}, "notes: "),
        ({"as_of": "yesterday"}, "as_of: "),
        ({"version": "20000101-000000000000"}, "belongs to version '20000101-000000000000'"),
    ],
    ids=str,
)
def test_a_manifest_of_another_shape_is_refused(store, publish, change, reason):
    store.activate(publish().version)
    folder = folder_of(store)
    with_manifest(folder, json.loads((folder / "manifest.json").read_text()) | change)
    assert_refused(store, match=reason)


@pytest.mark.parametrize("text", ["", "[]", "null", "{", "{}", '"x"', "\xff", '{"format": "1"}'])
def test_a_manifest_that_is_no_manifest_is_refused(store, publish, text):
    store.activate(publish().version)
    folder = folder_of(store)
    (folder / "manifest.json").write_bytes(text.encode("latin-1"))
    assert_refused(store)


def test_a_learnt_number_changed_with_its_checksum_is_not_activated(store, publish):
    version = publish().version
    folder = store.path / "bundles" / version
    document = json.loads((folder / "manifest.json").read_text())
    with_manifest(folder, document | {"learnt": {"weights": {"als": 0.75}}})
    with pytest.raises(BundleError, match="its content gives"):
        store.activate(version)
    assert store.active_version() is None


def test_a_renamed_bundle_is_refused(store, publish):
    version = publish().version
    bundles = store.path / "bundles"
    shutil.copytree(bundles / version, bundles / "20200101-copy")
    with pytest.raises(BundleError, match="belongs to version"):
        store.load("20200101-copy")
    assert list(store.broken()) == ["20200101-copy"]


def test_publishing_again_repairs(store, publish):
    version = publish().version
    folder = store.path / "bundles" / version
    (folder / "sold.npy").unlink()
    repaired = publish(created_at="2019-01-01")
    assert (repaired.version, repaired.created_at) == (version, "2019-01-01")
    assert store.load(version).manifest == repaired
    assert store.broken(verify=True) == {}
    assert [path.name for path in folder.parent.iterdir()] == [version]


@pytest.mark.parametrize("version", ["", ".", "..", "../bundles", "/", "20171201-000000000000"])
def test_a_version_that_does_not_exist_is_named_with_the_known_ones(store, publish, version):
    known = publish().version
    for attempt in (store.manifest, store.activate):
        with pytest.raises(NotFoundError, match=f"{known}$") as caught:
            attempt(version)
        assert repr(version) in str(caught.value)


def test_nothing_known_is_said():
    with pytest.raises(NotFoundError, match="known versions: none"):
        BundleStore("nowhere").manifest("20171201-000000000000")
