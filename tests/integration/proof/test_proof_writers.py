"""The proof beside writers names no difference that is none, and passes over none that is one.

``PROOF_RUNS`` says how many proofs stand beside the writers.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest

from plugins.module_utils.call.context import opened
from plugins.module_utils.proof import prove
from tests.support.accounting import take_accounting
from tests.support.databases import Begin, Database, Made
from tests.support.writers import services

pytestmark = pytest.mark.concurrent

RUNS = int(os.environ.get("PROOF_RUNS", "3"))
PHASES = ("fase2", "fase3")
WRITES = 400  # asked for, so that 300 a second come about beside the proofs
CUSTOMER = "c0000000-0000-4000-8000-000000000005"
COUNTED = re.compile(r": \d+ (?:entradas de cuarentena|fusiones en \w+ constan)")
WRONG_BYTE = f"clientes {CUSTOMER}: difiere: ciudad: se esperaba '', hay ' '"


@pytest.fixture
def made(begin: Begin) -> Made:
    """A database whose nine tables are proved equal."""
    return begin(rows=1000, up_to="fase3")


def spoil(database: Database) -> None:
    """Change one byte of a Spanish row behind everybody's back."""
    with database.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("UPDATE clientes SET ciudad = ' ' WHERE id = %s", (CUSTOMER,))


def test_what_is_carried_with_its_write_or_just_behind_it_is_no_difference(made: Made) -> None:
    database, jobs = made
    with services(database, "at once", "late", writes=WRITES) as running:
        time.sleep(1)
        started, before = time.monotonic(), sum(s.written for s in running)
        written = runs = 0
        while runs < RUNS or written <= WRITES:  # where proofs are fast, more of them
            assert time.monotonic() < started + 60 * RUNS, f"{written} writes"
            for phase in PHASES:
                for account in jobs.prove(phase)["accounting"]:
                    assert account["pendientes"] == account["sin_origen"] == 0
                    assert account["total"] == account["iguales"] + account["fusionadas"] + account["cuarentena"]
            written, runs = sum(s.written for s in running) - before, runs + 1
        print(f"\n{runs} proofs of all tables beside {written / (time.monotonic() - started):.0f} writes/s")
        spoil(database)
        for _ in range(RUNS):
            assert jobs.differences() == [WRONG_BYTE]
    jobs.equalise()
    assert take_accounting(database.url).problems == []


def test_a_snapshot_alone_would_have_named_them(made: Made) -> None:
    database, jobs = made
    unclean = 0
    with ExitStack() as stack:
        stack.enter_context(services(database, "late", writes=WRITES))
        context = stack.enter_context(opened(jobs.params("prueba", "fase2"), True))
        routes = context.all_routes
        deadline = time.monotonic() + 60
        while not unclean and time.monotonic() < deadline:
            with prove.snapshot(context.conn, routes, routes, prove.Looker()) as accounts:
                unclean += sum(not a.clean for a in accounts)
                prove.look_again(context.conn, accounts, routes, prove.Looker())
            assert [a.groups for a in accounts if not a.clean] == []
    assert unclean


def test_beside_writers_that_nobody_follows_a_run_comes_to_its_end_and_a_proof_names_their_rows_alone(made: Made) -> None:
    database, jobs = made
    with services(database, "never", writes=WRITES) as running:
        time.sleep(1)
        for phase in PHASES:
            for account in jobs.equalise(phase)["accounting"]:
                assert account["pendientes"] == account["sin_origen"] == 0
        time.sleep(0.3)
        spoil(database)
        lines = [line for phase in PHASES for line in jobs.differences(phase)]
        touched = set().union(*(s.touched for s in running))
    named = {found[0] for line in lines if (found := re.search(r"f[0-9a-f]{7}-[0-9a-f-]{27}", line))}
    assert named
    assert named <= touched
    # entries and merges of rows that healed or left since the repair are counted, not named; the accounting finds none afterwards
    others = [line for line in lines if not any(key in line for key in named) and not COUNTED.search(line)]
    # fase3 looks its customers up in clientes, so its proof compares that table too
    assert others == [WRONG_BYTE] * len(PHASES)
    for phase in PHASES:
        jobs.equalise(phase)
    assert take_accounting(database.url).problems == []


def test_a_spanish_row_that_was_not_there_to_be_locked_is_not_judged(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes back between lock and judgement, as where a service writes it and a sync is behind."""
    database, jobs = made

    def comes_back(act: Callable[..., Any]) -> Callable[..., Any]:
        def run(conn: Any, query: str, *more: Any) -> Any:
            done = act(conn, query, *more)
            if "FOR SHARE OF t" in query:
                columns = f"id, telefono, nombre_completo) VALUES ('{CUSTOMER}', '5931', 'De vuelta')"
                database.query(f"INSERT INTO clientes ({columns} ON CONFLICT DO NOTHING")
            return done

        return run

    with opened(jobs.params("prueba", "fase2"), True) as context:
        routes = context.all_routes
        database.query("DELETE FROM customers WHERE id = %s", (CUSTOMER,))
        with prove.snapshot(context.conn, routes, routes, prove.Looker()) as accounts:
            assert [a.surplus for a in accounts if not a.clean] == [1]
            database.query("DELETE FROM clientes WHERE id = %s", (CUSTOMER,))
            for name in ("fetch_all", "run_sql"):
                monkeypatch.setattr(prove, name, comes_back(getattr(prove, name)))
            prove.look_again(context.conn, accounts, routes, prove.Looker())
    assert [a.route.pair.source for a in accounts if not a.clean] == []
    assert database.value("SELECT count(*) FROM clientes WHERE id = %s", (CUSTOMER,)) == 1


def test_a_legacy_row_that_goes_between_the_two_looks_does_not_hide_its_spanish_row(made: Made) -> None:
    database, jobs = made
    with opened(jobs.params("prueba", "fase2"), True) as context:
        routes = context.all_routes
        database.query("UPDATE customers SET city = 'Tena' WHERE id = %s", (CUSTOMER,))
        with prove.snapshot(context.conn, routes, routes, prove.Looker()) as accounts:
            database.query("DELETE FROM customers WHERE id = %s", (CUSTOMER,))
            prove.look_again(context.conn, accounts, routes, prove.Looker())
        [found] = [a for a in accounts if not a.clean]
    assert (found.surplus, [e["clave"] for e in found.examples]) == (1, [CUSTOMER])
