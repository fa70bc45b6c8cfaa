"""What the tests of training share: drawn heads, each drawn once; a draw costs as much at any spacing."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest

from training.simulate.head import Head, procedural_head


@pytest.fixture(scope="session")
def drawn() -> Callable[[int, float], Head]:
    """Return `procedural_head`, which remembers what it drew: change nothing in these heads."""
    return cache(procedural_head)


@pytest.fixture(scope="session")
def head(drawn: Callable[[int, float], Head]) -> Head:
    return drawn(3, 2.0)
