"""What a backup says of itself: its manifest, the verdict beside it, and the name that seals the manifest. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

FORMAT = 1  # of the manifest: another one is refused, not guessed at
MANIFEST, VERDICT = "manifiesto.json", "verificacion.json"
DUMP, ROLES_FILE, SETTINGS_FILE, ROWS_FOLDER = "datos", "roles.sql", "ajustes.sql", "filas"
WHOLE_DATABASE = "completo"
SEAL_LENGTH = 12  # hexadecimal digits of the manifest's hash in the backup's name
BACKUP_NAME = re.compile(r"(?P<scope>[a-z0-9]+)-(?P<moment>\d{8}T\d{6}Z)-(?P<seal>[0-9a-f]{12})\Z")
VERIFIED, EXCEPT, BAD, UNCHECKED = "verificado", "verificado salvo", "malo", "no verificado: la comprobación falló"


class ManifestError(ValueError):
    """A file of a backup that describes it and does not say what such a file says, in Spanish."""


@dataclass(frozen=True)
class StoredFile:
    """A file of the backup: its place in the folder, bytes and SHA-256."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class TableRows:
    """What a table held in the snapshot.

    ``sha256``: of the stream of its rows' keys and checksums, which lies in ``file``; ``data``: whether its rows are in the dump.
    ``constraints`` and ``indexes``: name and definition of the valid ones, '' where it holds an expression.
    """

    schema: str
    name: str
    rows: int
    sha256: str
    file: str
    data: bool
    constraints: tuple[tuple[str, str], ...] = ()
    indexes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class SequenceRange:
    """A sequence's value, which obeys no snapshot: before the dump and after it."""

    schema: str
    name: str
    low: int
    high: int


@dataclass(frozen=True)
class Extension:
    """An extension of the source, and of its functions those that something else of the database calls, as stubs."""

    name: str
    schema: str
    stubs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Manifest:
    """All that a restore has to know without the source. Versions as server_version_num says them."""

    format: int
    scope: str
    created: str
    database: str
    system: str
    server_version: int
    client: str
    snapshot: str
    lsn: str
    encoding: str
    collate: str
    ctype: str
    seconds: float
    tables: tuple[TableRows, ...]
    sequences: tuple[SequenceRange, ...]
    large_objects: TableRows
    extensions: tuple[Extension, ...]
    roles: tuple[tuple[str, bool], ...]  # name, and whether it is a superuser
    schemas: tuple[str, ...]
    files: tuple[StoredFile, ...]

    @property
    def server_major(self) -> int:
        """The source's major version."""
        return self.server_version // 10000

    @property
    def bytes(self) -> int:
        """What all its files hold."""
        return sum(file.bytes for file in self.files)


@dataclass(frozen=True)
class Verification:
    """What restoring a backup showed. ``excepted``: what could not come of schemas that are not ours, by kind.

    ``problems``: why it is bad, or why it could not be checked. ``manifest``: SHA-256 of the manifest that was checked.
    """

    manifest: str
    verdict: str
    moment: str
    server: str
    tables: int
    rows: int
    seconds: float
    excepted: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether every row was restored and found equal."""
        return self.verdict in (VERIFIED, EXCEPT)


def sha256_of(text: str) -> str:
    """Return the text's SHA-256 in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def manifest_text(manifest: Manifest) -> str:
    """Return the manifest as the text that is hashed and kept."""
    return json.dumps(asdict(manifest), indent=1, ensure_ascii=False) + "\n"


def name_of(manifest: Manifest, text: str) -> str:
    """Return the backup's name: scope, moment, and a piece of the hash of its manifest, so that neither is changed unseen."""
    moment = re.sub(r"[-:]|\.\d+|\+00:00", "", manifest.created)
    return f"{manifest.scope}-{moment}Z-{sha256_of(text)[:SEAL_LENGTH]}"


def read_manifest(name: str, text: str) -> Manifest:
    """Read a manifest that lies in the backup of that name. Raises ManifestError where it is not the one that the name seals."""
    sealed = BACKUP_NAME.match(name)
    if sealed is None:
        raise ManifestError(f"{name} no tiene nombre de respaldo")
    if sha256_of(text)[:SEAL_LENGTH] != sealed["seal"]:
        raise ManifestError(f"{MANIFEST} no es el de este respaldo: su sha256 no empieza por {sealed['seal']}")
    return _manifest(_object(MANIFEST, text))


def verification_text(found: Verification) -> str:
    """Return the verdict as text that holds its own hash."""
    said = asdict(found)
    return json.dumps({**said, "sha256": _own_hash(said)}, indent=1, ensure_ascii=False) + "\n"


def read_verification(text: str, manifest_sha256: str) -> Verification:
    """Read the verdict of the backup with that manifest. Raises ManifestError where it was altered or is another's."""
    raw = _object(VERDICT, text)
    seal = raw.pop("sha256", "")
    if seal != _own_hash(raw):
        raise ManifestError(f"{VERDICT} está alterado: su sha256 no es el que dice")
    found = Verification(**_listed(VERDICT, Verification, raw))
    if text != verification_text(found):
        raise ManifestError(f"{VERDICT} está alterado: no es como se escribió")
    if found.manifest != manifest_sha256:
        raise ManifestError(f"{VERDICT} es de otro respaldo")
    return found


def _own_hash(said: Mapping[str, Any]) -> str:
    return sha256_of(json.dumps(said, sort_keys=True, ensure_ascii=False))


def _object(name: str, text: str) -> dict[str, Any]:
    try:
        raw = json.loads(text)
    except ValueError:
        raise ManifestError(f"{name} no es JSON") from None
    if not isinstance(raw, dict):
        raise ManifestError(f"{name} no es un objeto JSON")
    return raw


def _listed(name: str, kind: Any, raw: Any) -> dict[str, Any]:
    """The fields of one record; lists become tuples. Missing, unknown or shapeless: refused."""
    wanted = {field.name for field in fields(kind)}
    if not isinstance(raw, dict) or set(raw) != wanted:
        raise ManifestError(f"{name} no tiene los campos de un {kind.__name__}")
    return {key: _tupled(value) for key, value in raw.items()}


def _tupled(value: Any) -> Any:
    return tuple(map(_tupled, value)) if isinstance(value, list) else value


def _manifest(raw: dict[str, Any]) -> Manifest:
    if raw.get("format") != FORMAT:
        raise ManifestError(f"{MANIFEST} es del formato {raw.get('format')!r}, y este runbook lee el {FORMAT}")
    found = _listed(MANIFEST, Manifest, raw)
    kinds = {"tables": TableRows, "sequences": SequenceRange, "extensions": Extension, "files": StoredFile}
    for name, kind in kinds.items():
        found[name] = tuple(kind(**_listed(MANIFEST, kind, part)) for part in raw[name])
    found["large_objects"] = TableRows(**_listed(MANIFEST, TableRows, raw["large_objects"]))
    return Manifest(**found)
