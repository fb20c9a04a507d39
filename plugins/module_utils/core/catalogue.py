"""What the live database holds, as far as the migration has to know it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import Any

WHOLE_ROW = "*"


NOBODYS = "no es de nadie y no se traslada. Solo un superusuario (soporte) puede limpiarlo."


@dataclass(frozen=True)
class OrphanGrant:
    """What an object gives to a role that no longer exists, by its OID: it is nobody's, so it is carried to nobody."""

    what: str
    oid: int
    rights: tuple[str, ...]

    @property
    def phrase(self) -> str:
        """The right in words."""
        return f"{self.what}: {', '.join(self.rights)} de un rol que ya no existe (OID {self.oid})"


@dataclass(frozen=True)
class Grant:
    """One privilege: ``grantee`` ('PUBLIC' for everybody), optionally of one column."""

    grantee: str
    privilege: str
    grantable: bool = False
    column: str | None = None


@dataclass(frozen=True)
class LegacyColumn:
    """A column as found. ``type``: format_type(); ``base``: the same without domain and typmod, enums as 'enum'.

    ``collation``: qualified and quoted, where not the database's own; ``by_bytes``: whether equal under it means equal bytes.
    """

    name: str
    type: str
    base: str
    not_null: bool = False
    default: str | None = None
    sequence: str | None = None  # qualified and quoted name of the sequence that fills it
    collation: str | None = None
    by_bytes: bool = True
    identity: bool = False  # GENERATED AS IDENTITY: who inserts needs no right to that sequence


@dataclass(frozen=True)
class Policy:
    """A row security policy. ``columns``: of its own table that it reads, WHOLE_ROW for the row as such; ``tables``: relations
    that its subqueries name, with their schema where it is another."""

    name: str
    command: str  # ALL, SELECT, INSERT, UPDATE or DELETE
    permissive: bool
    roles: tuple[str, ...]
    using: str | None
    check: str | None
    columns: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()


@dataclass(frozen=True)
class CarriedPolicy:
    """What becomes of a twin's policy on a Spanish table; ``obstacle`` says why it cannot be carried, '' where it can."""

    table: str
    policy: Policy
    obstacle: str = ""


@dataclass(frozen=True)
class Relation:
    """A table or view with that name in the schema; ``kind`` is pg_class.relkind, ``heirs``: whether tables inherit from it.

    ``repeated``: those of its unique keys in which fase0 counted a value twice, whatever their indexes say.
    """

    name: str
    kind: str
    owner: str
    row_security: bool = False
    force_row_security: bool = False
    columns: tuple[LegacyColumn, ...] = ()
    primary_key: tuple[str, ...] = ()
    unique: tuple[tuple[str, ...], ...] = ()
    grants: tuple[Grant, ...] = ()
    policies: tuple[Policy, ...] = ()
    heirs: bool = False
    repeated: tuple[tuple[str, ...], ...] = ()

    @property
    def inherited(self) -> bool:
        """Whether rows of other tables, which its indexes do not know, are read with its own."""
        return self.heirs and self.kind == "r"


@dataclass(frozen=True)
class Catalogue:
    """``role``: current_user; ``relations``: by name; ``default_grantees``: roles that new tables are opened to.

    ``server_major``: the server's version, 15 (0: not known): some functions are written otherwise for another.

    ``carried_policies``: the twins' policies in the Spanish tables' own words, as the server translated them.
    """

    role: str
    server_major: int
    relations: tuple[Relation, ...]
    default_grantees: tuple[str, ...] = ()
    carried_policies: tuple[CarriedPolicy, ...] = ()

    def relation(self, name: str) -> Relation | None:
        """Return the relation of that name, or None."""
        return next((r for r in self.relations if r.name == name), None)


def only_read(catalogue: Catalogue) -> Catalogue:
    """Return the catalogue without what fase0 found out beside it, by trying or by counting: what any call can read again."""
    relations = tuple(replace(relation, repeated=()) for relation in catalogue.relations)
    return replace(catalogue, relations=relations, carried_policies=())


def catalogue_json(catalogue: Catalogue) -> str:
    """Return the catalogue as JSON text, one relation's facts below each other, stable under reordering."""
    return json.dumps(asdict(catalogue), indent=1, ensure_ascii=False) + "\n"


def catalogue_from_json(text: str) -> Catalogue:
    """Read what catalogue_json() wrote. Raises ValueError on anything else, such as what an earlier version wrote."""
    try:
        return _catalogue(json.loads(text))
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a catalogue as it is written now: {error!r}") from error


def _catalogue(raw: dict[str, Any]) -> Catalogue:
    return Catalogue(
        role=raw["role"],
        server_major=raw.get("server_major", 0),  # an earlier version's approval names none
        relations=tuple(
            Relation(
                **{
                    **relation,
                    "columns": tuple(LegacyColumn(**c) for c in relation["columns"]),
                    "primary_key": tuple(relation["primary_key"]),
                    "unique": tuple(tuple(u) for u in relation["unique"]),
                    "repeated": tuple(tuple(u) for u in relation.get("repeated", ())),
                    "grants": tuple(Grant(**g) for g in relation["grants"]),
                    "policies": tuple(_policy(p) for p in relation["policies"]),
                }
            )
            for relation in raw["relations"]
        ),
        default_grantees=tuple(raw["default_grantees"]),
        carried_policies=tuple(CarriedPolicy(c["table"], _policy(c["policy"]), c["obstacle"]) for c in raw["carried_policies"]),
    )


def _policy(raw: dict[str, Any]) -> Policy:
    lists = {name: tuple(raw[name]) for name in ("roles", "columns", "tables")}
    return Policy(**{**raw, **lists})


TABLE_KINDS = {
    "r": "tabla",
    "p": "tabla particionada",
    "v": "vista",
    "m": "vista materializada",
    "f": "tabla foránea",
    "S": "secuencia",
    "i": "índice",
    "I": "índice particionado",
    "c": "tipo compuesto",
    "t": "tabla TOAST",
}
