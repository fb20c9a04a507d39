"""Builds the sample database: deterministic by seed, scalable by a row count, all rows made inside the server."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import make_dsn

from .supabase import DEFAULT_OWNER, NASTY_PASSWORD, ensure_roles

SQL = Path(__file__).with_name("sql")
PRIVILEGES = ("open", "closed")
# Where the two installations differ. The names stand as <<name>> in the SQL files.
INSTALLATIONS: Mapping[str, Mapping[str, str]] = {
    "jsonb": {
        "json": "jsonb",
        "coordinate": "numeric",
        "moment": "timestamptz",
        "request_phone": "phone",
        "pair_serial": "",
        "pair_key": "provider_id, profession_id",
        "consent_column": "has_consent boolean,",
        "consent_name": ", has_consent",
        "consent_roll": ", CASE pg_temp.roll(n, 10, 9) WHEN 0 THEN NULL WHEN 1 THEN false ELSE true END",
    },
    "text": {
        "json": "text",
        "coordinate": "double precision",
        "moment": "text",
        "request_phone": "phone_number",
        "pair_serial": "id serial,",
        "pair_key": "id",
        "consent_column": "",
        "consent_name": "",
        "consent_roll": "",
    },
}


@dataclass(frozen=True)
class Sizes:
    """Rows of each table, those of fixed keys included."""

    customers: int
    users: int
    service_requests: int
    messages: int
    sessions: int
    task_queue: int

    @classmethod
    def of(cls, rows: int, messages: int | None = None) -> Sizes:
        """The proportions of a running system, from its number of customers."""
        if rows < 100:
            raise ValueError(f"rows={rows}: the sample needs at least 100 customers, its dirty rows alone are 48")
        return cls(
            customers=rows,
            users=rows // 4,
            service_requests=rows,
            messages=rows * 5 if messages is None else messages,
            sessions=rows // 10,
            task_queue=rows // 2,
        )


def build(
    superuser_url: str,
    database: str,
    *,
    installation: str = "jsonb",
    rows: int = 1000,
    messages: int | None = None,
    privileges: str = "open",
    seed: int = 1,
    owner: str = DEFAULT_OWNER,
    password: str = NASTY_PASSWORD,
) -> None:
    """Create ``database`` on the server of ``superuser_url`` and fill it; a database of that name must not exist."""
    if installation not in INSTALLATIONS or privileges not in PRIVILEGES:
        raise ValueError(f"installation={installation!r}, privileges={privileges!r}: not among the known ones")
    sizes = Sizes.of(rows, messages)
    with closing(psycopg2.connect(superuser_url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            ensure_roles(cursor, owner, password)
            statement = sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0 ENCODING 'UTF8'")
            cursor.execute(statement.format(sql.Identifier(database), sql.Identifier(owner)))
    address = make_dsn(superuser_url, dbname=database)
    with closing(psycopg2.connect(address)) as connection, connection, connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0; SET TimeZone = 'UTC'; SET synchronous_commit = off")
        words = {**INSTALLATIONS[installation], "seed": str(seed), "owner": sql.Identifier(owner).as_string(cursor)}
        _run(cursor, "supabase.sql", words)
        # From here on as the owner: what belongs to the project must belong to no superuser.
        cursor.execute(sql.SQL("SET SESSION AUTHORIZATION {}").format(sql.Identifier(owner)))
        cursor.execute("SET statement_timeout = 0")
        if privileges == "open":
            _run(cursor, "privileges_open.sql", words)
        _run(cursor, "tables.sql", words)
        _fill(cursor, installation, sizes, words)
        _run(cursor, "security.sql", words)
        if privileges == "closed":
            _run(cursor, "privileges_closed.sql", words)
        _run(cursor, "finish.sql", words)


def describe(url: str) -> dict[str, int]:
    """Rows of every table of public, counted."""
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY 1")
        counts = {}
        for (name,) in cursor.fetchall():
            cursor.execute(sql.SQL("SELECT count(*) FROM public.{}").format(sql.Identifier(name)))
            ((counts[name],),) = cursor.fetchall()
        return counts


def _fill(cursor: Any, installation: str, sizes: Sizes, words: Mapping[str, str]) -> None:
    """The fixed rows first: what is left of each table's size is generated."""
    for name in ("helpers.sql", f"helpers_{installation}.sql", "dirty.sql", f"dirty_{installation}.sql"):
        _run(cursor, name, words)
    missing = {}
    for table, size in asdict(sizes).items():
        cursor.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table)))
        missing[table] = str(max(size - cursor.fetchone()[0], 0))
    for name in ("rows_people.sql", "rows_activity.sql"):
        _run(cursor, name, {**words, **missing})


def _run(cursor: Any, name: str, words: Mapping[str, str]) -> None:
    """Execute one of the SQL files with its <<words>> put in."""
    text = (SQL / name).read_text(encoding="utf-8")
    cursor.execute(re.sub(r"<<(\w+)>>", lambda found: words[found[1]], text))
