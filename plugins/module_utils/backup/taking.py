"""Take and verify a backup under the folder's lock; and what is decided before that, on an open connection."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.backup.keeping import Forecast, Keep, KnownBackup, candidate_of, expired, forecast_backup
from ..core.backup.manifest import MANIFEST, WHOLE_DATABASE, Verification, name_of, sha256_of
from ..core.backup.snapshot import EVERY_TABLE
from ..core.errors import NOTHING_CHANGED, MigrationError
from ..ledger import bookkeeping
from ..server import db
from ..server.identity import system_identifier
from .dump import Order, take, write_manifest
from .folder import Stored, locked, publish, remove, stored_backups, sweep_unfinished, write_verification
from .scratch_server import roomy_place
from .verify import check, refuse_damage

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

EVENT = "respaldo"  # a backup that was taken, or one that serves a run: its name, its manifest's hash, the verdict


@dataclass(frozen=True)
class Place:
    """Where backups lie and where they are tried out."""

    backup_dir: str
    scratch_url: str = ""
    scratch_dir: str = ""
    pg_bin: str = ""


def candidates(backups: Sequence[Stored]) -> list[KnownBackup]:
    """What the rules look at, of those that can be read."""
    return [candidate_of(one.name, one.manifest, one.holds) for one in backups if one.manifest is not None]


def wanted_here(conn: Connection, scope: str, tables: frozenset[tuple[str, str]]) -> tuple[KnownBackup, datetime, float]:
    """Return what a backup has to be to serve this database, the server's time, and the bytes of the tables."""
    rows = db.fetch_all(conn, EVERY_TABLE)
    here = {(row[0], row[1]): row[8] for row in rows}
    held = frozenset(here) if scope == WHOLE_DATABASE else tables & frozenset(here)
    database, now = db.fetch_all(conn, "SELECT current_database(), statement_timestamp()")[0]
    wanted = KnownBackup("", scope, now, True, system_identifier(conn), str(database), held)
    return wanted, now, sum(here[name] for name in held)


def forecast_here(table_bytes: float, backups: Sequence[Stored]) -> Forecast:
    """Forecast from the last backups' own times."""
    took = [
        (float(one.manifest.bytes), one.manifest.seconds + one.verification.seconds)
        for one in backups
        if one.manifest is not None and one.verification is not None and one.verification.holds
    ]
    return forecast_backup(table_bytes, took)


def room_here(place: Place) -> tuple[float, float, bool]:
    """Free bytes of backup_dir and of scratch_dir, and whether they lie on one disk; of what is not there yet, its parent's."""
    backup, scratch = _existing(place.backup_dir), _existing(place.scratch_dir or str(roomy_place()))
    return (
        float(shutil.disk_usage(backup).free),
        float(shutil.disk_usage(scratch).free),
        os.stat(backup).st_dev == os.stat(scratch).st_dev,
    )


def _existing(path: str) -> Path:
    place = Path(path).absolute()
    while not place.exists():
        place = place.parent
    return place


def named_by_standing(conn: Connection) -> frozenset[str]:
    """The backups named by runs of phases that were not taken back."""
    if not bookkeeping.exists(conn):
        return frozenset()
    rows = db.fetch_all(
        conn,
        "SELECT DISTINCT e.detalle ->> 'nombre' FROM migracion.evento e JOIN migracion.fase_ejecucion f USING (run_id)"
        " WHERE e.tipo = %s AND f.estado <> 'revertida' AND e.detalle ? 'nombre'",
        (EVENT,),
    )
    return frozenset(str(row[0]) for row in rows)


def require_clock(backups: Sequence[Stored], now: datetime) -> None:
    """With a clock behind the newest backup nobody could say which one is the last: none is taken. Raises code refused."""
    ahead = [one for one in candidates(backups) if one.created > now]
    if ahead:
        raise MigrationError(
            f"El reloj del servidor marca {now:%Y-%m-%d %H:%M:%S} UTC y el respaldo {ahead[-1].name} es posterior",
            left=NOTHING_CHANGED,
            move="Ponga el reloj en hora, o aparte ese respaldo, y repita la orden.",
            code="refused",
        )


def take_and_verify(
    order: Order, place: Place, building: Path, who: Mapping[str, Any], now: datetime, keep: Keep, named: frozenset[str],
    say: Callable[[str], None], stage: Callable[[str, float], None], expected: float,
) -> dict[str, Any]:  # fmt: skip
    """Take a backup, verify it, give it its name, and let expired ones go. Returns name, hash, verdict, what was removed."""
    with locked(place.backup_dir, {**who, "what": "respaldo"}):
        if swept := sweep_unfinished(place.backup_dir, building.parent):
            say(f"Se quitó lo que dejó a medias una ejecución interrumpida: {', '.join(swept)}")
        backups = stored_backups(place.backup_dir)
        require_clock(backups, now)
        stage("volcando", expected)
        manifest = take(order, building, say)
        text = write_manifest(building, manifest)
        stage("restaurando y comparando", 0)
        found = check(
            building, manifest, sha256_of(text), scratch_url=place.scratch_url, scratch_dir=place.scratch_dir,
            pg_bin=place.pg_bin, moment=manifest.created,
        )  # fmt: skip
        write_verification(building, found)
        final = publish(building, Path(place.backup_dir) / name_of(manifest, text))
        removed = prune(place.backup_dir, keep, now, named) if found.holds else []
        return {
            "nombre": final.name, "manifiesto": sha256_of(text), "bytes": manifest.bytes, "segundos": manifest.seconds,
            "verificacion": asdict(found), "quitados": removed,
        }  # fmt: skip


def prune(backup_dir: str, keep: Keep, now: datetime, named: frozenset[str]) -> list[str]:
    """Remove the expired ones; their names. With the lock held."""
    gone = expired(candidates(stored_backups(backup_dir)), keep, now, named)
    for name in gone:
        remove(Path(backup_dir) / name)
    return gone


def verify_again(
    name: str, place: Place, who: Mapping[str, Any], moment: str, stage: Callable[[str, float], None]
) -> Verification:
    """Restore a backup once more and compare it; the new verdict lies beside it. Raises code damaged for what is no backup."""
    with locked(place.backup_dir, {**who, "what": "verificación"}):
        chosen = require_stored(place.backup_dir, name)
        assert chosen.manifest is not None
        stage("restaurando y comparando", 0)
        text = sha256_of((chosen.path / MANIFEST).read_text(encoding="utf-8"))
        found = check(
            chosen.path, chosen.manifest, text, scratch_url=place.scratch_url, scratch_dir=place.scratch_dir,
            pg_bin=place.pg_bin, moment=moment,
        )  # fmt: skip
        write_verification(chosen.path, found)
        if not found.holds and not found.server:
            raise refuse_damage(chosen.name, found.problems)
        return found


def not_verified(chosen: Stored) -> MigrationError:
    """What a backup is answered with that nobody has restored and compared."""
    said = chosen.verification.verdict if chosen.verification else "?"
    return MigrationError(
        f"El respaldo {chosen.name} no está verificado ({said})",
        left=NOTHING_CHANGED,
        move="Compruébelo antes (respaldo.yml, etiqueta verify, el mismo backup_name), o use otro.",
        code="refused",
    )


def require_stored(backup_dir: str, name: str) -> Stored:
    """Return the backup of that name, or the latest verified one for ''.

    Raises MigrationError, code refused where there is none, damaged where it cannot be read.
    """
    backups = stored_backups(backup_dir)
    chosen = [one for one in backups if one.name == name] if name else [one for one in backups if one.holds]
    if not chosen:
        what = f"No hay ningún respaldo {name} en {backup_dir}" if name else f"No hay ningún respaldo verificado en {backup_dir}"
        known = ", ".join(one.name for one in backups[-5:]) or "ninguno"
        raise MigrationError(
            f"{what}; los últimos que hay: {known}",
            left=NOTHING_CHANGED,
            move="Diga en backup_name cuál, o tome uno con respaldo.yml y el mismo -i.",
            code="refused",
        )
    if chosen[-1].problem:
        raise refuse_damage(chosen[-1].name, [chosen[-1].problem])
    return chosen[-1]
