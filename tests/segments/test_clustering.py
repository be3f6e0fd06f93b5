"""Clusters that are there are found, whatever order the customers come in."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from recsys.errors import ConfigError
from recsys.segments.clustering import (
    REMARKABLE,
    Clustering,
    Clusters,
    Scaling,
    assign,
    fit_clusters,
    scaled,
    standardise,
)
from recsys.types import Floats, Indices

COLUMNS = ("spend", "orders", "recency")
CORNERS = np.array([[0.0, 0.0, 0.0], [900.0, 0.0, 30.0], [0.0, 20.0, 60.0]])


def table(seed: int) -> Floats:
    """A few customers with many equal and many missing values."""
    rng = np.random.default_rng(seed)
    values = rng.integers(-3, 4, size=(rng.integers(1, 30), 3)).astype(float)
    values[rng.random(values.shape) < rng.choice([0.0, 0.3, 0.9])] = np.nan
    return values


TABLE = st.integers(0, 2**32).map(table)


def blobs(n: int, seed: int = 0, corners: Floats = CORNERS) -> tuple[Floats, Indices]:
    """Customers around some corners, and around which."""
    rng = np.random.default_rng(seed)
    origin = rng.integers(len(corners), size=n)
    return corners[origin] + rng.normal(size=(n, corners.shape[1])) * [30.0, 1.0, 3.0], origin


@pytest.fixture(scope="module")
def found() -> Clustering:
    return fit_clusters(blobs(400)[0], COLUMNS, most=5, seed=1)


# scaling


def test_columns_are_measured_in_standard_deviations_from_the_mean() -> None:
    values = blobs(5000)[0]
    scaling = standardise(values, COLUMNS)
    z = scaled(scaling, values)
    np.testing.assert_allclose(z.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(z.std(axis=0), 1, atol=1e-12)
    for place in range(3):
        low, high = np.quantile(values[:, place], [0.01, 0.99])
        assert (scaling.low[place], scaling.high[place]) == (low, high)
        inside = (low <= values[:, place]) & (values[:, place] <= high)
        cut = np.clip(values[:, place], low, high)
        expected = (values[inside, place] - cut.mean()) / cut.std()
        np.testing.assert_allclose(z[inside, place], expected, atol=1e-12)


def test_one_enormous_order_changes_little() -> None:
    values = blobs(1000)[0]
    calm = standardise(values, COLUMNS)
    values[0, 0] = 1e9
    wild = standardise(values, COLUMNS)
    assert wild.scale[0] == pytest.approx(calm.scale[0], rel=0.01)
    assert scaled(wild, values)[0, 0] < 4


def test_a_missing_value_is_the_mean() -> None:
    values = np.array([[1.0, 5.0], [3.0, np.nan], [np.nan, 7.0], [np.inf, 6.0]])
    z = scaled(standardise(values, ("a", "b")), values)
    assert z[[1, 2, 3], [1, 0, 0]].tolist() == [0, 0, 0]
    assert np.isfinite(z).all()


def test_columns_that_do_not_differ_are_dropped_and_named() -> None:
    values = np.array([[1.0, 4.0, np.nan, 2.0], [1.0, 5.0, np.nan, np.nan], [1.0, 9.0, np.nan, 2]])
    scaling = standardise(values, ("constant", "orders", "unknown", "once"))
    assert (scaling.features, scaling.dropped) == (("orders",), ("constant", "unknown", "once"))
    assert scaled(scaling, values).shape == (3, 1)


@given(TABLE, st.integers(0, 2**32))
def test_scaling_is_the_same_in_any_order_and_any_unit(values: Floats, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(values))
    try:
        scaling = standardise(values, COLUMNS)
    except ConfigError:
        assert all(len(np.unique(c[np.isfinite(c)])) < 2 for c in values.T)
        return
    assert standardise(values[order], COLUMNS) == scaling
    other = 100 * values + 7
    np.testing.assert_allclose(
        scaled(standardise(other, COLUMNS), other), scaled(scaling, values), atol=1e-9
    )


# clusters


def test_planted_clusters_are_found_and_their_number_too(found: Clustering) -> None:
    values, origin = blobs(400)
    assert len(found.clusters.centroids) == 3
    assert adjusted_rand_score(origin, assign(found.clusters, values)) == 1.0
    agreement = {stability.k: stability.agreement for stability in found.curve}
    assert list(agreement) == [2, 3, 4, 5]
    assert agreement[3] == pytest.approx(1.0)
    assert agreement[4] < 0.9


@pytest.mark.parametrize("n_blobs", [2, 4])
def test_other_numbers_of_planted_clusters_are_found(n_blobs: int) -> None:
    corners = np.array([[0, 0, 0], [900, 20, 30], [900, 0, 60], [0, 20, 60.0]])[:n_blobs]
    values, origin = blobs(300, seed=n_blobs, corners=corners)
    clusters = fit_clusters(values, COLUMNS, most=5, seed=0).clusters
    assert adjusted_rand_score(origin, assign(clusters, values)) == 1.0


def test_clusters_of_new_customers_are_those_of_their_like(found: Clustering) -> None:
    known, new = blobs(400), blobs(200, seed=5)
    assigned = assign(found.clusters, known[0])
    by_origin = {origin: assigned[known[1] == origin][0] for origin in range(3)}
    expected = [by_origin[origin] for origin in new[1].tolist()]
    assert assign(found.clusters, new[0]).tolist() == expected


@pytest.mark.parametrize("k", [2, 3, 7])
def test_a_given_number_is_kept_and_every_centroid_is_the_mean_of_its_users(k: int) -> None:
    values = blobs(300)[0]
    found = fit_clusters(values, COLUMNS, k=k, seed=3)
    assert found.curve == ()
    codes, z = assign(found.clusters, values), scaled(found.clusters.scaling, values)
    assert sorted(set(codes.tolist())) == list(range(k))
    for cluster, centroid in enumerate(found.clusters.centroids):
        np.testing.assert_allclose(z[codes == cluster].mean(axis=0), centroid, atol=1e-3)


def test_the_order_of_customers_does_not_count(found: Clustering) -> None:
    values = blobs(400)[0]
    order = np.random.default_rng(0).permutation(len(values))
    assert fit_clusters(values[order], COLUMNS, most=5, seed=1) == found
    # Nor does it where only some are drawn.
    some = fit_clusters(values, COLUMNS, k=3, seed=2, sample=100)
    assert fit_clusters(values[order], COLUMNS, k=3, seed=2, sample=100) == some
    assert some != fit_clusters(values, COLUMNS, k=3, seed=3, sample=100)


def test_clusters_stand_in_the_order_of_their_centroids(found: Clustering) -> None:
    assert list(found.clusters.centroids) == sorted(found.clusters.centroids)


def test_a_few_drawn_customers_find_the_same_groups() -> None:
    values, origin = blobs(2000)
    clusters = fit_clusters(values, COLUMNS, k=3, seed=0, sample=60).clusters
    assert adjusted_rand_score(origin, assign(clusters, values)) == 1.0


def test_clusters_survive_json(found: Clustering) -> None:
    again = Clusters.model_validate_json(found.clusters.model_dump_json())
    assert again == found.clusters
    values = blobs(50, seed=9)[0]
    np.testing.assert_array_equal(assign(again, values), assign(found.clusters, values))


# assignment


def test_one_customer_alone_is_assigned_as_among_others(found: Clustering) -> None:
    values = blobs(60, seed=4)[0]
    together = assign(found.clusters, values)
    alone = [assign(found.clusters, values[[row]])[0] for row in range(len(values))]
    assert together.tolist() == alone
    assert together.dtype == np.int64


@settings(max_examples=30)
@given(TABLE)
def test_the_nearest_centroid_is_the_nearest(found: Clustering, values: Floats) -> None:
    values = values * [300.0, 5.0, 20.0]
    z = scaled(found.clusters.scaling, values)
    for row, code in enumerate(assign(found.clusters, values).tolist()):
        distances = [sum((z[row] - c) ** 2) for c in np.array(found.clusters.centroids)]
        unknown = np.isnan(values[row]).all()
        assert code == -1 if unknown else distances[code] <= min(distances) + 1e-12


def test_who_is_unknown_is_in_no_cluster_and_teaches_none() -> None:
    values = blobs(200)[0]
    more = np.vstack([values, np.full((50, 3), np.nan), [[1.0, np.nan, np.nan]]])
    clusters = fit_clusters(more, COLUMNS, k=3, seed=0).clusters
    codes = assign(clusters, more)
    assert (codes[200:250] == -1).all()
    assert (codes[:200] >= 0).all()
    assert codes[250] >= 0
    known = np.vstack([values, [[1.0, np.nan, np.nan]]])
    assert fit_clusters(known, COLUMNS, k=3, seed=0).clusters == clusters


def test_who_is_known_by_dropped_columns_alone_is_unknown() -> None:
    values = np.column_stack([blobs(100)[0], np.full(100, 5.0)])
    clusters = fit_clusters(values, (*COLUMNS, "constant"), k=2, seed=0).clusters
    assert clusters.scaling.dropped == ("constant",)
    assert assign(clusters, np.array([[np.nan, np.nan, np.nan, 5.0]])).tolist() == [-1]


def test_nobody_is_assigned(found: Clustering) -> None:
    assert assign(found.clusters, np.empty((0, 3))).shape == (0,)


@pytest.mark.parametrize("shape", [(4, 2), (4, 4), (3,)])
def test_other_columns_than_learnt_are_refused(found: Clustering, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"values must be \(n_users, 3\) for spend, orders"):
        assign(found.clusters, np.zeros(shape))


# names


def test_names_say_what_sets_a_cluster_apart(found: Clustering) -> None:
    # Corner 0 has no spend, no orders and recency 0; corner 1 spends; corner 2 orders.
    names = found.clusters.names
    codes = assign(found.clusters, CORNERS)
    assert names[codes[0]] == "low recency, low orders"
    assert names[codes[1]] == "high spend, low orders"
    assert names[codes[2]] == "high orders, high recency"


@given(st.integers(2, 5), st.integers(0, 2**31))
@settings(max_examples=10, deadline=None)
def test_names_differ_and_are_true(k: int, seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=(60, 2))
    clusters = fit_clusters(values, ("a", "b"), k=k, seed=0).clusters
    assert len(set(clusters.names)) == len(clusters.centroids) == k
    for name, centroid in zip(clusters.names, clusters.centroids, strict=True):
        for feature, z in zip(("a", "b"), centroid, strict=True):
            assert (f"high {feature}" in name) == (z >= REMARKABLE)
            assert (f"low {feature}" in name) == (z <= -REMARKABLE)
        assert ("average" in name) == (max(map(abs, centroid)) < REMARKABLE)


def test_clusters_with_one_name_are_numbered() -> None:
    # Four heaps of spend, two of them high.
    values = np.repeat([0.0, 1.0, 6.0, 9.0], 25)[:, np.newaxis]
    names = fit_clusters(values, ("spend",), k=4, seed=0).clusters.names
    assert names == ("low spend", "low spend (2)", "high spend", "high spend (2)")


# what cannot be clustered


@pytest.mark.parametrize(
    ("values", "options", "said"),
    [
        (np.zeros((20, 1)), {"k": 2}, "no column of spend differs between users, so there is"),
        (np.full((20, 1), np.nan), {"k": 2}, "no column of spend differs"),
        (np.empty((0, 1)), {}, "no column of spend differs"),
        (np.arange(5.0)[:, None], {"k": 3}, "5 users with 5 different .* for 3 .* take k = 2"),
        (np.arange(3.0)[:, None], {}, "3 users .* too few for 2 clusters, .* remove the axis"),
        (np.arange(20.0)[:, None] % 2, {"k": 3}, "with 2 different profiles .* take k = 2"),
        (np.arange(20.0)[:, None], {"k": 1}, "k = 1: clusters are 2 or more"),
        (np.arange(20.0)[:, None], {"k": 0}, "k = 0: clusters are 2 or more"),
        (np.arange(20.0)[:, None], {"most": 1}, "most = 1: clusters are 2 or more"),
        (np.arange(20.0)[:, None], {"k": 2, "sample": 3}, "3 users .* are too few for 2 clusters"),
    ],
)
def test_what_cannot_be_clustered_is_refused(
    values: Floats, options: dict[str, int], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        fit_clusters(values, ("spend",), seed=0, **options)


def test_without_columns_there_is_nothing_to_cluster_by() -> None:
    with pytest.raises(ConfigError, match="no column of none differs"):
        standardise(np.empty((5, 0)), ())


def test_the_data_choose_among_as_many_clusters_as_they_allow() -> None:
    found = fit_clusters(np.arange(7.0)[:, None], ("spend",), most=8, seed=0)
    assert [stability.k for stability in found.curve] == [2, 3]
    two = fit_clusters(np.arange(20.0)[:, None] % 2, ("spend",), seed=0)
    assert [stability.k for stability in two.curve] == [2]
    assert two.curve[0].agreement == 1.0


def test_a_scaling_is_frozen() -> None:
    scaling = standardise(blobs(20)[0], COLUMNS)
    assert Scaling.model_validate(scaling.model_dump()) == scaling
