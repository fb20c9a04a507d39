"""What a person reads about rows: accounting, differences, forecast. Spanish sentences from a proof's figures. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..mapping.types import Pair
from ..words import number, units
from .accounts import Account
from .comparison import DIFFERENT, EQUAL, MERGED, MISSING, PENDING, QUARANTINED, REFUSED, SURPLUS, UNMERGED

REASONS = 12
VALUE = 60  # characters of a value that are shown


def account_lines(accounts: Sequence[Account]) -> list[str]:
    """Return the accounting of each pair, both sides, and what the comparison says nothing about."""
    lines = []
    for a in accounts:
        lines.append(
            f"{a.route.pair.source} → {a.route.pair.target}: {number(a.legacy_rows)} filas = {number(a.count(EQUAL))} iguales + "
            f"{number(a.count(MERGED))} fusionadas + {number(a.count(QUARANTINED))} en cuarentena + "
            f"{number(a.count(*PENDING))} pendientes"
        )
        lines += reason_lines(a)
        if a.uncompared:
            lines.append(f"  no se comparan, porque ninguna columna de {a.route.pair.source} las da: {', '.join(a.uncompared)}")
    for target in dict.fromkeys(a.route.pair.target for a in accounts):
        given = [a for a in accounts if a.route.pair.target == target]
        figures = {
            "iguales": sum(a.count(EQUAL) for a in given),
            "retenidas": sum(a.retained for a in given),
            "en cuarentena del lado español": sum(a.waiting[0] for a in given),
            "pendientes": sum(a.waiting[1] for a in given),
            "distintas": sum(a.count(DIFFERENT) for a in given),
            "sin origen": sum(a.surplus for a in given),
        }
        said = " + ".join(f"{number(rows)} {words}" for words, rows in figures.items())
        lines.append(f"{target}: {number(sum(a.spanish_rows for a in given))} filas = {said}")
    return lines


def reason_lines(account: Account) -> list[str]:
    """Return the refused rows by kind of reason, each with its first key and what is at fault there."""
    lines = [
        f"  cuarentena: {number(found.rows)} × {kind} "
        f"(la primera: {account.route.pair.source} {found.first}{found.reason.removeprefix(kind)})"
        for kind, found in account.reasons[:REASONS]
    ]
    if len(account.reasons) > REASONS:
        rest = account.reasons[REASONS:]
        lines.append(
            f"  cuarentena: {units(sum(found.rows for _, found in rest), 'fila')} más por {units(len(rest), 'motivo')} más"
        )
    return lines


def difference_lines(accounts: Iterable[Account]) -> list[str]:
    """Return one line per named difference: which row, which column, what was expected and what is there."""
    words = {
        MISSING: "falta en {t}",
        SURPLUS: "sobra en {t}: ninguna fila de {s} la explica",
        REFUSED: "rechazada y aún sin entrada al día en cuarentena",
        UNMERGED: "se fusiona en {t} y aún no consta",
        DIFFERENT: "difiere",
    }
    lines = []
    for a in accounts:
        source, target = a.route.pair.source, a.route.pair.target
        for example in a.examples:
            said = words[example["estado"]].format(s=source, t=target)
            columns = "; ".join(
                f"{name}: se esperaba {shown(wanted)}, hay {shown(found)}" for name, wanted, found in example["columnas"]
            )
            table = target if example["estado"] in (SURPLUS, DIFFERENT) else source
            reason = f" ({example['motivo']})" if example["motivo"] else ""
            lines.append(
                f"  {table} {example['clave']}: {said}{reason}{': ' + columns if example['estado'] == DIFFERENT else ''}"
            )
        if a.stale_entries:
            lines.append(f"  {source}: {a.stale_entries} entradas de cuarentena ya no corresponden a ninguna fila rechazada")
        if a.stale_merges:
            lines.append(f"  {source}: {a.stale_merges} fusiones en {target} constan y ya no lo son")
    return lines


def shown(value: str | None) -> str:
    """Return a value as it is named in a difference: NULL, or its first characters in quotes."""
    if value is None:
        return "NULL"
    return repr(value if len(value) <= VALUE else value[:VALUE] + "…")


def forecast_lines(accounts: Iterable[Account]) -> list[str]:
    """Return what a run would do, table by table, with the rows that cannot go in and why."""
    lines = []
    for a in accounts:
        figures = {
            "se copiarían {}": a.count(MISSING),
            "cambiarían {}": a.count(DIFFERENT),
            "se retirarían {} (guardadas en migracion.apartada)": a.leaving,
            f"no se retirarían {{}} ({'; '.join(a.held[1])})": a.held[0],
            "se fusionarían {}": a.count(MERGED, UNMERGED),
            "irían a cuarentena {}": a.count(REFUSED, QUARANTINED),
        }
        said = ", ".join(words.format(number(rows)) for words, rows in figures.items() if rows) or "nada que hacer"
        lines.append(f"{a.route.pair.source} → {a.route.pair.target}: {number(a.legacy_rows)} filas; {said}")
        lines += reason_lines(a)
    return lines


def catching_up_lines(accounts: Iterable[Account]) -> list[str]:
    """Return what tables of another part lacked that this run looks things up in, one line for each pair that lacked any."""
    return [
        f"Puesto al día antes, porque esta fase lo consulta: {a.route.pair.source} → {a.route.pair.target} "
        f"({a.route.pair.phase}, subfase {a.route.pair.subphase}): faltaban {number(a.count(MISSING))} filas, diferían "
        f"{number(a.count(DIFFERENT))}, sobraban {number(a.surplus)}, sin anotar {number(a.count(REFUSED, UNMERGED) + a.stale)}"
        for a in accounts
        if not a.clean
    ]


def foreseen_lines(accounts: Sequence[Account]) -> list[str]:
    """Return what a run would take in before its own rows."""
    if not accounts:
        return []
    if all(a.clean for a in accounts):
        return [f"Lo que esta fase consulta está al día: {', '.join(dict.fromkeys(a.route.pair.target for a in accounts))}"]
    return ["Antes se pondría al día lo que esta fase consulta:", *(f"  {line}" for line in forecast_lines(accounts))]


def again_lines(pairs: Iterable[Pair]) -> list[str]:
    """Return which completed pairs a run would prove again, without repair, because they hang on what it changes."""
    said = [f"{pair.source} → {pair.target} ({pair.phase}, subfase {pair.subphase})" for pair in pairs]
    return [f"Después se probaría otra vez, sin reparar, porque depende de lo que cambia: {', '.join(said)}"] if said else []


def proof_detail(accounts: Sequence[Account], unsound: Sequence[str], caught_up: Sequence[str]) -> dict[str, Any]:
    """Return the accounting as the event 'prueba' keeps it; ``caught_up``: what other tables had to take in first."""
    return {
        "al_dia": list(caught_up),
        "tablas": [
            {
                "origen": a.route.pair.source,
                "destino": a.route.pair.target,
                "total": a.legacy_rows,
                "iguales": a.count(EQUAL),
                "fusionadas": a.count(MERGED),
                "cuarentena": a.count(QUARANTINED),
                "pendientes": a.count(*PENDING),
                "espanolas": a.spanish_rows,
                "retenidas": a.retained,
                "cuarentena_espanola": a.waiting[0],
                "pendientes_espanolas": a.waiting[1],
                "sin_origen": a.surplus,
                "no_comparadas": list(a.uncompared),
            }
            for a in accounts
        ],
        "diferencias": difference_lines(accounts),
        "objetos": list(unsound),
    }
