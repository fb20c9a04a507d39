"""What the module env_flag does: one key of the services' .env set, or put back as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..core.errors import NOTHING_CHANGED, MigrationError, skipped_guard
from ..core.services.env_text import duplicates_said, with_value
from ..services.env_file import Kept, env_before, env_target, forget_env, keep_env, kept_env, put_env, read_env


def write_flag(params: dict[str, Any], check: bool) -> dict[str, Any]:
    """Set the key; nothing else of the file changes. In check mode say what would change.

    Raises MigrationError, code refused, where the file cannot be replaced or read.
    """
    target = _target(params)
    key, value = params["key"], params["value"]
    before = read_env(target)
    try:
        change = with_value(before, key, value)
    except ValueError as error:
        raise MigrationError(str(error), left=NOTHING_CHANGED, move="Corríjalo y repita la orden.", code="refused") from None
    changed = change.data != before
    lines = [f"{target}: {_change_in_words(key, change.before, value, changed, check)}"]
    if said := duplicates_said(key, change.ignored):
        lines.append(f"  Aviso: {said}")
    if change.referring:
        lines.append(f"  Aviso: también cambia lo que toma su valor de {key}: {', '.join(change.referring)}")
    if changed and not check:
        copy = keep_env(params["backup_dir"], target, Kept(before, key, value))
        put_env(target, before, change.data)
        lines.append(f"  Copia de antes: {copy}")
    before_line = f"{key}={change.before}\n" if change.before is not None else ""
    return {"lines": lines, "changed": changed, "diff": _diff(target, before_line, f"{key}={value}\n")}


def restore_flag(params: dict[str, Any], check: bool) -> dict[str, Any]:
    """Put the file back as it was before the switch: byte for byte, or the key alone where others edited it since.

    Without a copy of it the key is turned round. Raises MigrationError, code refused, where that cannot be.
    """
    target, key = _target(params), params["key"]
    kept, now = kept_env(params["backup_dir"], target), read_env(target)
    after = env_before(now, kept, key, params["value"])
    if not check:
        if after != now:
            put_env(target, now, after)
        forget_env(params["backup_dir"], target, params["run_id"])
    if after == now:
        return {"lines": []}
    said = "byte por byte" if kept and after == kept.original else f"solo {key}: lo demás se queda como está"
    lines = [f"{target}: {'volvería' if check else 'vuelve'} a como estaba antes del cambio ({said})"]
    return {"lines": lines, "changed": True, "diff": _diff(target, f"{key} del cambio\n", f"{key} de antes\n")}


def _target(params: dict[str, Any]) -> Path:
    if not params["run_id"]:
        raise skipped_guard()
    return env_target(params["path"])


def _change_in_words(key: str, before: str | None, value: str, changed: bool, check: bool) -> str:
    if not changed:
        return f"{key} ya es {value}"
    how = "se añadiría al final" if before is None and check else "se añade al final" if before is None else ""
    return f"{key}={value} {how}" if how else f"{key} {'pasaría' if check else 'pasa'} de {before or 'nada'} a {value}"


def _diff(target: Path, before: str, after: str) -> list[dict[str, str]]:
    """Of that key alone: the file holds the services' secrets."""
    return [{"before": before, "after": after, "before_header": str(target), "after_header": str(target)}]
