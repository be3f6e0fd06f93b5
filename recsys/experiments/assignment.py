"""Who sees what: a hash of the user's id, the same on every host, for as long as it is asked.

An id's position under a salt is a number in [0, 1), uniform, and independent of its position under
any other salt. Every range of positions is somebody's: so shares, layers and ramps are ranges, and
what a user is given needs no memory.
"""

import hashlib
from collections.abc import Sequence
from typing import Final, Literal

import numpy as np

from recsys.engines.hashing import sha256_heads
from recsys.types import Floats, Indices

Scheme = Literal["sha256-1", "growthbook-2"]
SCHEMES: Final[tuple[Scheme, ...]] = ("sha256-1", "growthbook-2")
"""How ids become positions; one that is in use never changes, another one gets another name.

``sha256-1`` takes the first 8 bytes of SHA-256 of ``<bytes of salt>:<salt><bytes of id>:<id>`` as
a number, its upper 53 bits over 2⁵³: no two pairs of salt and id are hashed as one, and shares have
no bias. ``growthbook-2`` is the hash of GrowthBook's SDKs, ``fnv1a32(str(fnv1a32(salt + id)))
mod 10000 / 10000``, over bytes of UTF-8 (theirs are the same for ASCII), for shops that assign by
it already.
"""
NOBODY: Final = -1
_FNV_START, _FNV_PRIME, _32_BITS = 0x811C9DC5, 0x01000193, 0xFFFFFFFF

Range = tuple[float, float]
"""From a position on, up to another one that no longer belongs to it."""


def position(scheme: Scheme, salt: str, unit_id: str) -> float:
    """Return where an id lies under a salt, in [0, 1).

    Parameters
    ----------
    scheme
        See `SCHEMES`.
    salt
        What the position is for.
    unit_id
        Of a user or a session.

    Examples
    --------
    >>> position("growthbook-2", "home_rank_v1", "user_1")
    0.0091
    """
    if scheme == "growthbook-2":
        return fnv1a32(str(fnv1a32(salt + unit_id))) % 10_000 / 10_000
    unit = unit_id.encode()
    words = _before(salt).encode() + b"%d:%s" % (len(unit), unit)
    return (int.from_bytes(hashlib.sha256(words).digest()[:8], "big") >> 11) / 2**53


def positions(scheme: Scheme, salt: str, unit_ids: Sequence[str]) -> Floats:
    """Return `position` of many ids, shape ``(n,)``."""
    if scheme == "growthbook-2":
        return np.array([position(scheme, salt, unit_id) for unit_id in unit_ids])
    return np.asarray((sha256_heads(_before(salt), unit_ids) >> np.uint64(11)) / 2.0**53)


def ranges(shares: Sequence[float], coverage: float) -> list[Range]:
    """Return each arm's range of positions.

    An arm's range starts where it would with full coverage: a ramp that is raised only adds users,
    and moves nobody from one arm to another.

    Parameters
    ----------
    shares
        Above 0; what they sum to is the whole.
    coverage
        The part of every arm that takes part, from 0 to 1.

    Examples
    --------
    >>> ranges([0.2, 0.3, 0.5], 0.9)[1]
    (0.2, 0.47000000000000003)
    """
    whole, start, found = sum(shares), 0.0, []
    for share in shares:
        found.append((start, start + coverage * share / whole))
        start += share / whole
    return found


def place(at: float, among: Sequence[Range]) -> int:
    """Return which of some ranges a position lies in, `NOBODY` if none."""
    for number, (start, stop) in enumerate(among):
        if start <= at < stop:
            return number
    return NOBODY


def places(at: Floats, among: Sequence[Range]) -> Indices:
    """Return `place` of many positions, shape ``(n,)``."""
    found = np.full(len(at), NOBODY, dtype=np.int64)
    for number, (start, stop) in enumerate(among):
        found[(at >= start) & (at < stop)] = number
    return found


def fnv1a32(text: str) -> int:
    """Return the 32-bit FNV-1a hash of a text's bytes in UTF-8.

    References
    ----------
    Fowler, Noll, Vo, "The FNV Non-Cryptographic Hash Algorithm", IETF draft.
    """
    found = _FNV_START
    for byte in text.encode():
        found = (found ^ byte) * _FNV_PRIME & _32_BITS
    return found


def _before(salt: str) -> str:
    return f"{len(salt.encode())}:{salt}"
