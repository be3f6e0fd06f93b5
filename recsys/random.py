"""Randomness comes in as a seed, and is derived per purpose and per user."""

import hashlib

import numpy as np


def generator(seed: int, *purpose: str) -> np.random.Generator:
    """Return a generator for one purpose, so that adding a draw elsewhere changes nothing here.

    Parameters
    ----------
    seed
        The seed of the run.
    *purpose
        Words that name the use, for example ``"weights", user_id``.
    """
    words = "\x1f".join((str(seed), *purpose)).encode()
    return np.random.default_rng(int.from_bytes(hashlib.sha256(words).digest()[:8], "big"))
