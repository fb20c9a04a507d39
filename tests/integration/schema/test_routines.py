"""The pairs' views and functions in schema migracion: made once, replaced where their text is another, gone with the tables."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from plugins.module_utils.call.context import Context, opened
from plugins.module_utils.core.errors import MigrationError
from plugins.module_utils.core.mapping.file import load_mapping
from plugins.module_utils.core.rows.routes import routes_of
from plugins.module_utils.schema.routines import install_helpers, install_routes
from plugins.module_utils.server import db
from tests.support.databases import Begin, Database, Made
from tests.support.jobs import TINKUBOT

VIEWS = "SELECT relname, oid FROM pg_class WHERE relnamespace = 'migracion'::regnamespace AND relkind = 'v'"
FUNCTIONS = (
    "SELECT proname FROM pg_proc WHERE pronamespace = 'migracion'::regnamespace AND proname ~ '^(copiar|cargar|llevar|quitar)_'"
)


@contextmanager
def installed(made: Made) -> Iterator[Context]:
    """A run of fase2 that has made views and functions, and copied nothing."""
    _, jobs = made
    with jobs.run("fase2") as run_id, opened(jobs.params(run_id, "fase2"), False) as context:
        with db.transaction(context.conn):
            install_helpers(context.conn)
            install_routes(context.conn, context.all_routes)
        yield context


def views(database: Database) -> dict[str, int]:
    return dict(database.query(VIEWS))


def test_what_is_installed_already_is_left_alone_and_another_text_replaces_it(begin: Begin) -> None:
    made = begin(up_to="fase1")
    with installed(made) as context:
        first = views(made[0])
        assert first
        with db.transaction(context.conn):
            install_routes(context.conn, context.all_routes)
        assert views(made[0]) == first
        other = TINKUBOT.read_text(encoding="utf-8").replace("Cliente TinkuBot", "Cliente")
        with db.transaction(context.conn):
            install_routes(context.conn, routes_of(load_mapping(other, "otro.yml"), context.catalogue))
        second = views(made[0])
        assert second.keys() == first.keys()
        assert not {*first.values()} & {*second.values()}


def test_the_way_back_of_fase1_leaves_no_view_no_function_and_no_debt_of_a_copy_that_never_began(begin: Begin) -> None:
    database, jobs = made = begin(up_to="fase1")
    with installed(made):
        assert database.query(FUNCTIONS)
    database.query(
        "INSERT INTO migracion.indice_pendiente (tabla, indice, definicion, run_id) VALUES"
        " ('clientes', 'idx_clientes_ciudad', 'CREATE INDEX ...', 'prueba')"
    )
    jobs.drop_tables()
    assert database.query(VIEWS) == []
    assert database.query(FUNCTIONS) == []
    assert database.query("SELECT * FROM migracion.indice_pendiente") == []


@pytest.mark.parametrize("phase", ["fase2", "fase3"])
def test_a_proof_judges_by_no_helper_function_but_the_approved_one_and_a_run_puts_it_back(begin: Begin, phase: str) -> None:
    """As an older version of the runbook left it, or as somebody changed it by hand; no pair's text differs."""
    database, jobs = begin(up_to="fase3")
    text = database.value("SELECT pg_get_functiondef('migracion.alcance'::regproc)")
    database.query(text.replace("v_primero := false", "v_primero := true").replace("%", "%%"))
    with pytest.raises(MigrationError, match="no son lo que fase0 aprobó") as failed:
        jobs.prove(phase)
    assert f"ansible-playbook {phase}.yml" in str(failed.value)
    jobs.copy(phase)
    jobs.prove(phase)
    assert database.value("SELECT pg_get_functiondef('migracion.alcance'::regproc)") == text


def test_a_pair_that_left_the_mapping_leaves_no_view_behind(begin: Begin) -> None:
    made = begin(up_to="fase1")
    with installed(made) as context, db.transaction(context.conn):
        install_routes(context.conn, context.all_routes[:-1])
        assert len(db.fetch_all(context.conn, VIEWS)) == len(context.all_routes) - 1
