"""How much a copy makes the database grow, and whether the disk holds it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..words import number, size

LIMIT = 0.85  # of the disk: at 95 % a hosted project turns read-only, and its disk grows four times a day at most
GIGABYTE = 2**30
INDEX_ENTRY = 45  # bytes: a key of sixteen, its headers, and pages that random keys leave a third empty
WAL_SHARE = 1.2  # WAL written for what goes into tables and indexes, in whole-page images too


@dataclass(frozen=True)
class StillToCopy:
    """What one pair still has to carry: ``bytes`` of legacy rows with their TOAST, ``indexes`` of the Spanish table."""

    bytes: float
    rows: float
    indexes: int


@dataclass(frozen=True)
class WalKept:
    """How much WAL the server keeps at most: None where a slot keeps it without limit."""

    bytes: int | None


@dataclass(frozen=True)
class Growth:
    """The forecast in bytes; ``wal`` goes away again, tables and indexes stay."""

    tables: float
    indexes: float
    wal: float

    @property
    def peak(self) -> float:
        """All that lies on the disk at once."""
        return self.tables + self.indexes + self.wal

    def __str__(self) -> str:
        """As people read it."""
        return f"{size(self.peak)} (tablas {size(self.tables)}, índices {size(self.indexes)}, WAL {size(self.wal)})"


@dataclass(frozen=True)
class ServerDisk:
    """The database server's disk in bytes. ``total``: 0 where nobody said; ``added``: by a copy that has not begun."""

    used: float
    total: float
    added: Growth | None = None

    def objection(self) -> str:
        """Return why it holds no copy, or not the rest of one that runs; '' where it does or its size is not known."""
        missing = self.used + (self.added.peak if self.added else 0.0) - LIMIT * self.total
        if not self.total or missing <= 0:
            return ""
        if self.added is None:
            return (
                f"El disco de {size(self.total)} tiene ocupados al menos {size(self.used)}, más del {number(100 * LIMIT)} %: la "
                "copia se detiene entre dos lotes"
            )
        return (
            f"el disco de {size(self.total)} tiene ocupados al menos {size(self.used)} y la copia añade hasta {self.added}: "
            f"pasaría del {number(100 * LIMIT)} %. Faltan {size(missing)}: libere sitio o amplíe el disco y corrija "
            "database_disk_gb."
        )


@dataclass(frozen=True)
class BackupDisk:
    """The runner's disk under ``backup_dir``, in bytes."""

    place: str
    free: int
    needed: int

    def objection(self) -> str:
        """Return why the legacy tables do not fit there, '' where they do."""
        if self.free >= self.needed:
            return ""
        return f"{self.place} tiene {self.free // 2**20} MiB libres y hacen falta {self.needed // 2**20} MiB. Libere espacio."


def forecast(loads: Iterable[StillToCopy], kept: WalKept) -> Growth:
    """Return how much the disk takes at the copy's peak: sorting the largest index wants its size once more."""
    listed = list(loads)
    tables = sum(load.bytes for load in listed)
    indexes = sum(load.rows * load.indexes * INDEX_ENTRY for load in listed)
    sorting = max((load.rows * INDEX_ENTRY for load in listed if load.indexes), default=0.0)
    written = (tables + indexes) * WAL_SHARE
    return Growth(tables, indexes + sorting, written if kept.bytes is None else min(written, kept.bytes))


def forecast_line(growth: Growth, used: float, total: float) -> str:
    """Return what the copy adds, beside what is known of the disk."""
    if not total:
        return (
            f"Disco: la copia añade hasta {growth}; el tamaño del disco del servidor no se sabe (database_disk_gb): "
            "compruebe que hay sitio."
        )
    share = 100 * (used + growth.peak) / total
    return f"Disco: la copia añade hasta {growth}; el disco de {size(total)} llegaría al {share:.0f} %."
