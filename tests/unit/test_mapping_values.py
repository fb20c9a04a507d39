"""The values that a mapping file names: defaults, allowed values, translations."""

from __future__ import annotations

from pathlib import Path

import pytest

from plugins.module_utils.core.mapping.file import load_mapping
from tests.support.cars import GOOD, column, problems, refused

TINKUBOT = Path(__file__).resolve().parents[2] / "files" / "mapping" / "tinkubot.yml"


def test_defaults_and_translations_must_be_allowed_values() -> None:
    refused("default: nuevo", "default: viejo", "tables.coches.columns.estado.default", "«viejo» no está entre")
    refused("used: usado", "used: viejo", "pairs.cars.coches.columns.estado.values.used", "«viejo» no está entre")
    key = "pairs.cars.coches.columns.plazas.default"
    refused("places], default: 5", "places], default: 0", key, "0 es menor que 1, el mínimo de plazas")
    refused("integer, default: 5", "integer, default: 10", "tables.coches.columns.plazas.default", "el máximo")


def test_every_value_must_fit_its_own_column() -> None:
    key = "tables.coches.columns.estado.allowed[1]"
    sentence = "«seminuevo» tiene 9 caracteres y la columna, character varying(8), admite 8"
    refused("[nuevo, usado]", "[nuevo, seminuevo, usado]", key, sentence)
    new = "nombre: {type: varchar(3), default: largo, not_null: true}"
    refused("nombre: {type: varchar(10), not_null: true}", new, "tables.marcas.columns.nombre.default", "«largo» tiene 5")
    refused(
        "nombre: name",
        "nombre: {from: name, default: todavía sin nombre}",
        "pairs.brands.marcas.columns.nombre.default",
        "tiene 1",
    )
    refused(
        "nombre: name",
        "nombre: {from: name, values: {x: demasiado largo}}",
        "pairs.brands.marcas.columns.nombre.values.x",
        "tiene 1",
    )


def test_the_plans_own_length_of_estado_is_refused() -> None:
    text = TINKUBOT.read_text(encoding="utf-8")
    found = "\n".join(problems(text.replace("type: varchar(30) #", "type: varchar(20) #")))
    assert "tables.proveedores.columns.estado.allowed[3]: «verificacion_pendiente» tiene 22 caracteres" in found


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("integer", "5.0"),
        ("integer", "3000000000"),
        ("integer", "1_0"),
        ("numeric(3,2)", "12"),
        ("boolean", "quizás"),
        ("jsonb", "texto"),
        ("uuid", "123"),
        ("text", "{}"),
        ("integer", "[]"),
    ],
)
def test_a_default_must_be_a_value_of_its_type(written: str, value: str) -> None:
    new = f"precio: {{type: '{written}', default: {value}}}"
    refused("precio: numeric(6,2)", new, "tables.coches.columns.precio.default", "no es un valor de")


@pytest.mark.parametrize(
    ("written", "default"),
    [
        ("{type: text, default: activo}", "'activo'"),
        ("{type: text, default: it's}", "'it''s'"),
        ("{type: text, default: no}", "'no'"),
        ("{type: integer, default: 0}", "0"),
        ("{type: 'numeric(3,2)', default: 5.0}", "5.0"),
        ("{type: boolean, default: on}", "true"),
        ("{type: boolean, default: false}", "false"),
        ("{type: jsonb, default: {}}", "'{}'::jsonb"),
        ("{type: jsonb, default: []}", "'[]'::jsonb"),
        ("{type: timestamp, default_sql: \"timezone('utc', now())\"}", "timezone('utc', now())"),
    ],
)
def test_a_default_becomes_sql(written: str, default: str) -> None:
    mapping = load_mapping(GOOD.replace("precio: numeric(6,2)", f"precio: {written}"), "x")
    assert column(mapping, "coches", "precio").default == default


def test_a_column_has_one_default() -> None:
    new = "plazas: {type: integer, default_sql: f(),"
    refused("plazas: {type: integer,", new, "tables.coches.columns.plazas.default_sql", "default_sql y default se excluyen")


def test_the_yaml_booleans_and_numbers_are_text_in_value_maps() -> None:
    text = GOOD.replace("[nuevo, usado]", "[nuevo, usado, no, 1_0]").replace(
        "{new: nuevo, used: usado}", "{yes: no, off: nuevo, 010: 1_0, 1:30: usado, 2020-01-01: usado, '': nuevo}"
    )
    mapping = load_mapping(text, "x")
    assert column(mapping, "coches", "estado").allowed == ("nuevo", "usado", "no", "1_0")
    assert mapping.pairs[1].columns[1].values == (
        ("yes", "no"),
        ("off", "nuevo"),
        ("010", "1_0"),
        ("1:30", "usado"),
        ("2020-01-01", "usado"),
        ("", "nuevo"),
    )
    key = "pairs.cars.coches.columns.estado.values.yes"
    refused("{new: nuevo, used: usado}", '{yes: nuevo, "yes": usado}', key, "un valor legado tiene una sola traducción")


def test_options_of_other_types_are_refused() -> None:
    refused(
        "nota: {from: note,",
        "nota: {from: note, values: {a: '{}'},",
        "pairs.brands.marcas.columns.nota.values",
        "jsonb",
    )
    refused("nombre: name", "nombre: {from: name, text_key: texto}", "pairs.brands.marcas.columns.nombre.text_key", "jsonb")
    refused(
        "precio: numeric(6,2)",
        "precio: {type: 'numeric(6,2)', allowed: ['1']}",
        "tables.coches.columns.precio.allowed",
        "texto",
    )
    refused("nota: jsonb", "nota: {type: jsonb, minimum: 1}", "tables.marcas.columns.nota.minimum", "números")


ZONED = GOOD.replace("estado: {from: state,", "visto_at: seen\n        estado: {from: state,")


def zone_in(text: str) -> str | None:
    rules = load_mapping(text, "coches.yml").pairs[1].columns
    assert {r.zone for r in rules if r.target != "visto_at"} == {None}
    return next(r.zone for r in rules if r.target == "visto_at")


def test_the_clock_of_times_without_a_zone_is_named_for_all_columns_or_for_one() -> None:
    whole = ZONED.replace("schema: public", "schema: public\nzona: America/Guayaquil")
    assert (zone_in(ZONED), zone_in(whole)) == (None, "America/Guayaquil")
    own = "visto_at: {from: seen, zona: UTC}"
    assert [zone_in(text.replace("visto_at: seen", own)) for text in (ZONED, whole)] == ["UTC", "UTC"]


@pytest.mark.parametrize("zone", ["America/Quito", "Guayaquil", "EST", "-05", "utc", "America/guayaquil", "posixrules", "../etc"])
def test_a_zone_is_utc_or_a_place_that_is_known(zone: str) -> None:
    sentence = f"«{zone}» no es una zona como America/Guayaquil o UTC"
    refused("schema: public", f"schema: public\nzona: {zone}", "zona", sentence, at="zona")
    refused(
        "visto_at: seen",
        f"visto_at: {{from: seen, zona: {zone}}}",
        "pairs.cars.coches.columns.visto_at.zona",
        sentence,
        good=ZONED,
    )


def test_a_zone_stands_only_where_a_time_is_read() -> None:
    key = "pairs.cars.coches.columns.estado.zona"
    refused("{from: state,", "{from: state, zona: UTC,", key, "zona es para columnas timestamp, y estado es character varying(8)")


def test_the_shipped_mapping_says_of_no_column_by_whose_clock_it_was_written() -> None:
    mapping = load_mapping(TINKUBOT.read_text(encoding="utf-8"), str(TINKUBOT))
    assert {rule.zone for pair in mapping.pairs for rule in pair.columns} == {None}
