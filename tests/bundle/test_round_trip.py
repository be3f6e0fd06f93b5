import json
from importlib import metadata

import numpy as np
import pytest

from recsys.bundle import FORMAT, StoreConfig

EVERY_DTYPE = {
    "float32": np.array([[1.5, -np.inf], [np.nan, 0.0]], np.float32),
    "float64": np.array([1e-300, -0.0]),
    "int8": np.array([-128, 127], np.int8),
    "int32": np.array([[1], [2]], np.int32),
    "int64": np.array([2**62, -1]),
    "uint16": np.array([65535], np.uint16),
    "bool": np.array([True, False, True]),
    "text": np.array(["", "007", "Ünï", "日本"]),
}


@pytest.mark.parametrize("name", EVERY_DTYPE)
def test_every_dtype_comes_back(store, publish, name):
    array = EVERY_DTYPE[name]
    found = store.load(publish(arrays={name: array}).version).arrays[name]
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize("shape", [(), (1,), (0,), (0, 3), (3, 0), (2, 3, 4)], ids=str)
@pytest.mark.parametrize("dtype", ["f4", "?", "U3"])
def test_every_shape_comes_back(store, publish, shape, dtype):
    array = np.ones(shape, dtype)
    found = store.load(publish(arrays={"x": array}).version).arrays["x"]
    assert (found.shape, found.dtype) == (array.shape, array.dtype)
    assert not found.flags.writeable
    np.testing.assert_array_equal(found, array)


def test_layout_and_endianness_become_plain(store, publish):
    array = np.asfortranarray(np.arange(6.0).reshape(2, 3)).astype(">f8")
    found = store.load(publish(arrays={"x": array}).version).arrays["x"]
    assert found.dtype.str == "<f8"
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize(
    "name", ["prior:âge/lift", "..", "../../x", "a b", "manifest.json", "", "%"]
)
def test_any_text_names_an_array(store, publish, name):
    bundle = store.load(publish(arrays={name: np.array([1.0])}).version)
    assert list(bundle.arrays) == [name]
    assert all(path.is_file() for path in (store.path / "bundles").glob("*/*"))


@pytest.mark.parametrize("array", EVERY_DTYPE.values(), ids=EVERY_DTYPE)
def test_arrays_are_read_only(store, publish, array):
    found = store.load(publish(arrays={"x": array}).version).arrays["x"]
    with pytest.raises(ValueError, match="read-only"):
        found[...] = found
    with pytest.raises(ValueError, match="cannot set WRITEABLE flag"):
        found.flags.writeable = True


def test_the_bundle_itself_cannot_be_changed(store, publish):
    bundle = store.load(publish().version)
    with pytest.raises(TypeError):
        bundle.arrays["x"] = np.zeros(1)
    with pytest.raises(AttributeError):
        bundle.manifest = None
    with pytest.raises(ValueError, match="frozen"):
        bundle.manifest.version = "other"


def test_the_arrays_published_stay_the_callers(store, publish):
    array = np.arange(3.0)
    version = publish(arrays={"x": array}).version
    array[0] = 9
    assert store.load(version).arrays["x"].tolist() == [0, 1, 2]


def test_the_manifest_comes_back(store, publish):
    manifest = publish(learnt={"cuts": (1, 2.5), "by_age": {30: None}}, as_of="2017-12-01")
    assert manifest.format == FORMAT
    assert manifest.as_of == "2017-12-01"
    assert manifest.learnt == {"cuts": [1, 2.5], "by_age": {"30": None}}
    assert manifest.libraries["numpy"] == np.__version__
    assert manifest.notes == ["small"]
    assert store.manifest(manifest.version) == manifest
    assert store.load(manifest.version).manifest == manifest


def test_only_installed_libraries_are_listed(publish):
    installed = {distribution.name.lower() for distribution in metadata.distributions()}
    assert set(publish().libraries) == installed & {
        "numpy",
        "scipy",
        "implicit",
        "duckdb",
        "pandas",
    }


def test_a_version_is_the_day_and_the_content(publish):
    manifest = publish()
    assert manifest.version == f"20171201-{manifest.content_id[:12]}"
    assert publish(as_of=None).version == f"untimed-{manifest.content_id[:12]}"
    assert publish(as_of="2018-01-02T03:04:05.123456789").version.startswith("20180102-")


def test_a_bundle_without_arrays(store, publish):
    assert dict(store.load(publish(arrays={}).version).arrays) == {}


def test_the_manifest_is_plain_json_with_a_checksum_file(store, publish):
    folder = store.path / "bundles" / publish().version
    document = json.loads((folder / "manifest.json").read_text())
    assert document["arrays"]["item_factors"]["shape"] == [7, 3]
    assert (folder / "manifest.sha256").read_text().endswith("  manifest.json\n")


def test_equal_content_gives_equal_files(store, publish):
    first, second = publish(), publish(as_of="2017-12-02")
    assert first.content_id == second.content_id
    assert first.arrays == second.arrays


@pytest.mark.parametrize("time", ["yesterday", "2017-12-01T00:00:00+02:00", ""])
@pytest.mark.parametrize("which", ["as_of", "created_at"])
def test_a_time_that_is_not_utc_is_refused(store, publish, which, time):
    with pytest.raises(ValueError):
        publish(**{which: time})
    assert not store.path.exists()


@pytest.mark.parametrize("part", ["config", "learnt", "recipes", "window", "rows"])
def test_json_without_a_spelling_is_refused(store, publish, part):
    with pytest.raises(ValueError, match="not JSON compliant"):
        publish(**{part: {"x": float("nan")}})
    with pytest.raises(TypeError, match="not JSON serializable"):
        publish(**{part: {"x": np.float32(1)}})
    assert not store.path.exists()


def test_an_array_of_objects_is_refused(store, publish):
    with pytest.raises(ValueError, match="'x' has dtype object"):
        publish(arrays={"x": np.array([None])})
    assert not store.path.exists()


def test_the_config_of_the_store():
    assert StoreConfig().path == "store"
    with pytest.raises(ValueError, match="Extra inputs"):
        StoreConfig(paht="x")
