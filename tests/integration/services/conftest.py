"""A compose project for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.compose import Compose, compose_in


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Compose]:
    """A project with nothing in it yet."""
    with compose_in(tmp_path) as made:
        yield made
