"""Examples in docstrings run."""

import doctest
import importlib
import pkgutil

import pytest

import recsys

MODULES = [name for _, name, _ in pkgutil.walk_packages(recsys.__path__, "recsys.")]


@pytest.mark.parametrize("name", MODULES)
def test_examples_of_docstrings(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


@pytest.mark.parametrize("name", MODULES)
def test_every_module_says_what_it_is(name: str) -> None:
    assert importlib.import_module(name).__doc__
