"""Of many variants of one test, those that run every time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def brief(variants: Iterable[Any], *kept: Any) -> list[Any]:
    """Every variant as a parameter, a tuple as several; those that are not ``kept`` run by make test-slow alone."""
    return [
        pytest.param(*(variant if isinstance(variant, tuple) else (variant,)), marks=() if variant in kept else pytest.mark.slow)
        for variant in variants
    ]
