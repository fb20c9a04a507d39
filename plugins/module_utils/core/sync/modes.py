"""The pairs' modes, which their triggers read."""

from __future__ import annotations

from .images import MODES

# Without a table's lock; the emergency file has it, and so has the command.
SWITCH_OFF = f"UPDATE {MODES} m SET modo = 'no', desde = now() WHERE modo = 'si'"
