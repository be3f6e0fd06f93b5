"""Hashes of many ids at once."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from recsys.engines.duckdb import connect, literal

Hashes = npt.NDArray[np.uint64]


def sha256_heads(before: str, texts: Sequence[str]) -> Hashes:
    """Return the first 8 bytes of SHA-256 of ``before + length + ":" + text``, big-endian.

    Parameters
    ----------
    before
        What stands in front of each.
    texts
        Lengths are those of their bytes in UTF-8.

    Returns
    -------
    ndarray of uint64
        Shape ``(n_texts,)``.

    Examples
    --------
    >>> import hashlib
    >>> hashlib.sha256(b"a1:x").hexdigest()[:16] == f"{sha256_heads('a', ['x'])[0]:016x}"
    True
    """
    connection = connect()
    table = pa.table({"place": np.arange(len(texts)), "text": pa.array(texts, pa.string())})
    connection.register("texts", table)
    hashed = f"sha256({literal(before)} || strlen(text) || ':' || text)"
    found = connection.execute(
        f"SELECT place, ('0x' || substr({hashed}, 1, 16))::UBIGINT AS head FROM texts"
    ).fetchnumpy()
    heads = np.empty(len(texts), dtype=np.uint64)
    heads[found["place"]] = found["head"]
    connection.close()
    return heads
