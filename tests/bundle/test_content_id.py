import math
import struct
from hashlib import sha256

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from recsys.bundle import content_id

DTYPES = st.one_of(
    st.sampled_from([np.dtype(t) for t in ("f4", "f8", "i4", "i8", "u1", "?")]),
    nps.unicode_string_dtypes(max_len=4),
)
ARRAYS = nps.arrays(dtype=DTYPES, shape=nps.array_shapes(min_dims=0, max_dims=3, max_side=3))
NAMED = st.dictionaries(st.text(max_size=5), ARRAYS, max_size=4)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
).filter(lambda value: "inf" not in repr(value))
JSON = st.dictionaries(st.text(max_size=5), VALUES, max_size=4)


def backwards(mapping):
    return dict(reversed(mapping.items()))


@given(NAMED, JSON, JSON)
def test_order_of_keys_does_not_matter(arrays, learnt, recipes):
    expected = content_id(arrays, learnt, recipes)
    assert content_id(backwards(arrays), backwards(learnt), backwards(recipes)) == expected


@given(NAMED)
def test_memory_layout_does_not_matter(arrays):
    fortran = {name: np.asfortranarray(array) for name, array in arrays.items()}
    # asfortranarray makes an array of no dimension one of one dimension.
    fortran = {name: array.reshape(arrays[name].shape) for name, array in fortran.items()}
    assert content_id(fortran, {}, {}) == content_id(arrays, {}, {})


def test_strides_do_not_matter():
    wide = np.arange(24.0).reshape(4, 6)
    assert content_id({"x": wide[::2, ::3]}, {}, {}) == content_id(
        {"x": wide[::2, ::3].copy()}, {}, {}
    )


@given(NAMED)
def test_endianness_does_not_matter(arrays):
    swapped = {name: array.astype(array.dtype.newbyteorder(">")) for name, array in arrays.items()}
    assert content_id(swapped, {}, {}) == content_id(arrays, {}, {})


@given(ARRAYS.filter(lambda array: array.dtype.kind in "fiu" and array.size > 0), st.data())
def test_one_flipped_bit_matters(array, data):
    flipped = bytearray(array.tobytes())
    bit = data.draw(st.integers(0, 8 * len(flipped) - 1))
    flipped[bit // 8] ^= 1 << bit % 8
    other = np.frombuffer(bytes(flipped), array.dtype).reshape(array.shape)
    assert content_id({"x": other}, {}, {}) != content_id({"x": array}, {}, {})


@pytest.mark.parametrize(
    "other",
    [
        {"x": np.zeros(4, np.float32)},
        {"x": np.zeros(2, np.int64)},
        {"x": np.zeros((2, 1))},
        {"x": np.zeros((1, 2))},
        {"y": np.zeros(2)},
        {"x": np.zeros(2), "y": np.zeros(0)},
        {"x": np.array([0.0, -0.0])},
        {},
    ],
    ids=repr,
)
def test_dtype_shape_and_name_matter(other):
    assert content_id(other, {}, {}) != content_id({"x": np.zeros(2)}, {}, {})


def test_bytes_cannot_move_between_arrays():
    one = content_id({"a": np.array([1, 2]), "b": np.array([3])}, {}, {})
    assert one != content_id({"a": np.array([1]), "b": np.array([2, 3])}, {}, {})


@pytest.mark.parametrize(
    "learnt",
    [{"w": 0.5000000000000001}, {"w": "0.5"}, {"v": 0.5}, {"w": [0.5]}, {"w": None}, {}],
    ids=repr,
)
def test_learnt_numbers_and_recipes_matter(learnt):
    expected = content_id({}, {"w": 0.5}, {})
    assert content_id({}, learnt, {}) != expected
    assert content_id({}, {}, {"w": 0.5}) != expected


def test_what_comes_back_from_json_has_the_same_id():
    written = {"cuts": (1, 2), "by_segment": {10: 0.1, 2: 0.2}}
    read = {"cuts": [1, 2], "by_segment": {"10": 0.1, "2": 0.2}}
    assert content_id({}, written, {}) == content_id({}, read, {})


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_refused(number):
    with pytest.raises(ValueError, match="not JSON compliant"):
        content_id({}, {"deep": [{"w": number}]}, {})
    with pytest.raises(ValueError, match="not JSON compliant"):
        content_id({}, {}, {"w": number})


@pytest.mark.parametrize(
    "array",
    [
        np.array([object()]),
        np.array(["a", None]),
        np.zeros(1, np.float16),
        np.zeros(1, np.longdouble),
        np.zeros(1, np.complex128),
        np.zeros(1, "datetime64[us]"),
        np.zeros(1, "S3"),
        np.zeros(1, [("a", "f8")]),
    ],
    ids=lambda array: str(array.dtype),
)
def test_other_dtypes_are_refused_by_name(array):
    with pytest.raises(ValueError, match=r"'prices' has dtype .*a bundle holds"):
        content_id({"prices": array}, {}, {})


def test_the_encoding_is_settled():
    # Ids are compared across releases: changing the encoding would orphan every published bundle.
    spelled = (
        b'["ids","<U2",[2]]\n'
        + "a\0ü€".encode("utf-32-le")
        + b'["x","<f8",[1,2]]\n'
        + struct.pack("<2d", 1.5, -2.0)
        + b'\n[{"b":null,"w":0.5},{"popular":{"\\u00fc":[true]}}]'
    )
    arrays = {"x": np.array([[1.5, -2.0]]), "ids": np.array(["a", "ü€"])}
    found = content_id(arrays, {"w": 0.5, "b": None}, {"popular": {"ü": (True,)}})
    assert found == sha256(spelled).hexdigest()
