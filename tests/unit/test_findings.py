"""What fase0's page of findings judges, without a server."""

from __future__ import annotations

import pytest

from plugins.module_utils.core.catalogue import OrphanGrant
from plugins.module_utils.core.survey.findings import Finding, barring, named, page
from plugins.module_utils.core.survey.sequence_findings import SequenceFacts, sequence_findings
from plugins.module_utils.core.survey.server_findings import (
    SortingVersion,
    Standbys,
    clock_findings,
    orphan_findings,
    sorting_findings,
    standby_findings,
    version_findings,
)
from plugins.module_utils.core.survey.table_findings import (
    Counted,
    Nullable,
    identity_findings,
    nullable_findings,
    unique_findings,
)


@pytest.mark.parametrize(
    ("seconds", "forward", "verdict"),
    [(60, True, "bien"), (-60, True, "bien"), (61, True, "impide"), (-432000, True, "impide"), (432000, False, "aviso")],
)
def test_clocks_more_than_a_minute_apart_bar_the_way_forward_alone(seconds: float, forward: bool, verdict: str) -> None:
    [found] = clock_findings((seconds, "2026-01-06 00:00:00 UTC", "2026-01-01 00:00:00 UTC"), forward=forward)
    assert found.verdict == verdict
    assert ("servidor 2026-01-06" in found.value and "esta máquina 2026-01-01" in found.value) == (verdict != "bien")


def test_of_many_items_the_first_are_named_and_the_others_counted() -> None:
    assert named(["a", "b", "c"]) == "a, b, c"
    assert named(["a", "b", "c", "d"]) == "a, b, c y 1 más"


@pytest.mark.parametrize(
    ("standbys", "verdict", "mends"),
    [
        (Standbys("", True, 0, 0, False), "bien", False),
        (Standbys("nadie", True, 0, 0, False), "impide", True),
        (Standbys("nadie", True, 0, 0, True), "impide", False),
        (Standbys("nadie", False, 0, 0, False), "bien", False),
        (Standbys("ANY 2 (a, b, c)", True, 3, 1, False), "impide", True),
        (Standbys("2 (a, b)", True, 2, 2, False), "bien", False),
        (Standbys("first 2 (a, b)", True, 2, None, False), "aviso", False),
        (Standbys("FIRST 2 (a, b)", True, 1, None, False), "impide", True),
        (Standbys("*", True, 1, 1, False), "bien", False),
    ],
)
def test_a_commit_that_would_wait_for_ever_bars(standbys: Standbys, verdict: str, mends: bool) -> None:
    [found] = standby_findings(standbys)
    assert (found.verdict, bool(found.mend)) == (verdict, mends)


def test_a_server_newer_than_any_that_was_tried_is_named() -> None:
    assert [f.verdict for v in (("18.4", 18), ("19beta1", 19)) for f in version_findings(v)] == ["bien", "aviso"]


def sequence(**changed: object) -> SequenceFacts:
    """One whose ids all fit."""
    facts = {
        "sequence": "public.s",
        "owner": "dueño",
        "schema": "public",
        "table": "t",
        "column": "id",
        "type": "integer",
        "step": 1,
        "lowest": 1,
        "highest": 2**31 - 1,
        "cycles": False,
        "last": 10,
        "called": True,
        "movable": True,
        "role": "migra",
        "room": 2**31 - 1,
        "fitting": 10,
        "beyond": None,
    }
    return SequenceFacts(**{**facts, **changed})  # type: ignore[arg-type]  # a dictionary has one type for all its values


@pytest.mark.parametrize(
    ("changed", "verdict"),
    [
        ({}, "bien"),
        ({"last": 11, "called": False}, "bien"),
        ({"last": 10, "called": False}, "aviso"),
        ({"step": 10}, "bien"),
        ({"fitting": None, "last": 1, "called": False}, "bien"),
        ({"last": 2**31 - 1}, "aviso"),
        ({"fitting": 2**31 - 1, "last": 2**31 - 1}, "aviso"),
        ({"highest": 10}, "aviso"),
    ],
)
def test_a_sequence_is_judged_by_what_the_spanish_column_holds(changed: dict[str, object], verdict: str) -> None:
    assert [f.verdict for f in sequence_findings([sequence(**changed)])] == [verdict]


@pytest.mark.parametrize(
    ("changed", "needed"),
    [
        ({"step": -1}, "ascendente (esta desciende)"),
        ({"last": 2**31 - 1, "fitting": None}, "posición hasta 2.147.483.647"),
        ({"last": 9, "fitting": 10}, "posición tras el mayor id"),
        ({"highest": 2**40}, "tope 2.147.483.647 (es 1.099.511.627.776)"),
        ({"highest": 10}, "sitio para más ids: tope 10"),
        ({"cycles": True}, "NO CYCLE: daría ids usados"),
        ({"movable": False}, "movible por este rol"),
        ({"highest": 11}, "ids hasta 2.147.483.647"),  # the last id that there is fits
    ],
)
def test_what_is_wrong_with_a_sequence_is_named(changed: dict[str, object], needed: str) -> None:
    [found] = sequence_findings([sequence(**changed)])
    assert found.limit == needed


def test_where_no_id_is_left_no_statement_is_printed() -> None:
    [found] = sequence_findings([sequence(fitting=2**31 - 1, last=2**31 - 1)])
    assert found.mend == ""


def nullable(nulls: int, allowed: bool) -> Nullable:
    return Nullable("public", "users", "email", "correo", allowed, nulls)


@pytest.mark.parametrize(
    ("found", "verdicts", "mends"),
    [
        (unique_findings([Counted("users", ("email",), 0, 0, ())]), ["bien"], False),
        (unique_findings([Counted("users", ("email",), 1, 2, ("a",)), Counted("users", ("id",), 0, 0, ())]), ["aviso"], False),
        (nullable_findings([]), ["bien"], False),
        (nullable_findings([nullable(0, False)]), ["bien"], False),
        (nullable_findings([nullable(0, True)]), ["impide"], True),
        (nullable_findings([nullable(3, True)]), ["impide"], False),
        (identity_findings([]), ["bien"], False),
        (identity_findings([("users.id", "ALWAYS")]), ["aviso"], False),
        (sorting_findings([]), ["bien"], False),
        (sorting_findings([SortingVersion("base", "2.31", "2.36")]), ["aviso"], False),
        (orphan_findings([]), ["bien"], False),
        (orphan_findings([OrphanGrant("users", 12, ("SELECT",))]), ["aviso"], False),
    ],
)
def test_what_was_counted_or_compared_has_a_verdict_and_says_what_to_do(
    found: list[Finding], verdicts: list[str], mends: bool
) -> None:
    assert [finding.verdict for finding in found] == verdicts
    assert bool(found[0].mend) is mends
    assert bool(found[0].mend or found[0].note) is (verdicts != ["bien"])


def test_keys_of_which_only_a_sample_was_counted_are_named() -> None:
    counted = [Counted("users", ("email",), 0, 0, (), 1), Counted("users", ("phone",), 0, 0, (), 8)]
    [found] = unique_findings(counted)
    assert found.value.startswith("2 claves sin repetidos; por muestra: ")
    assert "contando 1 de cada 8" in found.value
    assert "muestra" not in unique_findings(counted[:1])[0].value


def test_the_page_is_aligned_and_ends_with_what_bars() -> None:
    findings = [
        Finding("lo que impide", "x" * 20 + " " + "y" * 40, "otra cosa", "impide", "SELECT 1;", "quien sea", "Por esto."),
        Finding("lo bueno", "sí", "sí"),
        *(Finding("lo mismo", f"n.º {n}", "ninguno", "aviso") for n in range(12)),
    ]
    lines = page(findings)
    assert lines[0] == "Hallazgos, de lo que depende la noche (bien 1, aviso 12, impide 1):"
    assert len({line.index(word) for line, word in zip(lines[1:3], ("valor", "sí"), strict=True)}) == 1
    assert "… y 4 más de " in lines[11]
    assert [line.strip() for line in lines[-2:]] == ["Por esto.", "Remedio (quien sea): SELECT 1;"]
    assert barring(findings) == [
        f"lo que impide: {'x' * 20} {'y' * 40}. Debe ser: otra cosa. Por esto. Remedio (quien sea): SELECT 1;"
    ]


def test_a_statement_that_a_terminal_would_show_otherwise_is_not_printed() -> None:
    finding = Finding("nombre", "raro", "otro", "impide", 'ALTER TABLE "a\x1b[2K" …;', "quien sea")
    assert finding.remedy == ""
    assert "\x1b" not in "".join(page([finding]))
