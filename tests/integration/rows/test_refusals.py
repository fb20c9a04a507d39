"""No row is refused for a reason that the target schema does not give, none that it gives is missed, and nothing raises.

The judge is tests/support/accounting.py: the target schema as plain INSERTs, which shares nothing with the runbook.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from plugins.module_utils.backfill.sequences import advance_sequences
from plugins.module_utils.call.context import Context, opened
from plugins.module_utils.proof import prove
from plugins.module_utils.schema.routines import install_routes
from plugins.module_utils.server import db
from tests.support.accounting import take_accounting
from tests.support.databases import Database, Databases
from tests.support.hostile_rows import TABLES, Rows, hostile_rows, put
from tests.support.jobs import Jobs

pytestmark = pytest.mark.values

INSTALLATIONS = ["jsonb", "text"]
ROWS = 24  # of each table
UNFORESEEN = "SELECT tabla_origen, clave, motivo FROM migracion.cuarentena WHERE starts_with(motivo, 'PostgreSQL la rechaza')"
# As deep, as long and as large as PostgreSQL lets a value be in passing.
DEEP = "(repeat('[', 4000) || repeat(']', 4000))::jsonb"
GIANTS = {
    "jsonb": [
        f"INSERT INTO messages (content, metadata) VALUES (repeat(chr(1), 3000000), {DEEP})",
        f"INSERT INTO task_queue (task_type, payload) VALUES ('reminder', {DEEP}), ('reminder', '1e131071')",
        f"INSERT INTO sessions (user_id, session_id, session_data) SELECT id, repeat(' ', 100000), {DEEP} FROM users LIMIT 3",
    ],
    "text": [
        "UPDATE customers SET notes = repeat('[', 200000) WHERE id = 'c0000000-0000-4000-8000-000000000001'",
        "UPDATE customers SET notes = repeat('{\"a\":', 100000) WHERE id = 'c0000000-0000-4000-8000-000000000005'",
        "UPDATE customers SET full_name = 'x' || repeat(' ', 100000) WHERE id = 'c0000000-0000-4000-8000-000000000004'",
        "UPDATE provider_professions SET certifications = repeat('[', 100000) WHERE profession_id = 903",
        "UPDATE service_requests SET resolved_at = repeat('2', 100000) WHERE id = 'b0000000-0000-4000-8000-000000000002'",
    ],
}
bounded = settings(
    max_examples=20,
    deadline=None,
    database=None,
    phases=[Phase.generate],  # each example takes most of a second: what fails is read, not shrunk
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


@dataclass
class Bench:
    """Both sides of one installation, empty, and what carries rows between them installed."""

    database: Database
    context: Context = field(repr=False)

    def empty(self) -> None:
        """No row anywhere."""
        tables = [*TABLES, *dict.fromkeys(r.pair.target for r in self.context.all_routes)]
        names = ", ".join([f"public.{t}" for t in tables] + ["migracion.cuarentena", "migracion.fusion"])
        self.database.query(f"TRUNCATE {names} CASCADE")

    def judge(self, rows: Rows) -> None:
        """Both sides judge these rows alike; every one is accounted for, and none by PostgreSQL's own refusal."""
        self.empty()
        with self.database.cursor() as cursor:
            put(cursor, rows)
        self.carry()
        assert take_accounting(self.database.url).problems == []
        assert self.database.query(UNFORESEEN) == []
        accounts = prove.prove(self.context.conn, self.context.all_routes, self.context.all_routes)
        assert [a.groups for a in accounts if not a.clean] == []

    def carry(self) -> None:
        """Every legacy row by its pair's function, in the order of the phases."""
        routes = self.context.all_routes
        for route in routes:
            keys = ", ".join(f"coalesce(array_agg({k}), '{{}}')" for k in route.key_names)
            db.run_sql(
                self.context.conn,
                f"SELECT {route.function('llevar')}({', '.join('k.' + k for k in route.key_names)}, 'prueba') FROM"
                f" (SELECT {keys} FROM {route.view}) k({', '.join(route.key_names)})",
            )
        advance_sequences(self.context.conn, self.context.mapping, routes, "prueba", "fase2")


@pytest.fixture(scope="module")
def benches(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Bench]]:
    with ExitStack() as stack:
        made = {}
        for installation in INSTALLATIONS:
            database = databases.sample(installation, rows=100, messages=10, up_to="fase1")
            stack.callback(databases.drop, database)
            jobs = Jobs(database.url, tmp_path_factory.mktemp("respaldos"))
            context = stack.enter_context(opened(jobs.params("prueba", "fase2"), False))
            with db.transaction(context.conn):
                install_routes(context.conn, context.all_routes)
            made[installation] = Bench(database, context)
        yield made


@pytest.mark.parametrize("installation", INSTALLATIONS)
def test_a_sample_full_of_hostile_rows_is_accounted_for_row_by_row(
    new_database: Callable[..., Database], tmp_path: Path, installation: str
) -> None:
    database = new_database(installation)
    with database.cursor() as cursor:
        assert put(cursor, hostile_rows(installation, 7, 60)) > 300
        for statement in GIANTS[installation]:
            cursor.execute(statement)
    jobs = Jobs(database.url, tmp_path, batch_rows=50)
    foreseen = jobs.forecast()["forecast"]
    done = jobs.up_to_proof()["accounting"]
    for one, other in zip(foreseen, done, strict=True):
        assert (one["cuarentena"], one["fusionar"], one["copiar"]) == (other["cuarentena"], other["fusionadas"], other["iguales"])
    jobs.copy("fase3")
    jobs.equalise("fase3")
    assert take_accounting(database.url).problems == []
    assert database.query(UNFORESEEN) == []


@bounded
@given(st.sampled_from(INSTALLATIONS), st.integers(0, 2**32))
def test_every_judgement_is_what_an_insert_says(benches: dict[str, Bench], installation: str, seed: int) -> None:
    benches[installation].judge(hostile_rows(installation, seed, ROWS))
