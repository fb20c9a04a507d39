"""However many values stand in the way, what a proof, a forecast, a summary and estado hold of them is little."""

from __future__ import annotations

import re
from typing import Any

import pytest

from plugins.module_utils.call.context import opened
from plugins.module_utils.core.rows.refusals import UNFORESEEN, Refusal, conversion_of, reason_kind
from plugins.module_utils.jobs import table_copy
from plugins.module_utils.ledger.events import FEW_VALUES, open_quarantine
from plugins.module_utils.proof.accounting import take_account
from plugins.module_utils.server.db import fetch_all
from tests.support.databases import Begin, Database
from tests.support.named import statements_in
from tests.support.phase import Phase

MANY = 3_000
KINDS = {  # by table: as many refused rows as there are, each with a value of its own; the kind that they are told by
    "service_requests": (
        "INSERT INTO service_requests (phone, intent, requested_at) SELECT '5939', 'libre ' || n, now()"
        f" FROM generate_series(1, {MANY}) n",
        "intent no tiene traducción",
    ),
    "task_queue": (
        "INSERT INTO task_queue (task_type, payload, scheduled_at) SELECT E'a\\\\b\\n''' || n, '{}', now()"
        f" FROM generate_series(1, {MANY}) n",
        "task_type no tiene traducción",
    ),
}


def fill(database: Database) -> None:
    for statement, _ in KINDS.values():
        database.query(statement)


def test_a_proof_and_a_forecast_count_them_by_kind(begin: Begin) -> None:
    database, jobs = begin(up_to="fase2")
    fill(database)
    lines = table_copy.copy(jobs.params("prueba-check", "fase3"), True)["lines"]
    for table, (_, kind) in KINDS.items():
        (line,) = (line for line in lines if kind in line)
        assert re.match(rf"  cuarentena: 3\.0\d\d × {kind} \(la primera: {table} \S+: ", line), line
    jobs.fill("fase3")
    with opened(jobs.params("prueba", "fase3"), True) as context:
        for found in take_account(context.conn, context.routes, context.all_routes):
            assert len(found.groups) < 12, found.route.pair.source
            assert sum(group.rows for _, group in found.reasons) == database.value(
                "SELECT count(*) FROM migracion.cuarentena WHERE tabla_origen = %s AND estado = 'abierta'",
                (found.route.pair.source,),
            )


def test_the_summary_and_estado_name_them_by_kind_and_few_values_as_they_are(begin: Begin) -> None:
    database, jobs = begin(up_to="fase2")
    fill(database)
    jobs.fill("fase3")
    with opened(jobs.params("prueba", "fase3"), True) as context:
        entries = open_quarantine(context.conn)
    assert len(entries) < 60
    assert {entry[1] for entry in entries if entry[0] in KINDS} >= {kind for _, kind in KINDS.values()}
    assert "user_type no es provider ni client: 'admin'" in {entry[1] for entry in entries}
    assert sum(entry[2] for entry in entries) == database.value(
        "SELECT count(*) FROM migracion.cuarentena WHERE estado = 'abierta'"
    )
    lines = Phase(database.url).call("quarantine", "estado", "ver")
    assert len(lines) < 500
    for table, (_, kind) in KINDS.items():
        (head,) = (n for n, line in enumerate(lines) if f"× {table}: {kind}" in line)
        assert re.match(r"3\.0\d\d ×", lines[head])
        rows = database.value(
            "SELECT count(*) FROM migracion.cuarentena WHERE tabla_origen = %s AND starts_with(motivo, %s)", (table, kind)
        )
        update = next(n for n, line in enumerate(lines) if n > head and line.strip().startswith(f"UPDATE public.{table}"))
        found = " ".join(line.strip() for line in lines[update : update + 2]).rstrip(";").partition(" WHERE ")[2]
        assert database.value(f"SELECT count(*) FROM {table} WHERE {found}") == rows


def test_parents_that_are_awaited_are_few_too(begin: Begin) -> None:
    database, jobs = begin(up_to="fase1")
    database.query(
        "INSERT INTO users (phone_number, user_type, name, status) SELECT 'x' || n, 'provider', 'N', 'raro'"
        f" FROM generate_series(1, {MANY}) n"
    )
    database.query("INSERT INTO provider_services (provider_id, title) SELECT id, 't' FROM users WHERE status = 'raro'")
    jobs.fill("fase2")
    lines = Phase(database.url).call("quarantine", "estado", "ver")
    (head,) = (n for n, line in enumerate(lines) if "× provider_services: provider_id apunta" in line)
    waiting = [line for line in lines[head:] if line.strip().startswith("Corrija antes")]
    assert 3 <= len(waiting) <= 6
    assert any(re.search(r"… y 2\.99\d filas más\. Filas que las esperan: 2\.99\d\.", line) for line in lines[head:])


def test_each_kind_of_reason_ends_before_its_value(begin: Begin) -> None:
    """Whatever a refusal says of a row's own value stands at its end, so that the rest is one text for all rows."""
    _, jobs = begin(up_to="fase0")
    with opened(jobs.params("prueba", "fase3"), True) as context:
        refusals: list[Refusal] = [
            refusal
            for route in context.all_routes
            for carried in route.carried
            if not carried.spanish
            for refusal in conversion_of(route, carried, "l").refusals
        ]
        assert len(refusals) > 50
        for refusal in refusals:
            head, own, rest = refusal.reason.partition("||")
            assert not own or re.fullmatch(r" quote_literal\(left\(.*, 40\)\)", rest), refusal.reason
            for value in ("x", "O'Neil: 'y'", "a\\b\n: 'z'", "1: NULL") if own else ("",):
                said, kind = fetch_all(
                    context.conn,
                    f"SELECT m, {reason_kind('m')} FROM (SELECT {head.strip()}{' || quote_literal(%s)' if own else ''} AS m) x",
                    (value,) if own else None,
                )[0]
                assert kind == (said.partition(": ")[0] if own else said)
        [(unforeseen,)] = fetch_all(context.conn, f"SELECT {reason_kind('m')} FROM (SELECT %s AS m) x", (f"{UNFORESEEN}a: 'b'",))
        assert f"{unforeseen}: " == UNFORESEEN


def test_as_many_values_as_are_few_are_still_told_apart(begin: Begin) -> None:
    database, jobs = begin(up_to="fase2")
    kind = KINDS["service_requests"][1]

    def told() -> list[Any]:
        with opened(jobs.params("prueba", "fase3"), True) as context:
            return [entry for entry in open_quarantine(context.conn) if entry[1].startswith(kind)]

    database.query("UPDATE service_requests SET intent = 'service_request'")
    nth = "SELECT id FROM service_requests ORDER BY id OFFSET %s LIMIT 1"
    one = f"UPDATE service_requests SET intent = 'v' || %s WHERE id = ({nth})"
    for n in range(FEW_VALUES):
        database.query(one, (str(n), n))
    jobs.fill("fase3")
    assert len(told()) == FEW_VALUES
    database.query(one, ("otro", FEW_VALUES))
    jobs.fill("fase3")
    ((_, reason, rows, _),) = told()
    assert (reason, rows) == (kind, FEW_VALUES + 1)


def test_the_statement_that_lists_the_others_still_runs(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    database, jobs = begin(up_to="fase2")
    fill(database)
    jobs.fill("fase3")
    monkeypatch.setattr("plugins.module_utils.quarantine.listing.REASONS_SHOWN", 1)
    (search,) = statements_in("\n".join(Phase(database.url).call("quarantine", "estado", "ver")))
    assert len(database.query(search)) > MANY
