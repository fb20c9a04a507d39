"""The one exception that the runbook raises on purpose."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class MigrationError(Exception):
    """Something the operator has to know: where, what (actual against expected), what was left, the next move.

    ``message`` is the whole Spanish sentence. ``code`` tells callers what they may still do:
    ``connection`` and ``login`` mean that nobody may connect again in this run. ``details`` goes into the module's result.
    """

    def __init__(self, message: str, *, code: str = "error", details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.details = dict(details or {})
