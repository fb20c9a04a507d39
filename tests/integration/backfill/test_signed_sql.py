"""What a file's head says is what happens: its locks, its wait, the rights that it asks for; and the files run by themselves."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from psycopg2 import sql

from plugins.module_utils.backfill.batches import Batch
from plugins.module_utils.backfill.giving_way import run_batch
from plugins.module_utils.backfill.progress import open_progress
from plugins.module_utils.backfill.watch import Watch
from plugins.module_utils.call.approval import approved_texts
from plugins.module_utils.call.context import Context, opened
from plugins.module_utils.core.bookkeeping import TOUCH
from plugins.module_utils.core.catalogue import catalogue_from_json
from plugins.module_utils.core.mapping.file import load_mapping
from plugins.module_utils.core.rows.routes import Route, routes_of
from plugins.module_utils.core.sqltext import ident
from plugins.module_utils.ledger import bookkeeping
from plugins.module_utils.schema.routines import install_helpers, install_routes
from plugins.module_utils.server import db
from plugins.module_utils.sync.switching import install, pair_of
from tests.support.databases import Begin, Database
from tests.support.dump import schema
from tests.support.jobs import TINKUBOT
from tests.support.observation import differences
from tests.support.sql_files import head, names
from tools.postgres_server import run_tool

SIGNED = Path(__file__).parents[3] / "files/sql"
FILES = {str(path.relative_to(SIGNED)): path.read_text(encoding="utf-8") for path in sorted(SIGNED.glob("fase?/*.sql"))}
SYNC = [name for name in FILES if name.endswith(".sincronizacion.sql")]
PAIRS = [name for name in FILES if name > "fase2" and name not in SYNC]
TABLES = [name for name in FILES if name.startswith("fase1/")]
# Each lock of rows that another session does not get, weakest first: what the first of them that is refused conflicts with.
STRENGTHS = {"UPDATE": "KEY SHARE", "NO KEY UPDATE": "SHARE", "SHARE": "UPDATE"}
LOCKS = """
SELECT c.relname, l.mode FROM pg_locks l JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE l.pid = %s AND c.relkind IN ('r', 'p') AND n.nspname IN ('public', 'migracion')
"""


@dataclass
class Said:
    """What a pair's head says of a batch: row locks by table, the tables that it writes, those that it may write."""

    rows: dict[str, str] = field(default_factory=dict)
    written: set[str] = field(default_factory=set)
    perhaps: set[str] = field(default_factory=set)
    wait: str = ""


def said(text: str) -> Said:
    found, sentence = Said(), head(text)["Bloqueo"].replace("migracion.", "")
    match = re.search(r"hasta que termina: (.*)\. Cada espera dura (\d+) ms", sentence)
    assert match, sentence
    found.wait = f"{match[2]}ms"
    for part in match[1].split("; "):
        plain = re.sub(r" \([^)]*\)", "", part)
        if lock := re.fullmatch(r"(?:luego )?FOR (KEY SHARE|SHARE) en (.*)", plain):
            found.rows |= dict.fromkeys(names(lock[2]), lock[1])
        else:
            always, _, perhaps = plain.removeprefix("escribe en ").partition(", y en ")
            found.written, found.perhaps = set(names(always)), {perhaps.split(" si ")[0]}
    return found


def locked(database: Database, pid: int) -> dict[str, set[str]]:
    """The locks of a session, by table."""
    found: dict[str, set[str]] = {}
    for table, mode in database.query(LOCKS, (pid,)):
        found.setdefault(table, set()).add(mode)
    return found


def row_locks(database: Database, tables: set[str]) -> dict[str, str]:
    """How strongly rows of these tables are locked, as another session finds out: it asks for them and passes over the rest."""
    found = {}
    with closing(psycopg2.connect(database.superuser_url)) as connection, connection.cursor() as cursor:
        for table in sorted(tables):
            name = sql.Identifier("migracion" if table == "arriendo" else "public", table)
            cursor.execute(sql.SQL("SELECT count(*) FROM {}").format(name))
            ((rows,),) = cursor.fetchall()
            for wanted, strength in STRENGTHS.items():
                cursor.execute(
                    sql.SQL("SELECT count(*) FROM (SELECT FROM {} FOR {} SKIP LOCKED) t").format(name, sql.SQL(wanted))
                )
                if cursor.fetchone() != (rows,):
                    found[table] = strength
                connection.rollback()
    return found


@contextmanager
def running(made: tuple[Database, Any], phase: str) -> Iterator[Context]:
    _, jobs = made
    with jobs.run(phase) as run_id, opened(jobs.params(run_id, phase), False) as context:
        yield context


def file_of(route: Route) -> str:
    return next(name for name in PAIRS if name.endswith(f"-{route.pair.source}-{route.pair.target}.sql"))


def test_a_batch_takes_the_locks_of_its_head_for_as_long_as_it_says(begin: Begin) -> None:
    """By the copy, in the order of the pairs, then by key as a repair does: the rows are there then."""
    made = begin(up_to="fase1")
    database = made[0]
    legacy = {
        r[0] for r in database.query("SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace")
    }
    with running(made, "fase2") as context:
        conn, routes = context.conn, context.all_routes
        watch = Watch(context.run_id, context.settings)
        with db.transaction(conn):
            install_routes(conn, routes)
        for route in routes:
            announced = said(FILES[file_of(route)])
            (progress,) = open_progress(conn, route, context.run_id)
            batch = Batch(conn, progress, context.run_id)

            def carry(rows: int, route: Route = route, batch: Batch = batch) -> None:
                batch.copy(rows)
                look(route)

            def carry_by_key(_: int, route: Route = route) -> None:
                keys = ", ".join(f"array_agg({k})" for k in route.key_names)
                db.run_sql(conn, f"SELECT {route.function('llevar')}({keys}, 'prueba') FROM {route.view}")
                look(route, by_key=True)

            def look(route: Route, by_key: bool = False, announced: Said = announced) -> None:
                assert db.fetch_one(conn, "SHOW lock_timeout") == (announced.wait,)
                found = locked(database, conn.info.backend_pid)
                strong = {table: modes - {"AccessShareLock"} for table, modes in found.items()}
                written = {table for table, modes in strong.items() if "RowExclusiveLock" in modes}
                # a repair moves no checkpoint, and where no row is inserted no foreign key is checked
                spanish = {k.table for k in route.table.foreign_keys}
                left_out = {"progreso_copia"} if by_key else set()
                assert written - announced.perhaps == announced.written - left_out, route
                shared = {table for table, modes in strong.items() if modes == {"RowShareLock"}}
                rows = {t: s for t, s in announced.rows.items() if not (by_key and t in spanish)}
                assert shared == set(rows), route
                assert {m for modes in strong.values() for m in modes} <= {"RowShareLock", "RowExclusiveLock"}
                assert row_locks(database, legacy | {"arriendo"}) == rows, route

            run_batch(conn, route, watch, (5000, 5000), carry)
            assert batch.read
            run_batch(conn, route, watch, (5000, 5000), carry_by_key)


def test_making_a_pairs_view_and_functions_only_reads_tables(begin: Begin) -> None:
    database, _ = begin(up_to="fase1")
    with closing(psycopg2.connect(database.url)) as connection, connection.cursor() as cursor:
        for name in PAIRS:
            cursor.execute(FILES[name])
            assert {m for modes in locked(database, connection.info.backend_pid).values() for m in modes} == {"AccessShareLock"}
            connection.commit()


def test_making_the_sync_locks_as_its_head_says(begin: Begin) -> None:
    database, _ = begin(up_to="fase1")
    with closing(psycopg2.connect(database.url)) as connection, connection.cursor() as cursor:
        for name in SYNC:
            cursor.execute(FILES[name])
            modes = {m for modes in locked(database, connection.info.backend_pid).values() for m in modes}
            assert modes == {"ShareRowExclusiveLock"} or modes == {"ShareRowExclusiveLock", "AccessShareLock"}
            assert "SHARE ROW EXCLUSIVE" in head(FILES[name])["Bloqueo"]
            connection.commit()


def test_making_a_table_locks_no_other_one_but_those_of_its_head(begin: Begin) -> None:
    database, _ = begin(up_to="fase0")
    with closing(psycopg2.connect(database.url)) as connection, connection.cursor() as cursor:
        for name in TABLES:
            cursor.execute(FILES[name])
            found = locked(database, connection.info.backend_pid)
            own = name.split("-")[1].removesuffix(".sql")
            strong = {t: modes - {"AccessShareLock", "RowShareLock"} for t, modes in found.items() if t != own}
            named = re.search(r"SHARE ROW EXCLUSIVE en (.*) \(", head(FILES[name])["Bloqueo"])
            wanted = {table: {"ShareRowExclusiveLock"} for table in (names(named[1]) if named else [])}
            assert {t: modes for t, modes in strong.items() if modes} == wanted, name
            connection.commit()


# --- rights


def rights(name: str) -> set[tuple[str, str]]:
    """The (privilege, table) pairs that a pair's head asks for, USAGE of a sequence aside."""
    found = set()
    for part in head(FILES[name])["Necesita"].rstrip(".").split("; "):
        if match := re.fullmatch(
            r"((?:SELECT|INSERT|UPDATE|DELETE)[A-Z, y]*?) sobre (.*?)(?: y USAGE sobre su secuencia)?", part
        ):
            found |= {(privilege, table) for privilege in names(match[1]) for table in names(match[2])}
    return found


def needed_files(name: str) -> set[str]:
    """The pair's file and those whose views it says that it builds on."""
    found = {name}
    for place in re.findall(r"fase[23]/\d\d", head(FILES[name])["Necesita"]):
        found |= needed_files(next(other for other in PAIRS if other.startswith(place)))
    return found


@dataclass
class Stranger:
    """A role that owns nothing but schema migracion, and a superuser's cursor that takes its part."""

    cursor: Any
    role: str = "lectora"

    def run(self, statement: str) -> None:
        self.cursor.execute(statement)

    def carries(self, route: Route, only_here: str = "") -> bool:
        """Whether it may carry the pair's rows and remove one; ``only_here``: what is done before, and undone."""
        keys = ", ".join(f"array_agg({k})" for k in route.key_names)
        self.run("SAVEPOINT intento")
        try:
            self.run(f"{only_here or 'SELECT'}; SET LOCAL ROLE {self.role}")
            self.run(f"SELECT (r).copiadas FROM (SELECT {route.function('llevar')}({keys}, 'prueba') AS r FROM {route.view}) t")
            ((copied,),) = self.cursor.fetchall()
            if f"FUNCTION {route.removal}(" in FILES[file_of(route)]:
                matched = ", ".join(f"'{{}}'::{c.type}[]" for c in route.match)
                self.run(f"SELECT {route.removal}({matched}, 'prueba')")
            table = route.target_table
            self.run(f"SELECT migracion.apartar('{table}'::regclass, ARRAY(SELECT ctid FROM {table} LIMIT 1), 'prueba')")
            ((left,),) = self.cursor.fetchall()
        except psycopg2.errors.InsufficientPrivilege:
            return False
        finally:
            self.run("ROLLBACK TO SAVEPOINT intento; RESET ROLE")
        return bool(copied and left)


@pytest.fixture
def stranger(new_database: Callable[..., Database]) -> Iterator[Stranger]:
    """On a sample whose files were run by that role, fase1's by the owner of the tables."""
    database = new_database()
    with closing(psycopg2.connect(database.superuser_url)) as connection, connection.cursor() as cursor:
        cursor.execute("DROP ROLE IF EXISTS lectora; CREATE ROLE lectora BYPASSRLS; REVOKE ALL ON SCHEMA public FROM PUBLIC")
        cursor.execute(f"GRANT CREATE ON DATABASE {database.name} TO lectora; GRANT USAGE ON SCHEMA public TO lectora")
        for name in (n for n in FILES if n not in SYNC):
            cursor.execute(f"SET ROLE {'DEFAULT' if name in TABLES else 'lectora'}".replace("SET ROLE DEFAULT", "RESET ROLE"))
            cursor.execute(FILES[name])
        cursor.execute("RESET ROLE")
        yield Stranger(cursor)
        connection.rollback()


def test_whoever_has_the_rights_of_the_head_can_carry_and_nobody_with_one_of_them_less(stranger: Stranger) -> None:
    mapping = load_mapping(TINKUBOT.read_text(encoding="utf-8"), "tinkubot.yml")
    catalogue = catalogue_from_json((SIGNED.parent / "mapping/catalogo.json").read_text(encoding="utf-8"))
    for route in routes_of(mapping, catalogue):
        name = file_of(route)
        asked = set().union(*map(rights, needed_files(name)))
        assert len(rights(name)) >= 6
        stranger.run("SAVEPOINT par")
        for privilege, table in sorted(asked):
            stranger.run(f"GRANT {privilege} ON public.{table} TO lectora")
        sequence = f"public.{route.pair.target}_id_seq"
        if "USAGE sobre su secuencia" in head(FILES[name])["Necesita"]:
            stranger.run(f"GRANT USAGE ON SEQUENCE {sequence} TO lectora")
            assert not stranger.carries(route, f"REVOKE USAGE ON SEQUENCE {sequence} FROM lectora")
        for parent in {key.table for key in route.table.foreign_keys}:
            stranger.run(f"ALTER TABLE public.{parent} DISABLE TRIGGER ALL")
            stranger.run(f"ALTER TABLE public.{route.pair.target} DISABLE TRIGGER ALL")  # the parents are empty
        assert stranger.carries(route), name
        for privilege, table in sorted(rights(name)):
            assert not stranger.carries(route, f"REVOKE {privilege} ON public.{table} FROM lectora"), (name, privilege, table)
        stranger.run("ROLLBACK TO SAVEPOINT par")


# --- the files by themselves


def psql(database: Database, *files: Path) -> None:
    """Run files as a DBA does, as the owner, one after the other; the first error ends it."""
    server = database.server
    options = ["-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", server.host, "-p", str(server.port)]
    place = ["-U", database.role, "-d", database.name]
    environment = {"PGPASSWORD": database.password, "PGCLIENTENCODING": "UTF8", "PGOPTIONS": "-c client_min_messages=error"}
    for file in files:
        run_tool(server.bin_dir / "psql", *options, *place, "-f", file, home=server.home, environment=environment)


def readable(folder: Path, texts: dict[str, str]) -> list[Path]:
    """Files that the server's account may read, in the order of their names."""
    folder.mkdir(mode=0o755)
    for number, name in enumerate(sorted(texts)):
        (folder / f"{number:02d}.sql").write_text(texts[name], encoding="utf-8")
    return sorted(folder.iterdir())


OPEN_TO_ALL = """
SELECT o.name FROM (
  SELECT proname, coalesce(proacl, acldefault('f', proowner)) FROM pg_proc WHERE pronamespace = 'migracion'::regnamespace
  UNION ALL SELECT relname, relacl FROM pg_class WHERE relnamespace = 'migracion'::regnamespace
) o (name, acl), aclexplode(o.acl) a WHERE a.grantee = 0
"""


def test_the_signed_files_run_by_themselves_in_the_order_of_their_names_and_open_nothing_to_everybody(
    new_database: Callable[..., Database], server: Any
) -> None:
    database = new_database()
    for kind in ("TABLES", "FUNCTIONS"):
        database.query(f"ALTER DEFAULT PRIVILEGES FOR ROLE {database.role} GRANT ALL ON {kind} TO PUBLIC")
    psql(database, *readable(server.home / "firmados", FILES))
    assert database.query(OPEN_TO_ALL) == []
    made = "SELECT count(*) FROM pg_class WHERE relnamespace = 'migracion'::regnamespace AND relkind = 'v'"
    assert database.value(made) == len(PAIRS)


def test_the_files_make_what_the_runbook_makes(begin: Begin, new_database: Callable[..., Database], server: Any) -> None:
    """Those that fase0 approves for this server, against the bookkeeping, the tables and the functions of a run."""
    made = begin(up_to="fase1")
    with running(made, "fase2") as context:
        texts = {name: text for name, text in approved_texts(context).items() if name.startswith("fase")}
        assert (
            dict(db.fetch_all(context.conn, "SELECT nombre, texto FROM migracion.sql_aprobado WHERE nombre LIKE 'fase%'"))
            == texts
        )
        with db.transaction(context.conn):
            install_helpers(context.conn)
            install_routes(context.conn, context.all_routes)
            bookkeeping.seal(context.conn)
        install(context, context.all_routes)
        synced = [pair_of(context, route) for route in context.all_routes]
        stamps = [f"TRIGGER {ident(t.name)} ON {t.table}" for pair in synced for t in pair.triggers]
        stamps += [f"FUNCTION {route.function('sinc')}()" for route in context.all_routes]
        for stamped in (*stamps, *(f"VIEW {route.view}" for route in context.all_routes), f"FUNCTION {TOUCH}()"):
            db.run_sql(context.conn, f"COMMENT ON {stamped} IS NULL")  # the fingerprints
    by_hand = new_database()
    psql(by_hand, *readable(server.home / "aprobados", texts))
    assert differences(schema(made[0], without=()), schema(by_hand, without=())) == []
