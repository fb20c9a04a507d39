"""The last lines of a run: what comes next, and how much of a long list is shown."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from plugins.module_utils.core.phase.command_line import Command
from plugins.module_utils.core.phase.history import APPLY, REVERT, VERIFY
from plugins.module_utils.core.phase.summary import (
    SHOWN,
    WOULD_RUN,
    Ending,
    accounting,
    quarantine_lines,
    time_taken,
    waived_lines,
)

COMMAND = Command("fase2.yml", ("-i", "prod"), ("subfase=2.1",), ("fase0", "fase1", "fase2", "fase3"))
ENDED = Ending("fase2", APPLY, "COMPLETADA", "20261125T160634-39b0", "/r/1.log", COMMAND, can_undo=True)
NOW = datetime(2026, 11, 25, 16, 6, 44, tzinfo=UTC)
FASE2 = "ansible-playbook fase2.yml -i prod"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            {},
            ["  Para deshacer: " + FASE2 + " -e subfase=2.1 --tags rollback", "  Siguiente: ansible-playbook fase3.yml -i prod"],
        ),
        ({"can_undo": False, "repeat": True}, [f"  Para continuar: corrija la causa y repita: {FASE2} -e subfase=2.1"]),
        (
            {"can_undo": False, "action": VERIFY, "dry": True, "verdict": WOULD_RUN},
            [f"  Para ejecutarla: {FASE2} -e subfase=2.1 --tags verify"],
        ),
        (
            {"can_undo": False, "dry": True, "verdict": "SIMULACIÓN: no se podría"},
            [f"  Para simularla otra vez, corregida la causa: {FASE2} -e subfase=2.1 --check"],
        ),
        (
            {"can_undo": False, "action": REVERT},
            [f"  Siguiente: {FASE2} -e subfase=2.1   (cuando la causa esté corregida)"],
        ),
        ({"can_undo": False, "waiting": ("2.2", "2.3")}, [f"  Siguiente: {FASE2} -e subfase=2.2"]),
        (
            {"can_undo": False, "waiting": ("2.2",), "ready": False},
            ["  Siguiente: fase2, subfase 2.2 (todavía no tiene tablas en el mapeo)"],
        ),
        (
            {"can_undo": False, "phase": "fase3"},
            ["  Siguiente: fase4 (todavía no existe en este runbook)"],
        ),
        ({"can_undo": False, "phase": "fase5"}, []),
        (
            {"phase": "fase0"},
            ["  Para deshacer: nada: fase0 solo mira y anota", "  Siguiente: ansible-playbook fase1.yml -i prod"],
        ),
    ],
)
def test_a_run_ends_with_the_way_back_and_the_next_command(changed: dict[str, object], said: list[str]) -> None:
    assert replace(ENDED, **changed).lines(NOW)[4:] == said


def test_what_the_next_command_leaves_out_is_said_where_there_is_one() -> None:
    command = replace(COMMAND, dropped=("overrides", "batch_rows"), others_by_extra=True)
    both = [
        "  (más sus otros -e, que aquí no se repiten; database_url, mejor en la variable DATABASE_URL)",
        "  (sin lo que se dio solo para esta ejecución: overrides, batch_rows)",
    ]
    assert replace(ENDED, command=command).lines(NOW)[6:] == both
    assert replace(ENDED, command=command, can_undo=False, phase="fase5").lines(NOW)[4:] == []


def test_the_head_says_what_ran_for_how_long_and_what_is_left() -> None:
    ended = replace(ENDED, subphase="2.1", notes=("una nota",), pending=3, services=False)
    assert ended.lines(NOW)[:6] == [
        "",
        "fase2 2.1 · aplicar · COMPLETADA · 10 s",
        "  una nota",
        "  Pendientes de propagar: 3",
        "  Servicios: no participan en esta fase (services_enabled=false)",
        "  Registro: /r/1.log",
    ]
    bare = replace(ENDED, run_id="prueba-1", log="", can_undo=False, phase="fase5")
    assert bare.lines(NOW) == ["", "fase5 · aplicar · COMPLETADA", "  Servicios: no participan en esta fase"]


@pytest.mark.parametrize("beyond", [0, 1])
def test_of_a_long_list_the_first_are_shown_and_the_others_counted(beyond: int) -> None:
    several = range(SHOWN + beyond)
    lists = {
        " … y 1 más (en el registro)": accounting({"diferencias": [f"d{n}" for n in several]}),
        "   … y 1 motivo más": quarantine_lines([("users", f"m{n}", 2, ["a", "b"]) for n in several], COMMAND),
        "   … y 1 patrón más": waived_lines([("users", f"p{n}", "porque sí", 2) for n in several]),
    }
    for last, lines in lists.items():
        assert len(lines) == 1 + SHOWN + beyond
        assert (lines[-1] == f" {last}") == bool(beyond)
    heads = [lines[0] for lines in lists.values()]
    assert heads == [
        f"  Diferencias: {SHOWN + beyond}",
        f"  Cuarentena abierta: {2 * (SHOWN + beyond)} filas: ansible-playbook estado.yml -i prod --tags cuarentena",
        f"  Cuarentena dispensada: {2 * (SHOWN + beyond)} filas (waived_quarantine)",
    ]


def test_where_there_is_nothing_to_count_nothing_is_said() -> None:
    assert accounting({}) + quarantine_lines((), COMMAND) + waived_lines(()) == []


@pytest.mark.parametrize(
    ("run_id", "now", "said"),
    [
        ("20261125T160634-39b0", NOW.astimezone(timezone(timedelta(hours=-5))), "10 s"),
        ("20261125T160700-39b0", NOW, "0 s"),  # another machine's clock
        ("prueba-1", NOW, ""),
    ],
)
def test_the_time_a_run_took_is_counted_in_utc(run_id: str, now: datetime, said: str) -> None:
    assert time_taken(run_id, now) == said
