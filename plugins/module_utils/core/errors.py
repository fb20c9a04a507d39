"""The one exception that the runbook raises on purpose, and what its messages say of what was left."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NOTHING_CHANGED = "No se cambió nada."  # by this whole run
STEP_CHANGED_NOTHING = "Este paso no cambió nada."  # said where nobody knows what earlier steps have committed
COMMITTED_STAYS = "Lo ya confirmado queda."
READ_ONLY_STEP = "Este paso solo lee."
UNSETTLED = "No se sabe si lo último llegó a confirmarse."  # the connection went, perhaps during its COMMIT


class MigrationError(Exception):
    """Something the operator has to know: what (actual against expected), what was left, the next move.

    ``left``: one of the sentences above, or one of its own. ``move``: what to do or run now; a list may follow in lines of
    its own. The text is these three; where it happened, the phase, call/entry.py puts in front. ``code`` tells callers what
    they may still do: ``connection`` and ``login`` mean that nobody may connect again in this run. ``details`` goes into
    the module's result.
    """

    def __init__(self, what: str, *, left: str, move: str, code: str = "error", details: Mapping[str, Any] | None = None) -> None:
        self.what, self.left, self.move = what.removesuffix("."), left, move
        super().__init__(f"{self.what}. {left} {move}".replace(" \n", "\n"))
        self.code = code
        self.details = dict(details or {})


class RepeatedError(MigrationError):
    """What another module of the run has said whole, said again by the one that writes the failure down."""

    def __init__(self, text: str, *, code: str, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(text, left="", move="", code=code, details=details)
        self.args = (text,)


def skipped_guard() -> MigrationError:
    """What a module says that was called without a run."""
    return MigrationError(
        "Esta orden se saltó la guardia (--skip-tags always o --start-at-task): no hay ninguna ejecución abierta",
        left=NOTHING_CHANGED,
        move="Llame al playbook entero.",
        code="no_run",
    )
