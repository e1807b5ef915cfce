"""The examples in docstrings run, from the package as it is installed."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import sametask

MODULES = sorted(module.name for module in pkgutil.walk_packages(sametask.__path__, "sametask."))


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0
