"""A dry run makes what it needs where no run makes or locks anything; a run replaces only what is not as it should be."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from plugins.module_utils.call.context import Context, opened
from plugins.module_utils.proof.accounting import take_account
from plugins.module_utils.quarantine import waiving
from plugins.module_utils.schema.mould import structure_of_existing
from plugins.module_utils.schema.virtual import virtual_schema
from plugins.module_utils.server import db
from tests.support.databases import Begin, Database
from tests.support.jobs import Jobs, Stage

# What a session holds on what is not its own, but for reading tables and catalogues.
HELD = """
SELECT coalesce(l.relation::regclass::text, l.classid::regclass::text || ' ' || l.objid, l.locktype), l.mode
FROM pg_locks l LEFT JOIN pg_class c ON c.oid = l.relation LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE l.pid = %s AND l.database IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
  AND (n.nspname IN ('public', 'migracion') AND (l.mode <> 'AccessShareLock' OR n.nspname = 'migracion' AND c.relkind = 'v')
       OR l.locktype = 'advisory')
"""


@contextmanager
def in_flight(jobs: Jobs, phase: str, *, entries: bool = False) -> Iterator[Context]:
    """A dry run of that phase in the midst of its work, on a session of its own."""
    with opened(jobs.params("prueba-check", phase), True) as context, virtual_schema(context, entries=entries):
        take_account(context.conn, context.all_routes, context.all_routes)
        if entries:
            waiving.rehearse(context.conn, context.settings.waived_quarantine, context.routes, context.all_routes)
        yield context


def held(database: Database, context: Context) -> list[tuple[Any, ...]]:
    pid = context.conn.info.backend_pid
    assert database.value("SELECT count(*) FROM pg_stat_activity WHERE pid = %s AND state = 'idle in transaction'", (pid,)) == 1
    return database.query(HELD, (pid,))


STAGES: list[Stage | None] = [None, "fase0", "fase1", "2.1", "fase2"]


@pytest.mark.parametrize("stage", STAGES)
def test_beside_a_dry_run_every_step_of_a_phase_goes_on_and_another_dry_run_too(begin: Begin, stage: Stage | None) -> None:
    database, jobs = begin(rows=100, up_to=stage)
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE cardinality(pg_blocking_pids(pid)) > 0"
    with in_flight(jobs, "fase2", entries=True) as context:
        assert held(database, context) == []
        with in_flight(jobs, "fase2", entries=True) as other:
            assert held(database, other) == []
            assert database.value(waiting) == 0
        database.query(f"ALTER DATABASE {database.name} SET log_lock_waits = on")
        database.query(f"ALTER DATABASE {database.name} SET deadlock_timeout = '20ms'")
        before = (database.server.home / "log").read_text(encoding="utf-8", errors="replace").count("still waiting for")
        if stage is not None:  # fase0 tries whether tables can be moved, for which nobody may read them
            jobs.make_tables()
            jobs.fill("fase2", "fase3")
        after = (database.server.home / "log").read_text(encoding="utf-8", errors="replace").count("still waiting for")
        assert after == before
        assert held(database, context) == []


def test_the_comparison_of_structures_is_made_where_two_of_them_do_not_meet(begin: Begin) -> None:
    database, jobs = begin(rows=100, up_to="fase1")
    params = jobs.params("prueba-check", "fase2")
    with opened(params, True) as one, opened(params, True) as other, db.rolled_back(one.conn):
        assert structure_of_existing(one.conn, one.mapping, one.catalogue) == {}
        db.run_sql(other.conn, "SET lock_timeout = '100ms'")
        assert structure_of_existing(other.conn, other.mapping, other.catalogue) == {}
        assert held(database, one) == []


def test_a_dry_run_sees_what_is_there_and_what_is_not_yet(begin: Begin) -> None:
    """The same figures before anything is made, once the tables are there, and once rows have been copied."""
    database, jobs = begin(rows=100)
    lines = [[line for line in jobs.forecast()["lines"] if "→" in line] for _ in range(1)]
    for step in (jobs.approve, jobs.make_tables):
        step()
        lines.append([line for line in jobs.forecast()["lines"] if "→" in line])
    assert lines[0] == lines[1] == lines[2]
    jobs.copy()
    jobs.equalise()
    copied = [line for line in jobs.forecast()["lines"] if "→" in line]
    assert copied != lines[0]
    assert not jobs.forecast()["changed"]
    assert database.query("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'migracion\\_%'") == []


FUNCTIONS = """SELECT p.proname, p.xmin::text FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname = 'migracion' ORDER BY p.oid"""


def test_a_run_replaces_only_what_differs(begin: Begin) -> None:
    database, jobs = begin(rows=100, up_to="2.1")
    made = database.query(FUNCTIONS)
    for step in (jobs.approve, jobs.make_tables, jobs.copy):
        step()
        assert database.query(FUNCTIONS) == made
    comment = "SELECT xmin::text FROM pg_description WHERE objoid = 'migracion'::regnamespace"
    said = database.query(comment)
    jobs.equalise()
    assert database.query(comment) == said
    source = "SELECT prosrc FROM pg_proc WHERE oid = 'migracion.tocar_actualizado()'::regprocedure"
    right = database.value(source)
    database.query(
        "CREATE OR REPLACE FUNCTION migracion.tocar_actualizado() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'"
    )
    jobs.approve()
    assert database.value(source) == right


def test_what_default_privileges_open_is_closed_where_a_run_makes_it(begin: Begin) -> None:
    database, jobs = begin(rows=100, up_to="fase1")
    database.query(
        "ALTER DEFAULT PRIVILEGES FOR ROLE postgres GRANT ALL ON TABLES TO anon;"
        "ALTER DEFAULT PRIVILEGES FOR ROLE postgres GRANT ALL ON FUNCTIONS TO anon"
    )
    jobs.copy()
    opened_to = """SELECT c.oid::regclass::text FROM pg_class c, aclexplode(c.relacl) x
    WHERE c.relnamespace = 'migracion'::regnamespace AND x.grantee IN (0, 'anon'::regrole) UNION ALL
    SELECT p.oid::regprocedure::text FROM pg_proc p, aclexplode(p.proacl) x
    WHERE p.pronamespace = 'migracion'::regnamespace AND x.grantee IN (0, 'anon'::regrole)"""
    assert database.query(opened_to) == []


def test_the_signed_text_of_a_view_closes_it_by_itself(begin: Begin) -> None:
    """Whoever runs the file by hand has nothing else that would."""
    database, jobs = begin(rows=100, up_to="fase1")
    database.query("ALTER DEFAULT PRIVILEGES FOR ROLE postgres GRANT ALL ON TABLES TO PUBLIC")
    with opened(jobs.params("prueba", "fase2"), False) as context:
        texts = database.query("SELECT texto FROM migracion.sql_aprobado WHERE nombre ~ '^fase[23]/' ORDER BY nombre")
        for (text,) in texts:
            db.run_sql(context.conn, text)
        for route in context.all_routes:
            assert not database.value("SELECT has_table_privilege('public', %s, 'SELECT')", (route.view,))
    assert len(texts) == 20  # of each pair its own and its sync
