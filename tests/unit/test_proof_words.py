"""The figures of a proof and the second opinion's, and the sentences that say them."""

from __future__ import annotations

from pathlib import Path

import pytest

from plugins.module_utils.core.catalogue import catalogue_from_json
from plugins.module_utils.core.mapping.file import load_mapping
from plugins.module_utils.core.opinion.fates import Carried, Fate, Merged, Refused
from plugins.module_utils.core.proof.accounts import Account, Group, forecast_details, named_difference
from plugins.module_utils.core.proof.comparison import DIFFERENT, EQUAL, MERGED, MISSING, QUARANTINED, REFUSED, SURPLUS, UNMERGED
from plugins.module_utils.core.proof.findings import (
    REASONS,
    VALUE,
    account_lines,
    catching_up_lines,
    difference_lines,
    forecast_lines,
    foreseen_lines,
    reason_lines,
    shown,
)
from plugins.module_utils.core.proof.opinions import NAMED, Disagreement, Opinion, Said, disagreements, opinion_lines
from plugins.module_utils.core.rows.refusals import BY_SERVER
from plugins.module_utils.core.rows.routes import routes_of

FILES = Path(__file__).parents[2] / "files/mapping"
MAPPING = load_mapping((FILES / "tinkubot.yml").read_text(encoding="utf-8"), "tinkubot.yml")
CATALOGUE = catalogue_from_json((FILES / "catalogo.json").read_text(encoding="utf-8"))
CUSTOMERS = next(route for route in routes_of(MAPPING, CATALOGUE) if route.pair.source == "customers")


def account(**states: int) -> Account:
    """An account of customers → clientes with so many rows of each state."""
    found = Account(CUSTOMERS)
    for state, rows in states.items():
        found.add(state.replace("_", " "), None, Group(rows, "k1"))
    return found


def test_rows_are_added_by_state_and_reason_and_the_first_key_stays() -> None:
    found = Account(CUSTOMERS)
    for group in (Group(2, "k2", "a: k2"), Group(3, "k1", "a: k1"), Group(1, "k3", "a: k3")):
        found.add(REFUSED, "a", group)
    found.add(QUARANTINED, "b", Group(6, "k9"))
    found.add(QUARANTINED, "c", Group(7, "k8"))
    found.add(QUARANTINED, BY_SERVER, Group(4, "k7"))
    assert found.reasons == [
        ("c", Group(7, "k8")),
        ("a", Group(6, "k1", "a: k1")),
        ("b", Group(6, "k9")),
        (BY_SERVER, Group(4, "k7")),
    ]
    assert (found.legacy_rows, found.refused_by_server) == (23, 4)


def test_a_row_that_is_counted_anew_is_taken_out_first() -> None:
    found = account(igual=2)
    found.take(EQUAL, None)
    assert found.groups == {(EQUAL, None): Group(1, "k1")}
    found.take(EQUAL, None)
    assert found.groups == {}


@pytest.mark.parametrize(
    ("state", "clean"),
    [
        (EQUAL, True),
        (MERGED, True),
        (QUARANTINED, True),
        (MISSING, False),
        (DIFFERENT, False),
        (REFUSED, False),
        (UNMERGED, False),
    ],
)
def test_an_account_is_clean_when_no_row_is_pending(state: str, clean: bool) -> None:
    found = account()
    found.add(state, None, Group(1, "k"))
    assert found.clean is clean


@pytest.mark.parametrize("other", ["surplus", "stale_entries", "stale_merges"])
def test_nor_is_an_account_clean_with_what_no_row_explains(other: str) -> None:
    found = account(igual=1)
    setattr(found, other, 1)
    assert not found.clean
    (line,) = catching_up_lines([account(igual=1), found])
    assert line.endswith({"surplus": "sobraban 1, sin anotar 0"}.get(other, "sobraban 0, sin anotar 1"))


def test_a_forecast_and_its_figures_say_the_same() -> None:
    full = account(igual=5, falta=4, difiere=3, fusionada=2, cuarentena=6, rechazada=7, por_fusionar=1)
    full.surplus, full.held, full.displaced = 8, (2, ["pagos"]), 1
    assert forecast_details(full) == {
        "origen": "customers",
        "destino": "clientes",
        "copiar": 4,
        "cambiar": 3,
        "quitar": 7,
        "fusionar": 3,
        "cuarentena": 13,
    }
    assert forecast_lines([full])[0] == (
        "customers → clientes: 28 filas; se copiarían 4, cambiarían 3, se retirarían 7 (guardadas en migracion.apartada), "
        "no se retirarían 2 (pagos), se fusionarían 3, irían a cuarentena 13"
    )
    assert forecast_lines([account(igual=2)]) == ["customers → clientes: 2 filas; nada que hacer"]
    assert foreseen_lines([]) == []
    assert foreseen_lines([account(igual=2)]) == ["Lo que esta fase consulta está al día: clientes"]
    assert foreseen_lines([account(falta=2)])[1:] == ["  customers → clientes: 2 filas; se copiarían 2"]


def test_the_accounting_names_both_sides_and_what_is_not_compared() -> None:
    found = account(igual=5, difiere=3, fusionada=2, cuarentena=6)
    found.surplus, found.retained, found.waiting = 4, 7, (8, 9)
    both = [
        "customers → clientes: 16 filas = 5 iguales + 2 fusionadas + 6 en cuarentena + 3 pendientes",
        "clientes: 36 filas = 5 iguales + 7 retenidas + 8 en cuarentena del lado español + 9 pendientes + 3 distintas"
        " + 4 sin origen",
    ]
    assert [line for line in account_lines([found]) if not line.startswith("  ")] == both
    assert not [line for line in account_lines([found]) if "no se comparan" in line]
    found.uncompared = ("apodo", "estado")
    assert "  no se comparan, porque ninguna columna de customers las da: apodo, estado" in account_lines([found])


@pytest.mark.parametrize("beyond", [0, 1])
def test_of_many_reasons_the_most_frequent_are_named(beyond: int) -> None:
    found = Account(CUSTOMERS)
    for n in range(REASONS + beyond):
        found.add(REFUSED, f"m{n:02}", Group(20 - n, f"k{n}", f"m{n:02}: x"))
    lines = reason_lines(found)
    assert lines[0] == "  cuarentena: 20 × m00 (la primera: customers k0: x)"
    assert lines[REASONS:] == ["  cuarentena: 8 filas más por 1 motivo más"][:beyond]


def test_a_difference_says_which_row_and_what_is_there() -> None:
    found = account()
    found.examples = [
        named_difference(DIFFERENT, None, "k1", [["ciudad", "Quito", None]]),
        named_difference(REFUSED, "sin nombre", "k2", None),
        named_difference(SURPLUS, None, "k3", None),
    ]
    found.stale_entries, found.stale_merges = 2, 3
    assert difference_lines([account(), found]) == [
        "  clientes k1: difiere: ciudad: se esperaba 'Quito', hay NULL",
        "  customers k2: rechazada y aún sin entrada al día en cuarentena (sin nombre)",
        "  clientes k3: sobra en clientes: ninguna fila de customers la explica",
        "  customers: 2 entradas de cuarentena ya no corresponden a ninguna fila rechazada",
        "  customers: 3 fusiones en clientes constan y ya no lo son",
    ]
    assert (shown("a" * VALUE), shown("a" * (VALUE + 1))) == (repr("a" * VALUE), repr("a" * VALUE + "…"))


# --- the second opinion

WHOLE = [("la fila", "que pasa", "que no es de nadie")]


@pytest.mark.parametrize(
    ("fate", "said", "apart"),
    [
        (Carried({"a": "1", "b": None}), Said(None, None, {"a": "1", "b": None}), []),
        (Carried({"a": "1", "b": "2"}), Said(None, None, {"a": "1", "b": None}), [("b", "NULL", "'2'")]),
        (Carried({"a": "1"}), Said(None, None, {"a": "1", "c": "3"}), [("c", "'3'", "que no se lleva")]),
        (Carried({"a": None, "b": "2"}), Said(None, None, {"b": "2"}), [("a", "que no se lleva", "NULL")]),
        (Refused(frozenset({("23502", "a, b")})), Said(("23502", "b, a"), None, {}), []),
        (Refused(frozenset({("23502", "a, b")})), Said(("23502", "b"), None, {}), []),
        (
            Refused(frozenset({("23502", "a")})),
            Said(("23502", "a, b"), None, {}),
            [("motivo del rechazo", "23502 a, b", "23502 a")],
        ),
        (Refused(frozenset({("23505", "a")})), Said(("23502", "a"), None, {}), [("motivo del rechazo", "23502 a", "23505 a")]),
        (Merged("k1"), Said(None, "k1", {}), []),
        (Merged("k1"), Said(None, "k2", {}), [("se fusiona", "en k2", "en k1")]),
        (Merged("k1"), Said(("23502", "a"), None, {}), [("la fila", "que se rechaza (23502 a)", "que se fusiona en k1")]),
        (None, Said(None, None, {}), WHOLE),
        (Carried({}), None, [("la fila", "que no es de nadie", "que pasa")]),
        (Carried({}), Said(None, "k1", {}), [("la fila", "que se fusiona en k1", "que pasa")]),
        (
            Refused(frozenset({("1", "b"), ("1", "a")})),
            Said(None, None, {}),
            [("la fila", "que pasa", "que se rechaza (1 a o 1 b)")],
        ),
        (None, None, []),
    ],
)
def test_two_opinions_of_a_row_differ_in_its_fate_its_reason_or_its_values(
    fate: Fate | None, said: Said | None, apart: list[tuple[str, str, str]]
) -> None:
    assert list(disagreements("users", "k", fate, said)) == [Disagreement("users", "k", *words) for words in apart]


@pytest.mark.parametrize("beyond", [0, 2])
def test_of_many_disagreements_the_first_are_named(beyond: int) -> None:
    found = Opinion("users", 50, 50, 50)
    found.add(Disagreement("users", f"k{n}", "a", "1", "2") for n in range(NAMED + beyond))
    lines = opinion_lines([found])
    assert lines[0] == f"Segunda opinión, users: las 50 filas, una por una; {NAMED + beyond} desacuerdos"
    assert lines[1] == "  users k0: a: el SELECT dice 1, la segunda opinión 2"
    assert lines[1 + NAMED :] == ["  users: y 2 desacuerdos más"][: min(beyond, 1)]


def test_what_was_not_looked_at_is_bounded() -> None:
    (line,) = opinion_lines([Opinion("users", 100_000, 3_500, 3_000, 4)])
    assert "3.000 filas al azar y 500 escogidas de 100.000; 0 desacuerdos; 4 que solo PostgreSQL rechaza, aparte" in line
    assert "un fallo en una fila de cada mil se escaparía una vez de cada " in line
