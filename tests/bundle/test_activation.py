import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from recsys.bundle import BundleStore
from recsys.errors import BundleError, NotFoundError, StoreError


def test_nothing_published(store):
    assert store.active_version() is None
    assert store.versions() == []
    assert store.broken() == {}
    assert store.prune(0) == []
    with pytest.raises(StoreError, match=r"no model has been published.*`recsys train`"):
        store.load()
    with pytest.raises(NotFoundError, match="no model version was active before"):
        store.rollback()
    assert not store.path.exists()


def test_published_is_not_active(store, publish):
    version = publish().version
    assert store.active_version() is None
    with pytest.raises(StoreError, match="`recsys models activate VERSION`"):
        store.load()
    store.activate(version)
    assert store.load().manifest.version == version


def test_rolling_back_goes_back_step_by_step(store, publish):
    first, second, third = (publish(seed).version for seed in range(3))
    for version in (first, second, third):
        store.activate(version)
    assert store.rollback() == second
    assert store.active_version() == second
    assert store.rollback() == first
    with pytest.raises(NotFoundError, match="no model version was active before"):
        store.rollback()
    assert store.load().arrays["seed"] == 0


def test_activating_the_active_one_again_is_no_step(store, publish):
    first, second = publish(1).version, publish(2).version
    for version in (first, second, second):
        store.activate(version)
    assert store.rollback() == first


def test_a_damaged_one_is_not_activated_and_the_old_one_stays(store, publish):
    first, second = publish(1).version, publish(2).version
    store.activate(first)
    (store.path / "bundles" / second / "sold.npy").write_bytes(b"")
    with pytest.raises(BundleError, match=r"sold\.npy"):
        store.activate(second)
    assert store.active_version() == first


def test_a_rollback_to_a_damaged_one_is_refused(store, publish):
    first, second = publish(1).version, publish(2).version
    store.activate(first)
    store.activate(second)
    (store.path / "bundles" / first / "sold.npy").write_bytes(b"")
    with pytest.raises(BundleError, match=r"sold\.npy"):
        store.rollback()
    assert store.active_version() == second


def test_a_damaged_active_one_can_be_rolled_back_from(store, publish):
    first, second = publish(1).version, publish(2).version
    store.activate(first)
    store.activate(second)
    (store.path / "bundles" / second / "manifest.json").unlink()
    assert store.rollback() == first
    assert store.load().arrays["seed"] == 1


@pytest.mark.parametrize("text", ["", "{", "[]", '{"current": 1}', '{"current": "a", "x": 1}'])
def test_a_damaged_pointer_is_an_error_that_activating_mends(store, publish, text):
    version = publish().version
    (store.path / "active.json").write_text(text)
    for attempt in (store.active_version, store.load, store.rollback, lambda: store.prune(0)):
        with pytest.raises(StoreError, match="activate a version again"):
            attempt()
    assert len(store.versions()) == 1
    store.activate(version)
    assert store.active_version() == version


def test_an_active_version_that_is_gone_is_not_found(store, publish):
    version, other = publish(1).version, publish(2).version
    store.activate(version)
    (store.path / "bundles" / version).rename(store.path / "elsewhere")
    with pytest.raises(NotFoundError, match=f"'{version}'.*known versions: {other}"):
        store.load()


def test_the_newest_is_listed_last(store, publish):
    later = publish(1, created_at="2018-03-01T00:00:00Z", as_of="2017-01-01")
    sooner = publish(2, created_at="2018-02-01", as_of="2018-01-01")
    assert store.versions() == [sooner, later]


def test_pruning_spares_the_newest_the_active_and_the_way_back(store, publish):
    versions = [publish(seed).version for seed in range(6)]
    for seed in (0, 1, 3):
        store.activate(versions[seed])
    assert store.prune(1) == [versions[0], versions[2], versions[4]]
    assert [manifest.version for manifest in store.versions()] == [versions[n] for n in (1, 3, 5)]
    assert store.rollback() == versions[1]
    with pytest.raises(NotFoundError):
        store.rollback()


def test_pruning_leaves_broken_ones(store, publish):
    broken = publish(1).version
    (store.path / "bundles" / broken / "manifest.sha256").unlink()
    sound = publish(2).version
    assert store.prune(0) == [sound]
    assert list(store.broken()) == [broken]


def test_a_negative_number_to_keep_is_refused(store):
    with pytest.raises(ValueError, match="keep is -1"):
        store.prune(-1)


@pytest.mark.parametrize("place", ["", "bundles", ".lock"])
def test_a_place_that_cannot_be_written_is_named(store, publish, place):
    store.path.mkdir()
    blocked = store.path / place
    if place == ".lock":
        blocked.mkdir()
    elif place:
        blocked.write_text("a file")
    else:
        blocked.rmdir()
        blocked.write_text("a file")
    with pytest.raises(StoreError, match=f"{store.path} cannot be written"):
        publish()


def test_a_place_that_is_no_folder_is_named(tmp_path):
    (tmp_path / "bundles").write_text("a file")
    with pytest.raises(StoreError, match=f"{tmp_path} cannot be read"):
        BundleStore(tmp_path).versions()


def test_an_array_name_too_long_for_a_file_is_a_store_error(store, publish):
    with pytest.raises(StoreError, match="too long"):
        publish(arrays={"x" * 300: np.zeros(1)})
    assert store.versions() == []


class AnySequence(RuleBasedStateMachine):
    """The store against a model of it in three lists."""

    new_store = None
    publish = None

    @initialize()
    def start(self):
        self.store = type(self).new_store()
        self.published, self.history, self.current = [], [], None

    @rule(seed=st.integers(0, 4))
    def publishes(self, seed):
        version = type(self).publish(self.store, seed).version
        if version not in self.published:
            self.published.append(version)

    @precondition(lambda self: self.published)
    @rule(data=st.data())
    def activates(self, data):
        version = data.draw(st.sampled_from(sorted(self.published)))
        self.store.activate(version)
        if self.current not in (None, version):
            self.history.append(self.current)
        self.history = [name for name in self.history if name != version]
        self.current = version

    @precondition(lambda self: self.history)
    @rule()
    def rolls_back(self):
        self.current = self.history.pop()
        assert self.store.rollback() == self.current

    @precondition(lambda self: not self.history)
    @rule()
    def cannot_roll_back(self):
        with pytest.raises(NotFoundError):
            self.store.rollback()

    @rule(keep=st.integers(0, 3))
    def prunes(self, keep):
        newest = [manifest.version for manifest in self.store.versions()]
        removed = self.store.prune(keep)
        spared = {self.current, *self.history[-1:], *(newest[-keep:] if keep else [])}
        assert removed == [version for version in newest if version not in spared]
        self.published = [name for name in self.published if name not in removed]
        self.history = [name for name in self.history if name not in removed]

    @invariant()
    def agrees(self):
        if hasattr(self, "store"):
            assert self.store.active_version() == self.current
            listed = sorted(manifest.version for manifest in self.store.versions())
            assert listed == sorted(self.published)
            assert self.current is None or self.store.load().manifest.version == self.current


def test_any_sequence_of_commands(tmp_path_factory, publish_into):
    class Here(AnySequence):
        new_store = staticmethod(lambda: BundleStore(tmp_path_factory.mktemp("store")))
        publish = staticmethod(publish_into)

    run_state_machine_as_test(
        Here, settings=settings(max_examples=25, stateful_step_count=12, deadline=None)
    )
