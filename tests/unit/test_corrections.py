"""What corrects a quarantined row, reason by reason: the column to look at, the values that pass, the statement to fill in."""

from __future__ import annotations

from pathlib import Path

import pytest

from plugins.module_utils.core.catalogue import catalogue_from_json
from plugins.module_utils.core.mapping.file import load_mapping
from plugins.module_utils.core.quarantine.corrections import Reason, advice, keyed, reason_is
from plugins.module_utils.core.rows.refusals import UNFORESEEN
from plugins.module_utils.core.rows.routes import routes_of

FILES = Path(__file__).parents[2] / "files/mapping"
ROUTES = routes_of(
    load_mapping((FILES / "tinkubot.yml").read_text(encoding="utf-8"), "tinkubot.yml"),
    catalogue_from_json((FILES / "catalogo.json").read_text(encoding="utf-8")),
)
UNKNOWN = ["PostgreSQL no dice qué columna es: compare su mensaje con la fila, corríjala y repita la fase."]


def advised(source: str, sqlstate: str, column: str, text: str = "motivo") -> list[str]:
    reason = Reason(source, text, sqlstate, column, 1, keys=(("k1",),))
    return advice(reason, [route for route in ROUTES if route.pair.source == source])


def update(table: str, column: str) -> list[str]:
    return [f"UPDATE public.{table} SET {column} = <valor corregido>", "  WHERE id IN ('k1');"]


def test_where_nobody_knows_the_column_the_row_has_to_be_looked_at() -> None:
    assert advised("users", "23514", "") == UNKNOWN
    assert advised("users", "23514", "city", UNFORESEEN + "no cabe") == UNKNOWN
    assert advised("users", "22001", "nada") == ["La columna nada ya no existe: repita la fase."]


def test_the_values_that_choose_a_pair_are_named() -> None:
    assert advised("users", "P0001", "user_type") == ["user_type admite: 'provider', 'client'", *update("users", "user_type")]
    assert advised("users", "P0001", "city") == update("users", "city")


@pytest.mark.parametrize("sqlstate", ["23514", "22001"])
def test_the_values_of_a_column_that_is_translated_are_named_for_each_table(sqlstate: str) -> None:
    *named, head, where = advised("users", sqlstate, "status")
    assert [line.split(": ")[0] for line in named] == ["status admite, hacia proveedores", "status admite, hacia clientes"]
    assert named[0].endswith("'activo', 'inactivo', 'suspendido', 'verificacion_pendiente'")
    assert [head, where] == update("users", "status")
    (only, *_) = advised("sessions", sqlstate, "status")
    assert only.startswith("status admite: ")
    assert advised("users", "23502", "status") == update("users", "status")
    assert advised("users", sqlstate, "city") == update("users", "city")


def test_who_shares_a_key_can_be_merged_by_it() -> None:
    merged = "Con el mismo phone_number que la fila que queda, se fusiona con ella."
    assert advised("users", "23505", "phone_number") == [merged, *update("users", "phone_number")]
    assert advised("users", "23505", "email") == update("users", "email")
    assert advised("customers", "23505", "phone_number") == update("customers", "phone_number")


def test_that_it_can_be_merged_is_said_once() -> None:
    (merging,) = [route for route in ROUTES if route.pair.merge_by]
    said = advice(Reason("users", "motivo", "23505", "phone_number", 1, keys=(("k1",),)), [merging, merging])
    assert len(said) == 3


def test_a_value_that_is_looked_up_is_corrected_there_or_here() -> None:
    there = [
        "Si la fila de users existe:",
        "UPDATE public.users SET phone_number = <valor corregido>",
        "  WHERE id IN (SELECT user_id FROM public.{} WHERE id IN ('k1'));",
    ]
    here = ["Si user_id no lleva a la fila debida:", *update("sessions", "user_id")]
    assert advised("sessions", "23502", "user_id") == [line.format("sessions") for line in there] + here
    assert advised("sessions", "22001", "users.phone_number") == [line.format("sessions") for line in there]
    json = advised("messages", "22001", "users.phone_number")
    assert json[:3] == [line.format("messages") for line in there]
    assert json[3].startswith("Si el valor es el de ")
    assert "to_jsonb(<valor corregido>::text)" in json[4]


def test_a_key_of_several_columns_is_compared_as_a_whole() -> None:
    assert keyed("a", [("1",), ("o'2",)]) == "a IN ('1', 'o''2')"
    assert keyed("a, b", [("1", "x"), ("2", "y\n")]) == "(a, b) IN (('1', 'x'), ('2', E'y\\u000a'))"


def test_a_reason_that_goes_on_with_a_value_is_found_by_its_beginning() -> None:
    assert reason_is(Reason("users", "motivo", "23514", "city", 1)) == "motivo = 'motivo'"
    varied = reason_is(Reason("users", "motivo", "23514", "city", 1, varied=True))
    assert "'motivo'" in varied
    assert varied != "motivo = 'motivo'"
