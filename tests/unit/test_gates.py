"""The order of the phases and the gates before them."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from plugins.module_utils.core.backfill.growth import ServerDisk
from plugins.module_utils.core.backfill.load import ServerLoad, Standby
from plugins.module_utils.core.backup.keeping import AtHand
from plugins.module_utils.core.phase.gates import GATE_NAMES, GATES, Decision, Facts, Gate, closed_gate, decide, override_argument
from plugins.module_utils.core.phase.history import APPLY, REVERT, VERIFY, Plan, Run, is_complete, standing_parts
from plugins.module_utils.core.phase.settings import Settings
from plugins.module_utils.core.phase.window import parse_window
from plugins.module_utils.core.proof.removals import Removals
from plugins.module_utils.core.rewrite.quiet import LegacyWrite, LegacyWriters

NOW = datetime(2026, 11, 25, 15, 0, tzinfo=UTC)  # 10:00 in Guayaquil
NIGHT = parse_window({"start": "02:00", "end": "06:00", "timezone": "America/Guayaquil"})
SUBPHASES = {"fase2": ("2.1", "2.2")}
PAGE = Path(__file__).parents[2] / "docs/gates.md"
# Names that command lines hold already, of gates that there are and of those that are still to come.
CONTRACT = {
    "window",
    "stabilization",
    "approvals",
    "rehearsal",
    "backup",
    "quiet_hours",
    "stable_hours",
    "readers",
    "disk",
    "replication_lag",
    "removal",
}


def runs(*facts: tuple[Any, ...]) -> tuple[Run, ...]:
    """(phase, action, state[, subphases[, days ago]]) as rows, oldest first."""
    rows = []
    for number, (phase, action, state, *rest) in enumerate(facts):
        parts = rest[0] if rest else ()
        ended = NOW - timedelta(days=rest[1] if len(rest) > 1 else 30)
        rows.append(Run(number, f"r{number}", phase, action, state, "ana", ended, ended, {"subfases": list(parts)}))
    return tuple(rows)


DONE0 = ("fase0", APPLY, "completada")
DONE1 = ("fase1", APPLY, "completada")
DONE21 = ("fase2", APPLY, "completada", ("2.1",))
DONE22 = ("fase2", APPLY, "completada", ("2.2",))
DONE3 = ("fase3", APPLY, "completada")


def decided(plan: Plan, recorded: tuple[Run, ...] = (), **settings: Any) -> Decision:
    """What the gates say of it; no days of rest unless they are given."""
    return decide(Facts(Settings(**{"stabilization_days": 0, **settings}), NOW, plan=plan, runs=recorded))


def refusing(plan: Plan, recorded: tuple[Run, ...] = (), **settings: Any) -> list[str]:
    return [refusal.gate for refusal in decided(plan, recorded, **settings).refusals]


def plan(phase: str, action: str = APPLY, parts: tuple[str, ...] = ("",)) -> Plan:
    return Plan(phase, action, parts, SUBPHASES)


def test_the_first_phase_waits_for_nobody() -> None:
    assert refusing(plan("fase0")) == []


def test_a_phase_waits_for_all_phases_before_it() -> None:
    (refusal,) = decided(plan("fase2", parts=("2.1",)), runs(DONE0)).refusals
    assert refusal.gate == "order"
    assert "fase1 (no se ha ejecutado)" in refusal.message
    assert not refusal.overridable
    assert refusal.not_yet_run
    assert refusing(plan("fase2", parts=("2.1",)), runs(DONE0, DONE1)) == []


def test_a_failed_phase_is_not_one_that_a_dry_run_may_take_for_done() -> None:
    (refusal,) = decided(plan("fase1"), runs(("fase0", APPLY, "fallida"))).refusals
    assert "fase0 (fallida)" in refusal.message
    assert not refusal.not_yet_run


def test_a_phase_that_was_undone_is_one_that_has_not_yet_run() -> None:
    (refusal,) = decided(plan("fase1"), runs(("fase0", APPLY, "revertida"), ("fase0", REVERT, "completada"))).refusals
    assert "fase0 (se deshizo)" in refusal.message
    assert refusal.not_yet_run


def test_of_several_phases_that_are_missing_the_first_is_the_next_step() -> None:
    (refusal,) = decided(plan("fase2", parts=("2.1",))).refusals
    assert refusal.message.endswith("Siguiente paso: fase0.")
    assert refusal.first == ("fase0", "", "")


def test_fase2_is_complete_when_both_subphases_are() -> None:
    one = runs(DONE0, DONE1, DONE21)
    both = runs(DONE0, DONE1, DONE21, DONE22)
    assert not is_complete(plan("fase2"), one, "fase2")
    assert is_complete(plan("fase2"), both, "fase2")
    (refusal,) = decided(plan("fase3"), one).refusals
    assert "fase2 (falta la subfase 2.2)" in refusal.message


def test_the_second_subphase_waits_for_the_first() -> None:
    assert refusing(plan("fase2", parts=("2.2",)), runs(DONE0, DONE1)) == ["order"]
    assert refusing(plan("fase2", parts=("2.1", "2.2")), runs(DONE0, DONE1)) == []


def test_a_dry_run_of_the_second_subphase_goes_on_without_the_first_and_a_real_one_is_told_to_run_it() -> None:
    found = decided(plan("fase2", parts=("2.2",)), runs(DONE0, DONE1))
    assert not found.holds_a_dry_run
    assert found.refusals[0].first == ("fase2", "", "2.1")


def test_a_rolled_back_phase_does_not_count() -> None:
    back = runs(DONE0, DONE1, ("fase1", REVERT, "completada"))
    assert standing_parts(back, "fase1") == set()
    assert refusing(plan("fase2", parts=("2.1",)), back) == ["order"]


def test_a_rolled_back_subphase_leaves_the_other_standing() -> None:
    both = ("fase2", APPLY, "completada", ("2.1", "2.2"))
    assert standing_parts(runs(both, ("fase2", REVERT, "completada", ("2.2",))), "fase2") == {"2.1"}


def test_no_override_passes_the_order() -> None:
    assert refusing(plan("fase1"), overrides={"order": "prisa"}) == ["order"]


def test_a_rollback_is_refused_while_a_later_phase_stands_and_names_the_one_to_undo_first() -> None:
    (refusal,) = decided(plan("fase1", REVERT), runs(DONE0, DONE1, DONE21)).refusals
    assert refusal.gate == "order"
    assert "deshaga primero fase2 (--tags rollback)" in refusal.message
    (refusal,) = decided(plan("fase1", REVERT), runs(DONE0, DONE1, DONE21, DONE22, DONE3)).refusals
    assert "deshaga primero fase3" in refusal.message


@pytest.mark.parametrize("phase", ["fase1", "fase2"])
def test_a_rollback_is_refused_beside_a_later_phase_that_stopped_half_way(phase: str) -> None:
    recorded = runs(DONE0, DONE1, DONE21, DONE22, ("fase3", APPLY, "fallida"))
    (refusal,) = decide(
        Facts(Settings(), NOW, plan=plan(phase, REVERT), runs=recorded, begun=frozenset({"fase2", "fase3"}))
    ).refusals
    assert refusal.message == f"{phase} no se deshace mientras fase3 esté a medias: deshaga primero fase3 (--tags rollback)."
    assert refusal.first == ("fase3", "rollback", "")


def test_a_phase_that_failed_before_its_first_row_holds_no_rollback() -> None:
    recorded = runs(DONE0, DONE1, DONE21, DONE22, ("fase3", APPLY, "fallida"))
    assert decide(Facts(Settings(), NOW, plan=plan("fase2", REVERT), runs=recorded, begun=frozenset({"fase2"}))).refusals == ()


def test_a_rollback_of_a_subphase_is_refused_while_the_later_one_stands() -> None:
    facts = runs(DONE0, DONE1, DONE21, DONE22)
    assert refusing(plan("fase2", REVERT, ("2.1",)), facts) == ["order"]
    assert refusing(plan("fase2", REVERT, ("2.2",)), facts) == []
    assert refusing(plan("fase2", REVERT, ("2.1", "2.2")), facts) == []


@pytest.mark.parametrize("subphases", [("2.1", "2.2"), ("2.1", "2.2", "2.3")])
def test_the_last_subphase_that_stands_is_the_one_to_undo_first(subphases: tuple[str, ...]) -> None:
    recorded = runs(DONE0, DONE1, ("fase2", APPLY, "completada", subphases))
    (refusal,) = decided(Plan("fase2", REVERT, ("2.1",), {"fase2": subphases}), recorded).refusals
    assert refusal.message.startswith(f"Deshaga primero la subfase {subphases[-1]}:")
    assert refusal.first == ("fase2", "rollback", subphases[-1])


def test_a_rollback_meets_neither_window_nor_stabilization() -> None:
    facts = runs(DONE0, DONE1, (*DONE21, 0))
    assert refusing(plan("fase2", REVERT, ("2.1",)), facts, maintenance_window=NIGHT, stabilization_days=9) == []


def test_verification_meets_no_gate() -> None:
    assert refusing(plan("fase5", VERIFY), maintenance_window=NIGHT, stabilization_days=9) == []


def test_outside_the_window_a_phase_is_refused_and_a_dry_run_goes_on() -> None:
    found = decided(plan("fase0"), maintenance_window=NIGHT)
    (refusal,) = found.refusals
    assert refusal.gate == "window"
    assert "allí son las 10:00; abre dentro de 16 h 00 min" in refusal.message
    assert not found.holds_a_dry_run


def test_the_days_of_rest_count_from_the_end_of_the_previous_phase() -> None:
    recent = runs(DONE0, (*DONE1, (), 1.5))
    (refusal,) = decided(plan("fase2", parts=("2.1",)), recent, stabilization_days=2).refusals
    assert refusal.gate == "stabilization"
    assert "faltan 0 d 12 h" in refusal.message
    assert refusing(plan("fase2", parts=("2.1",)), recent, stabilization_days=1) == []


def test_before_the_first_phase_there_is_nothing_to_rest_from() -> None:
    assert refusing(plan("fase0"), runs(("fase5", APPLY, "completada", (), 0.1)), stabilization_days=2) == []


def test_all_gates_that_refuse_are_named_with_the_exact_argument_that_passes_them() -> None:
    recent, strict = runs(DONE0, (*DONE1, (), 0.1)), {"maintenance_window": NIGHT, "stabilization_days": 2}
    closed = refusing(plan("fase2", parts=("2.1",)), recent, **strict)
    assert closed == ["window", "stabilization"]
    flag, value = shlex.split(override_argument(closed, {"disk": "ya ampliado"}))
    assert flag == "-e"
    passed = json.loads(value)["overrides"]
    assert passed == {"disk": "MOTIVO", "window": "MOTIVO", "stabilization": "MOTIVO"}  # a reason is for one run
    again = decided(plan("fase2", parts=("2.1",)), recent, **strict, overrides=passed)
    assert again.refusals == ()
    assert [reason for _, reason in again.overridden] == ["MOTIVO", "MOTIVO"]


@pytest.mark.parametrize("seconds", [60, -60])
def test_clocks_that_agree_hold_nobody(seconds: int) -> None:
    assert decide(clocks(plan("fase0"), seconds)).refusals == ()


@pytest.mark.parametrize("seconds", [61, -61, 5 * 86_400])
def test_a_runner_whose_clock_is_another_is_held_whatever_is_passed_and_both_clocks_are_named(seconds: int) -> None:
    decided = decide(clocks(plan("fase0"), seconds, overrides=dict.fromkeys(GATE_NAMES, "acordado")))
    (refusal,) = decided.refusals
    assert (refusal.gate, refusal.overridable, decided.holds_a_dry_run) == ("clock", False, True)
    for moment in (NOW, NOW + timedelta(seconds=seconds)):
        assert f"{moment:%Y-%m-%d %H:%M:%S} UTC" in refusal.message
    assert override_argument([refusal.gate], {"window": "x"}) == ""


@pytest.mark.parametrize("action", [REVERT, VERIFY])
def test_no_clock_holds_a_way_back_or_a_proof(action: str) -> None:
    assert decide(clocks(plan("fase0", action), 3_600)).refusals == ()


def clocks(asked: Plan, seconds: int, **settings: Any) -> Facts:
    return Facts(Settings(stabilization_days=0, **settings), NOW, NOW + timedelta(seconds=seconds), asked)


def test_a_dry_run_is_held_by_a_failed_phase_but_not_by_one_that_never_ran() -> None:
    assert not decided(plan("fase1")).holds_a_dry_run
    assert decided(plan("fase1"), runs(("fase0", APPLY, "fallida"))).holds_a_dry_run


@pytest.mark.parametrize("state", ["en_curso", "fallida", "pausada", "revertida"])
def test_only_a_completed_run_stands(state: str) -> None:
    assert standing_parts(runs(("fase1", APPLY, state)), "fase1") == set()


@pytest.mark.parametrize(("leaving", "rows", "closed"), [(101, 2019, True), (101, 2020, False), (100, 100, False), (0, 0, False)])
def test_more_than_a_hundred_rows_and_a_twentieth_of_a_table_are_not_taken_out_unasked(
    leaving: int, rows: int, closed: bool
) -> None:
    assert bool(Removals({"otra": (5, 5), "clientes": (leaving, rows)}).objection()) is closed


# --- the tuple


def test_every_gate_of_the_contract_has_its_place() -> None:
    assert {gate.name for gate in GATES} == CONTRACT
    assert {gate.name for gate in GATES if gate.of_time} == {"window", "stabilization", "quiet_hours", "stable_hours"}


CLOSED = {
    "window": Facts(Settings(maintenance_window=NIGHT), NOW),
    "stabilization": Facts(Settings(stabilization_days=2), NOW, plan=plan("fase1"), runs=runs((*DONE0, (), 0.1))),
    "backup": Facts(Settings(), NOW, backup=AtHand("el respaldo no quedó verificado")),
    "disk": Facts(Settings(), NOW, disk=ServerDisk(90, 100)),
    "replication_lag": Facts(Settings(), NOW, load=ServerLoad((Standby("r", 30.0, 2**30),))),
    "quiet_hours": Facts(
        Settings(), NOW, writers=LegacyWriters((LegacyWrite("users", "anon", "app", NOW - timedelta(hours=1)),), 24, NOW)
    ),
    "removal": Facts(Settings(), NOW, removals=Removals({"clientes": (301, 301)})),
}


@pytest.mark.parametrize("gate", GATES, ids=lambda gate: gate.name)
def test_a_gate_that_is_asked_closes_and_is_passed_by_its_name(gate: Gate) -> None:
    assert (gate.name in CLOSED) is (gate.ask is not None)
    if gate.ask is None:
        assert gate.closed(Facts(Settings(), NOW, plan=plan("fase5"))) is None
        return
    facts = CLOSED[gate.name]
    found = closed_gate(gate.name, facts)
    assert found is not None
    assert str(found) == f"[{gate.name}] {gate.ask(facts)}"
    assert (found.of_time, found.overridable) == (gate.of_time, True)
    passed = replace(facts, settings=replace(facts.settings, overrides={gate.name: "acordado"}))
    assert closed_gate(gate.name, passed) is None


@pytest.mark.parametrize("gate", GATES, ids=lambda gate: gate.name)
def test_a_gate_stays_open_where_nobody_looked(gate: Gate) -> None:
    assert gate.closed(Facts(Settings(), NOW)) is None


def test_the_page_on_gates_says_what_the_tuple_says() -> None:
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in PAGE.read_text(encoding="utf-8").splitlines()]
    said = [row for row in rows if row and row[0].startswith("`")]
    assert said == [
        [
            f"`{gate.name}`",
            (gate.ask.__doc__ or "").strip() if gate.ask else "nothing asks it yet",
            "yes" if gate.of_time else "",
            f"`{gate.setting}`" if gate.setting else "",
        ]
        for gate in GATES
    ]
