"""Mistakes planted in the sync's functions, one at a time: each has to leave something wrong in some order.

    make interleavings PLANTED=si

Impossible here, and therefore not planted: locks taken inside an EXCEPTION block (what such a block catches leaves its key, and
the drain carries that with locks of its own); children of a parent that legacy may not delete (every foreign key between the ten
pairs cascades, or is set NULL); an echo cut by state alone (no function compares in order to cut).
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from .ground import Ground
from .parts import PARTS, play


@dataclass(frozen=True)
class Mistake:
    """In each of the ``functions`` (a pattern of names) ``found`` becomes ``put``; ``parts``: where it is looked for, in turn;
    ``only``: in scenarios whose name this pattern finds."""

    name: str
    functions: str
    found: str
    put: str
    parts: tuple[str, ...] = ("pairs", "half-way", "longer")
    only: str = ""


_TWIN = r"\s+FOR NO KEY UPDATE OF t;"
_SET = r"(UPDATE public\.\w+ t SET )(\w+) = [^;]*?(\s(?:FROM f\s+)?WHERE (?:t\.\w+ = p_m|f\._distinta))"
_CHANGED = r"p_vieja\.\w+::text IS DISTINCT FROM p_nueva\.\w+::text\s+AND "
_LOCK = r"PERFORM 1 FROM public\.{}[^;]*;"
_MERGED = _LOCK.format(r"users l JOIN migracion\.fusion")
_HELD = _LOCK.format("users x") + r"\s*EXIT WHEN FOUND"
_FLAG = r"v_marca := set_config\('migracion\.sync', '\w+:' \|\| [^;]*;"
MISTAKES = [
    Mistake("no way back", "volver_", r"v_clave := CASE p_orden", r"RETURN; \g<0>"),
    Mistake("a twin that is there is not written", "ida_", _SET, r"\1\2 = t.\2\3"),
    Mistake("no fan-out", "sigue_", r"IF v_valores = '\{\}' THEN", "IF true THEN"),
    Mistake("every differing column is written back", "volver_", _CHANGED, "", only="weird|raro|healed|suspendido|P3"),
    Mistake("entries are not closed", "(ida|llevar)_", r"SET estado = 'resuelta'", "SET estado = estado"),
    Mistake("the echo of a removal comes back", "ida_", _FLAG, "NULL;"),
    Mistake("a child does not lock its parent", "ida_provider_", _LOCK.format("users p"), "NULL;", only="P1|C1|P2|oficio"),
    Mistake("who may merge is not locked", "ida_customers_", _LOCK.format("users l"), "NULL;", only="C1|C2|c4"),
    Mistake("into whom is not locked", "ida_users_clientes", _LOCK.format("customers c"), "NULL;", only="K"),
    Mistake("a Spanish look-up without a lock", "volver_(mensajes|sesiones)", _HELD, "EXIT WHEN true", only="m6"),
    Mistake("the view is read before the twin is locked", "ida_", _TWIN, ";"),
    Mistake("a fan-out reads before it waits", "sigue_", _LOCK.format(r"\w+ l JOIN"), "NULL;"),
    Mistake("whom a deletion takes along is not locked", "volver_clientes", _MERGED, "NULL;", only="K2"),
    Mistake(
        "values that are looked up are not locked",
        "(sigue|ida)_service_requests",
        r"PERFORM pg_advisory_xact_lock[^;]*;",
        "NULL;",
        only="r4|R1|R2",
    ),
    Mistake("an error that a lock causes is swallowed", "(sinc|volver)_", r"\bRAISE;", "NULL;", ("half-way", "longer")),
    Mistake(
        "who came while the value was waited for is not looked at",
        "ida_customers_",
        r"IF NOT p_entera OR NOT v_hecho THEN",
        "IF NOT p_entera THEN",
        only="401",
    ),
]


@contextmanager
def planted(where: Sequence[Ground], mistake: Mistake) -> Iterator[None]:
    """Inside the block it is there. Raises ValueError where there is no such place."""
    for ground in where:
        ground.mended = _put(ground, mistake)
        if not ground.mended:
            raise ValueError(f"{mistake.name}: there is no such place")
    try:
        yield
    finally:
        for ground in where:
            with ground.database.cursor() as cursor:
                for text in ground.mended:
                    cursor.execute(text)


def _put(ground: Ground, mistake: Mistake) -> list[str]:
    """Return the functions that were changed, as they were."""
    asked = "SELECT pg_get_functiondef(p.oid) FROM pg_proc p WHERE p.pronamespace = 'migracion'::regnamespace AND proname ~ %s"
    texts = [str(text) for (text,) in ground.database.query(asked, (f"^{mistake.functions}",))]
    changed = []
    with ground.database.cursor() as cursor:
        for text in texts:
            if (put := re.sub(mistake.found, mistake.put, text)) != text:
                cursor.execute(put)
                changed.append(text)
    return changed


def refuted(where: Sequence[Ground], mistake: Mistake, seed: int, most: int) -> tuple[int, list[str]]:
    """Return after how many orders the first one was wrong, and its lines: [] where none of ``most`` was."""
    orders = 0
    with planted(where, mistake):
        for part in mistake.parts:
            scenarios = [s for s in PARTS[part](where[0], seed) if re.search(mistake.only, s.name)]
            random.Random(seed).shuffle(scenarios)
            for result in play(where, scenarios):
                orders += result.counted["orders"]
                if result.wrong:
                    return orders, result.wrong[0]
                if orders >= most:
                    return orders, []
    return orders, []
