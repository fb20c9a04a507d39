"""An accounting of the migration that shares no code with it: temporary Spanish tables, filled from the legacy rows by rules
typed from the target schema, and compared with what is really there.

Every legacy row must be equal to its Spanish row, merged with a record of it, or in quarantine with one open entry; the
Spanish tables must hold exactly those rows and, it may be, last good twins of rows in quarantine; the bookkeeping exactly those
entries. Reads only, in one snapshot.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg2

from .accounting_rules import Rule, rules

TABLES = Path(__file__).with_name("accounting_tables.sql")
PARTS = ("2.1", "2.2", "3")
CHUNK = 1000  # rows that are tried together
SHOWN = 5  # problems of one kind that are written out
SPANISH_KEYS = {"proveedor_profesiones": ("proveedor_id", "profesion_id")}
SETTINGS = {
    "TimeZone": "UTC",
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "extra_float_digits": "1",
    "search_path": "public, pg_temp",
    "row_security": "off",
    "statement_timeout": "0",
    "lock_timeout": "0",
    "default_transaction_isolation": "repeatable read",
}


@dataclass
class Accounting:
    """Legacy rows by what became of them, and everything that is not as it must be; empty when all is well."""

    legacy: int = 0
    equal: int = 0
    merged: int = 0
    quarantined: int = 0
    retained: int = 0
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.legacy} legacy rows = {self.equal} equal + {self.merged} merged + {self.quarantined} quarantined"


def take_accounting(url: str, parts: Iterable[str] = PARTS) -> Accounting:
    """Compare both sides. ``parts``: the subphases that stand; of the others no Spanish row and no open entry may exist.

    ``url``: of a role that row security does not blind. Spanish-only columns must hold the defaults that they were born with.
    """
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        for name, value in SETTINGS.items():
            cursor.execute("SELECT set_config(%s, %s, false)", (name, value))
        connection.commit()
        try:
            return _Accountant(cursor, frozenset(parts)).take()
        finally:
            connection.rollback()


class _Accountant:
    def __init__(self, cursor: Any, parts: frozenset[str]) -> None:
        self.cursor = cursor
        self.found = Accounting()
        self.cursor.execute(TABLES.read_text(encoding="utf-8"))
        self.every = rules(
            {name: self._columns(name) for name in ("customers", "users", "provider_professions", "service_requests")}
        )
        self.rules = tuple(rule for rule in self.every if rule.part in parts)

    def take(self) -> Accounting:
        for rule in self.rules:
            self._expect(rule)
        if any(rule.source == "users" for rule in self.rules):
            self.cursor.execute(
                "INSERT INTO e_cuarentena SELECT 'users', id::text, 'P0001', 'neither provider nor client' FROM public.users"
                " WHERE user_type NOT IN ('provider', 'client') OR user_type IS NULL"
            )
        for target in dict.fromkeys(rule.target for rule in self.every):
            self._compare_rows(target)
        self._compare_bookkeeping()
        for source in dict.fromkeys(rule.source for rule in self.rules):
            self.found.legacy += self._value(f"SELECT count(*) FROM public.{source}")
        self._balance()
        return self.found

    # --- what must be there

    def _expect(self, rule: Rule) -> None:
        """Fill the temporary table of the rule's target, as INSERT allows; who stays outside goes to the other two."""
        if rule.merge:
            self.cursor.execute(
                f"INSERT INTO e_fusion SELECT '{rule.source}', m.clave, '{rule.target}', m.otra"
                f" FROM ({rule.merge}) m(clave, otra)"
            )
        merged = f"SELECT clave FROM e_fusion WHERE origen = '{rule.source}' AND destino = '{rule.target}'"
        order = ", ".join(f"l.{name}" for name in rule.key.split(", "))
        self.cursor.execute("DROP TABLE IF EXISTS paso")
        self.cursor.execute(
            f"CREATE TEMPORARY TABLE paso AS SELECT row_number() OVER (ORDER BY {order}) AS n, {rule.clave} AS clave, l.*"
            f" FROM public.{rule.source} l WHERE ({rule.where}) AND {rule.clave} NOT IN ({merged})"
        )
        self.cursor.execute("CREATE UNIQUE INDEX ON paso (n); ANALYZE paso")
        insert = (
            f"INSERT INTO e_{rule.target} ({', '.join(rule.values)}) SELECT {', '.join(rule.values.values())}"
            " FROM paso l WHERE l.n BETWEEN $1 AND $2"
        )
        last = self._value("SELECT count(*) FROM paso")
        if rule.repeats:
            self._expect_one_by_one(rule, insert, last)
            return
        self.cursor.execute(
            "SELECT pg_temp.mete(%s, %s, n, least(n + %s - 1, %s)) FROM generate_series(1::bigint, %s, %s) AS n",
            (rule.source, insert, CHUNK, last, last, CHUNK),
        )

    def _expect_one_by_one(self, rule: Rule, insert: str, last: int) -> None:
        """Where a row may repeat an earlier one: the first that goes in wins, what repeats it is merged into it."""
        for n in range(1, last + 1):
            self.cursor.execute(
                f"INSERT INTO e_fusion SELECT %s, l.clave, %s, e.id::text FROM paso l JOIN e_{rule.target} e ON {rule.repeats}"
                " WHERE l.n = %s",
                (rule.source, rule.target, n),
            )
            if self.cursor.rowcount == 0:
                self.cursor.execute("SELECT pg_temp.mete(%s, %s, %s, %s)", (rule.source, insert, n, n))

    # --- what is there

    def _compare_rows(self, target: str) -> None:
        expected = self._value(f"SELECT count(*) FROM e_{target}")
        if self._value(f"SELECT to_regclass('public.{target}') IS NULL"):
            if expected:
                self._problem(f"{target} does not exist")
            return
        columns = self._compared_columns(target)
        key = "concat_ws('|', {})".format(", ".join(SPANISH_KEYS.get(target, ("id",))))
        row = f"row({', '.join(columns)})::text"
        self.cursor.execute(
            f"SELECT k, e.r, t.r, count(*) OVER () FROM (SELECT {key} AS k, {row} AS r FROM e_{target}) e"
            f" FULL JOIN (SELECT {key} AS k, {row} AS r FROM public.{target}) t USING (k)"
            f" WHERE e.r IS DISTINCT FROM t.r AND NOT (e.r IS NULL AND k IN ({self._retained(target)})) ORDER BY k"
        )
        for k, wanted, real, number in self.cursor.fetchmany(SHOWN):
            verb = "is missing" if real is None else "is too many" if wanted is None else "differs"
            self._problem(f"{target} {k} {verb} (1 of {number}): expected {_short(wanted)}, found {_short(real)}")
        self.cursor.execute(
            f"SELECT count(*) FROM (SELECT {key} AS k, {row} AS r FROM e_{target}) e"
            f" JOIN (SELECT {key} AS k, {row} AS r FROM public.{target}) t USING (k, r)"
        )
        self.found.equal += self.cursor.fetchone()[0]
        there = f"SELECT {key} AS k FROM public.{target} EXCEPT SELECT {key} FROM e_{target}"
        self.found.retained += self._value(f"SELECT count(*) FROM ({there}) t WHERE k IN ({self._retained(target)})")
        self._check_sequence(target)

    def _retained(self, target: str) -> str:
        """The keys of quarantined rows that belong to a pair of the table: their Spanish rows, where there are any, may stay."""
        return (
            " UNION ".join(
                f"SELECT c.clave FROM e_cuarentena c JOIN public.{rule.source} l ON {rule.clave} = c.clave"
                f" WHERE c.origen = '{rule.source}' AND ({rule.where})"
                for rule in self.rules
                if rule.target == target
            )
            or "SELECT NULL::text WHERE false"
        )

    def _compared_columns(self, target: str) -> list[str]:
        """All columns, but for an id that nobody can foretell, and consent where the legacy table knows none."""
        wanted = set(self._columns(f"e_{target}"))
        if target == "proveedor_profesiones" and not any(r.repeats for r in self.every):
            wanted.discard("id")
        if not any("tiene_consentimiento" in r.values for r in self.every if r.target == target):
            wanted.discard("tiene_consentimiento")
        real = self._columns(target)
        if missing := wanted - real:
            self._problem(f"{target} has no column {', '.join(sorted(missing))}")
        if more := real - wanted - {"id"}:
            self._problem(f"{target} has a column that nobody asked for: {', '.join(sorted(more))}")
        return sorted(wanted & real)

    def _check_sequence(self, target: str) -> None:
        """The next id that a serial draws must not be in use on either side."""
        self.cursor.execute(
            "SELECT substring(pg_get_expr(d.adbin, d.adrelid) FROM 'nextval\\(''(.*)''::regclass') FROM pg_attrdef d"
            " JOIN pg_attribute a ON (a.attrelid, a.attnum) = (d.adrelid, d.adnum)"
            " WHERE d.adrelid = %s::regclass AND a.attname = 'id'",
            (f"public.{target}",),
        )
        for (sequence,) in self.cursor.fetchall():
            if sequence is None:
                continue
            last, called = self._row(f"SELECT last_value, is_called FROM {sequence}")
            highest = self._value(f"SELECT coalesce(max(id), 0) FROM public.{target}")
            if highest > last or (highest == last and not called):
                self._problem(f"{sequence} stands at {last}, {target} has ids up to {highest}")

    def _compare_bookkeeping(self) -> None:
        if self._value("SELECT to_regclass('migracion.cuarentena') IS NULL"):
            if self.rules:
                self._problem("there is no bookkeeping")
            return
        self._compare_claves(
            "quarantine",
            "SELECT origen AS o, clave AS k, sqlstate || ' ' || mensaje AS d FROM e_cuarentena",
            "SELECT tabla_origen AS o, clave AS k, motivo AS d FROM migracion.cuarentena WHERE estado <> 'resuelta'",
            same="true",
        )
        self._compare_claves(
            "merge",
            "SELECT origen || ' into ' || destino AS o, clave AS k, clave_destino AS d FROM e_fusion",
            "SELECT tabla_origen || ' into ' || tabla_destino AS o, clave AS k, clave_destino AS d FROM migracion.fusion",
            same="e.d = t.d",
        )
        self.found.merged = self._value("SELECT count(*) FROM e_fusion")
        self.found.quarantined = self._value("SELECT count(*) FROM e_cuarentena")
        for source in dict.fromkeys(rule.source for rule in self.rules):
            clave = next(rule.clave for rule in self.rules if rule.source == source)
            self._list(
                f"the quarantine entry of {source} {{}} does not hold the row as it is, or no reason",
                f"SELECT c.clave FROM migracion.cuarentena c JOIN public.{source} l ON {clave} = c.clave"
                f" WHERE c.tabla_origen = '{source}' AND c.estado <> 'resuelta'"
                " AND (c.fila IS DISTINCT FROM to_jsonb(l) OR btrim(c.motivo) = '')",
            )
        self._list("pending: {}", "SELECT tabla_origen || ' ' || clave || ': ' || motivo FROM migracion.pendiente")

    def _compare_claves(self, kind: str, expected: str, real: str, same: str) -> None:
        self.cursor.execute(
            f"SELECT o, k, e.k IS NOT NULL, t.k IS NOT NULL, e.d, t.d, count(*) OVER () FROM ({expected}) e FULL JOIN ({real}) t"
            f" USING (o, k) WHERE e.k IS NULL OR t.k IS NULL OR NOT ({same}) ORDER BY 1, 2"
        )
        for o, k, wanted, there, why, said, number in self.cursor.fetchmany(SHOWN):
            verb = "is missing" if not there else "is too many" if not wanted else "differs"
            self._problem(f"{kind} of {o} {k} {verb} (1 of {number}): expected {_short(why)}, found {_short(said)}")

    def _balance(self) -> None:
        found = self.found
        if not found.problems and found.legacy != found.equal + found.merged + found.quarantined:
            self._problem(f"the balance is wrong: {found}")

    # --- small change

    def _columns(self, table: str) -> frozenset[str]:
        schema = "pg_my_temp_schema()" if table.startswith("e_") else "'public'::regnamespace"
        self.cursor.execute(
            f"SELECT attname FROM pg_attribute JOIN pg_class c ON c.oid = attrelid WHERE c.relnamespace = {schema}"
            " AND c.relname = %s AND attnum > 0 AND NOT attisdropped",
            (table,),
        )
        return frozenset(name for (name,) in self.cursor.fetchall())

    def _list(self, phrase: str, query: str) -> None:
        self.cursor.execute(query)
        for (item,) in self.cursor.fetchmany(SHOWN):
            self._problem(phrase.format(item))

    def _row(self, query: str) -> tuple[Any, ...]:
        self.cursor.execute(query)
        return tuple(self.cursor.fetchone())

    def _value(self, query: str) -> Any:
        return self._row(query)[0]

    def _problem(self, sentence: str) -> None:
        self.found.problems.append(sentence)


def _short(text: str | None) -> str:
    return "nothing" if text is None else text if len(text) < 300 else text[:300] + "…"
