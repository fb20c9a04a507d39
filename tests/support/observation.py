"""What one looks at before and after a run: the database outside ``migracion``, the ledger's rows, the events."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

from .databases import Database
from .dump import dump
from .playbook import PlaybookRun

RECAP = re.compile(r"^runner +: .*\bchanged=(\d+)", re.MULTILINE)


@dataclass(frozen=True)
class Seen:
    """One look. ``runs``: (run_id, fase, accion, estado); ``events``: (tipo, run_id)."""

    outside: str
    runs: list[tuple[str, ...]]
    events: list[tuple[str, ...]]


def look(database: Database) -> Seen:
    """Look at the database with means of our own: pg_dump and plain SQL."""
    return Seen(dump(database), runs(database), events(database))


def everything(database: Database) -> str:
    """Schema and data, ``migracion`` too: what a simulation must leave as it was."""
    return dump(database, without=())


def differences(expected: str, found: str) -> list[str]:
    """Lines of two dumps that only one of them has, the first ones cut: [] when both say the same."""
    if expected == found:
        return []
    left, right = Counter(expected.splitlines()), Counter(found.splitlines())
    only = [f"-{line[:200]}" for line in left - right][:10] + [f"+{line[:200]}" for line in right - left][:10]
    return only or ["the same lines in another order"]


def runs(database: Database) -> list[tuple[Any, ...]]:
    """The ledger, oldest first; none before it exists."""
    if database.value("SELECT to_regclass('migracion.fase_ejecucion') IS NULL"):
        return []
    return database.query("SELECT run_id, fase, accion, estado FROM migracion.fase_ejecucion ORDER BY id")


def events(database: Database) -> list[tuple[Any, ...]]:
    """The events, oldest first; none before the ledger exists."""
    if database.value("SELECT to_regclass('migracion.evento') IS NULL"):
        return []
    return database.query("SELECT tipo, run_id FROM migracion.evento ORDER BY id")


def ended_well(run: PlaybookRun) -> PlaybookRun:
    """The run, which must have ended with 0."""
    assert run.rc == 0, run.output
    return run


def failed(run: PlaybookRun) -> PlaybookRun:
    """The run, which must not have ended with 0."""
    assert run.rc != 0, run.output
    return run


def changed(run: PlaybookRun) -> int:
    """How many tasks changed something, as the recap says."""
    (count,) = RECAP.findall(run.stdout)
    return int(count)
