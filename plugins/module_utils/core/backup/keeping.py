"""Which backup serves, which are kept, and how long and large the next one will be. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ..words import duration, size
from .manifest import WHOLE_DATABASE, Manifest

BYTES_A_SECOND = 12e6  # of tables dumped and then restored, where no earlier backup tells; a slow disk and two processors
DUMP_SHARE, SCRATCH_SHARE = 0.6, 1.6  # of the tables' bytes: the backup's files, and the restored database with its indexes
LEAST_SECONDS = 10.0


@dataclass(frozen=True)
class Keep:
    """How many of the last good backups stay, and how many days each one stays anyway."""

    count: int = 7
    days: float = 30


def parse_keep(value: Any) -> Keep:
    """From {count: 7, days: 30}; ValueError in Spanish otherwise."""
    if not isinstance(value, Mapping) or set(value) != {"count", "days"}:
        raise ValueError("se espera {count: 7, days: 30}: cuántos respaldos buenos se guardan, y cuántos días cualquiera")
    for name, least in (("count", 1), ("days", 0)):
        if isinstance(value[name], bool) or not re.fullmatch(r"\d{1,5}", str(value[name])) or int(value[name]) < least:
            raise ValueError(f"{name}: se espera un número entero de {least} en adelante, no {value[name]!r}")
    return Keep(int(value["count"]), int(value["days"]))


@dataclass(frozen=True)
class KnownBackup:
    """A backup as the rules look at it. ``tables``: those whose rows it holds."""

    name: str
    scope: str
    created: datetime
    good: bool
    system: str
    database: str
    tables: frozenset[tuple[str, str]]


def candidate_of(name: str, manifest: Manifest, good: bool) -> KnownBackup:
    """Return what the rules look at."""
    tables = frozenset((table.schema, table.name) for table in manifest.tables if table.data)
    created = datetime.fromisoformat(f"{manifest.created}+00:00")
    return KnownBackup(name, manifest.scope, created, good, manifest.system, manifest.database, tables)


def serving(known: Iterable[KnownBackup], wanted: KnownBackup, now: datetime, hours: float, *, whole: bool) -> KnownBackup | None:
    """Return the newest good backup of the same database, not older than ``hours``, that holds all the wanted tables."""
    fitting = [
        one
        for one in known
        if one.good
        and (one.system, one.database) == (wanted.system, wanted.database)
        and timedelta(0) <= now - one.created <= timedelta(hours=hours)
        and wanted.tables <= one.tables
        and (one.scope == WHOLE_DATABASE or not whole)
    ]
    return max(fitting, key=lambda one: one.created, default=None)


def expired(known: Sequence[KnownBackup], keep: Keep, now: datetime, named: frozenset[str] = frozenset()) -> list[str]:
    """Return the names of those that may go: old, not among the last good ones, named by no phase that stands.

    The last good one of each scope stays, whatever its age; with a clock behind the newest one nothing goes.
    """
    if any(one.created > now for one in known):
        return []
    kept = set(named)
    for scope in {one.scope for one in known}:
        good = sorted((one for one in known if one.good and one.scope == scope), key=lambda one: one.created, reverse=True)
        kept |= {one.name for one in good[: max(1, keep.count)]}
    old = now - timedelta(days=keep.days)
    return [one.name for one in known if one.created < old and one.name not in kept]


@dataclass(frozen=True)
class Forecast:
    """What a backup of so many bytes of tables takes: seconds to dump and verify, bytes of its files and of the scratch."""

    bytes: float
    seconds: float

    @property
    def kept_bytes(self) -> float:
        """What its files will take."""
        return self.bytes * DUMP_SHARE

    @property
    def scratch_bytes(self) -> float:
        """What the restored database will take, while it is compared."""
        return self.bytes * SCRATCH_SHARE

    def __str__(self) -> str:
        """As people read it."""
        return (
            f"unos {duration(self.seconds)} para volcar {size(self.bytes)} de tablas, restaurarlos y compararlos; "
            f"hasta {size(self.kept_bytes)} en backup_dir y {size(self.scratch_bytes)} en scratch_dir"
        )


def forecast_backup(table_bytes: float, earlier: Sequence[tuple[float, float]]) -> Forecast:
    """Forecast from what earlier ones took, bytes of files and seconds, the newest last; else from a slow machine's rate."""
    rates = [kept / DUMP_SHARE / seconds for kept, seconds in earlier if seconds > 0 and kept > BYTES_A_SECOND]
    return Forecast(table_bytes, max(LEAST_SECONDS, table_bytes / (rates[-1] if rates else BYTES_A_SECOND)))


@dataclass(frozen=True)
class AtHand:
    """What the gate looks at. ``why``: what keeps a backup from serving, '' where one does."""

    why: str

    def objection(self) -> str:
        """Why the gate is closed."""
        return self.why


def room_objection(forecast: Forecast, backup_free: float, scratch_free: float, *, same_disk: bool) -> str:
    """Why the disks hold no such backup, '' where they do."""
    needs = [("backup_dir", forecast.kept_bytes, backup_free), ("scratch_dir", forecast.scratch_bytes, scratch_free)]
    if same_disk:
        needs = [
            ("backup_dir y scratch_dir, que están en el mismo disco,", forecast.kept_bytes + forecast.scratch_bytes, backup_free)
        ]
    said = [
        f"{place} tiene {size(free)} libres y el respaldo con su comprobación pide {size(wanted)}"
        for place, wanted, free in needs
        if free < wanted
    ]
    return f"{'; '.join(said)}. Libere espacio, o mude backup_dir o scratch_dir." if said else ""


def window_objection(forecast: Forecast, seconds_left: float) -> str:
    """Why the backup does not fit before the window ends, '' where it does."""
    if math.isinf(seconds_left) or forecast.seconds <= seconds_left:
        return ""
    return (
        f"respaldar y comprobar tomaría {duration(forecast.seconds)} y la ventana cierra en {duration(seconds_left)}. "
        "El respaldo puede tomarse antes, a cualquier hora, con respaldo.yml y el mismo -i"
    )
