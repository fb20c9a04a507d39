"""The mapping file: what it may say, and how it is refused."""

from __future__ import annotations

import pytest
import yaml

from plugins.module_utils.core.mapping.file import load_mapping
from plugins.module_utils.core.mapping.types import ColumnRule, ForeignKey, SpanishColumn
from tests.support.cars import GOOD, column, problems, refused, table


def test_a_good_file_loads() -> None:
    mapping = load_mapping(GOOD, "coches.yml")
    assert mapping.subphases == (("fase2", ("2.1", "2.2")),)
    assert [(p.source, p.target, p.phase, p.subphase, p.match) for p in mapping.pairs] == [
        ("brands", "marcas", "fase2", "2.1", ("id",)),
        ("cars", "coches", "fase2", "2.2", ("id",)),
    ]
    assert mapping.pairs[1].columns == (
        ColumnRule("id", ("id",)),
        ColumnRule("estado", ("state",), values=(("new", "nuevo"), ("used", "usado"))),
        ColumnRule("plazas", ("seats", "places"), default="5"),
    )
    assert table(mapping, "coches").foreign_keys == (ForeignKey("marca_id", "marcas", "id", "CASCADE"),)
    assert column(mapping, "marcas", "id") == SpanishColumn("id", "integer", not_null=True, serial=True)
    assert column(mapping, "coches", "id").not_null


def test_any_change_of_the_text_changes_its_sha256() -> None:
    assert load_mapping(GOOD, "a").sha256 == load_mapping(GOOD, "b").sha256
    assert load_mapping(GOOD, "a").sha256 != load_mapping(GOOD + "# nota\n", "a").sha256


def test_all_problems_are_named_in_the_order_of_the_file() -> None:
    text = GOOD.replace("twin: cars", "twim: cars").replace("varchar(10)", "varchar2(10)").replace("2.2\n", "2.3\n")
    found = problems(text)
    keys = ["tables.marcas.columns.nombre.type", "tables.coches", "tables.coches.twim", "pairs.cars.coches.subphase"]
    assert [line.split(": ")[0].split(", ")[-1] for line in found] == keys


def test_an_unknown_key_is_answered_with_the_nearest_known_one() -> None:
    refused("allowed: [n", "allowd: [n", "tables.coches.columns.estado.allowd", "¿quiso decir «allowed»?")


def test_a_missing_key_is_named() -> None:
    refused("    twin: cars\n", "", "tables.coches", "falta la clave «twin»", at="  coches:")


@pytest.mark.parametrize(
    ("old", "new", "key", "sentence"),
    [
        ("not_null: true", 'not_null: "true"', "tables.marcas.columns.nombre.not_null", "se esperaba true o false"),
        (
            "minimum: 1",
            "minimum: 1.5",
            "tables.coches.columns.plazas.minimum",
            "un número entero y hay un número (1.5)",
        ),
        ("indexes: [estado]", "indexes: estado", "tables.coches.indexes", "una lista y hay un texto (estado)"),
        (
            "nombre: name",
            "nombre: null",
            "pairs.brands.marcas.columns.nombre",
            "un texto (from) o un mapa de claves y hay nada",
        ),
        ("twin: cars", "twin: {cars: 1}", "tables.coches.twin", "un texto"),
        ("default: nuevo", "default: [nuevo]", "tables.coches.columns.estado.default", "y hay una lista"),
        ("comment: Marcas", "comment: !Marcas x", "tables.marcas.comment", "un valor de un tipo propio"),
        ("indexes: [estado]", "indexes: []", "tables.coches.indexes", "la lista está vacía"),
        ("[estado]", "[estado, estado]", "tables.coches.indexes[1]", "«estado» está repetido"),
    ],
)
def test_a_wrong_type_is_named_with_what_was_expected(old: str, new: str, key: str, sentence: str) -> None:
    refused(old, new, key, sentence)


def test_two_sources_for_one_spanish_column_are_refused() -> None:
    key = "pairs.brands.marcas.columns.nombre"
    new = "nombre: name\n        nombre: title"
    refused("nombre: name", new, key, "ya está en la línea 35: una columna española no puede tener dos orígenes", "title")


def test_a_pair_described_twice_is_refused() -> None:
    new = "  cars:\n    coches: {subphase: 2.1, columns: {id: id}}\n    coches:\n"
    refused(
        "  cars:\n    coches:\n",
        new,
        "pairs.cars.coches",
        "un par de tablas se describe una sola vez",
        "    coches:\n      sub",
    )


def test_a_pair_to_an_undeclared_table_is_refused() -> None:
    refused("  cars:\n    coches:", "  cars:\n    coche:", "pairs.cars.coche", "¿quiso decir «coches»?", "    coche:")


def test_a_rule_for_an_undeclared_column_is_refused() -> None:
    refused("nota: {from", "notas: {from", "pairs.brands.marcas.columns.notas", "¿quiso decir «nota»?")


def test_a_key_index_or_foreign_key_on_an_undeclared_column_is_refused() -> None:
    refused("unique: [nombre]", "unique: [nombr]", "tables.marcas.unique[0]", "«nombr» no está declarada")
    refused("indexes: [estado]", "indexes: [estad]", "tables.coches.indexes[0]", "¿quiso decir «estado»?")
    refused("touched: visto_at", "touched: visto", "tables.coches.touched", "¿quiso decir «visto_at»?")
    refused("      marca_id: {", "      marca: {", "tables.coches.foreign_keys.marca", "¿quiso decir «marca_id»?")


def test_an_obligatory_column_that_nothing_fills_is_refused() -> None:
    sentence = "«nombre» es obligatoria y no tiene regla"
    at = "      columns:\n        id: id\n        nota"
    refused("        nombre: name\n", "", "pairs.brands.marcas.columns", sentence, at)
    optional = "nombre: {from: name, optional: true}"
    at = "      columns:\n        id: id\n        nombre"
    refused("nombre: name", optional, "pairs.brands.marcas.columns", sentence, at)


def test_rows_are_recognised_only_by_mapped_columns() -> None:
    text = GOOD.replace(
        "    coches:\n      subphase: 2.2\n      columns:\n        id: id\n",
        "    coches:\n      subphase: 2.2\n      columns:\n",
    )
    found = problems(text)
    assert any("las filas se reconocen por «id», que no tiene regla" in line for line in found)


def test_rows_are_recognised_only_by_a_unique_key() -> None:
    new = "subphase: 2.2\n      match: [id, estado]"
    refused("subphase: 2.2", new, "pairs.cars.coches.match", "(id, estado) no es única en «coches»; lo son (id)", "match")
    assert load_mapping(GOOD.replace("subphase: 2.1", "subphase: 2.1\n      match: nombre"), "x").pairs[0].match == ("nombre",)


def test_foreign_keys_name_a_key_of_a_table_declared_before() -> None:
    key = "tables.coches.foreign_keys.marca_id"
    refused("{table: marcas", "{table: marca", f"{key}.table", "¿quiso decir «marcas»?")
    refused("column: id", "column: di", f"{key}.column", "«marcas» no tiene la columna «di»")
    refused("column: id", "column: nota", f"{key}.column", "«marcas.nota» no es clave primaria ni única")
    refused("column: id", "column: nombre", f"{key}.column", "«marca_id» es integer y «marcas.nombre» es character")
    refused("cascade", "cascad", f"{key}.on_delete", "¿quiso decir «cascade»?")


def test_a_table_declared_after_its_child_is_refused() -> None:
    document = yaml.safe_load(GOOD.replace("2.1", '"2.1"').replace("2.2", '"2.2"'))
    document["tables"] = {name: document["tables"][name] for name in ("coches", "marcas")}
    [found] = problems(yaml.safe_dump(document, sort_keys=False, allow_unicode=True))
    assert "tables.coches.foreign_keys.marca_id.table: la tabla «marcas» se declara después de «coches»" in found


def test_a_name_longer_than_63_bytes_is_refused() -> None:
    name = "ñ" * 32
    refused(
        "visto_at: timestamp",
        f"visto_at: timestamp\n      {name}: text",
        f"tables.coches.columns.{name}",
        "64 bytes",
        name,
    )
    refused("twin: cars", f"twin: {name}", "tables.coches.twin", "ocupa 64 bytes")
    assert load_mapping(GOOD.replace("twin: cars", f"twin: {name[1:]}a"), "x").tables[1].twin == f"{name[1:]}a"


def test_an_index_that_repeats_a_constraint_is_dropped_and_remembered() -> None:
    text = GOOD.replace("indexes: [estado]", "indexes: [id, estado]")
    assert table(load_mapping(text, "x"), "coches").indexes == ("estado",)
    assert tuple((t.name, i) for t in load_mapping(text, "x").tables for i in t.redundant_indexes) == (("coches", "id"),)


def test_one_legacy_column_in_two_spanish_ones_is_refused() -> None:
    key = "pairs.brands.marcas.columns.nota"
    refused("{from: note,", "{from: [note, name],", key, "«name» ya va a «nombre» (línea 35): la vuelta atrás sería ambigua")


def test_a_column_both_carried_and_left_behind_is_refused() -> None:
    new = "subphase: 2.1\n      waived: {name: ya no se usa}"
    refused("subphase: 2.1", new, "pairs.brands.marcas.waived.name", "«name» va a «nombre»", "waived")


def test_an_unknown_subphase_is_refused() -> None:
    refused("subphase: 2.2", "subphase: 2.l", "pairs.cars.coches.subphase", "la subfase «2.l» no existe")


def test_a_subphase_of_two_phases_is_refused() -> None:
    refused("[2.1, 2.2]", "[2.1, 2.2]\n  fase3: [2.2]", "subphases.fase3[0]", "la subfase «2.2» ya es de fase2", "fase3")


def test_a_bad_type_name_is_answered_with_the_nearest_known_one() -> None:
    refused(
        "plazas: {type: integer",
        "plazas: {type: integr",
        "tables.coches.columns.plazas.type",
        "¿quiso decir «integer»?",
    )
    refused("varchar(10)", "varchar(0)", "tables.marcas.columns.nombre.type", "«varchar(0)» no es un tipo conocido")


def test_an_optional_column_stays_out_of_keys_and_needs_an_optional_rule() -> None:
    refused("unique: [nombre]", "unique: [nombre, extra]", "tables.marcas.unique[1]", "es opcional")
    new = "nombre: name\n        extra: more"
    refused("nombre: name", new, "pairs.brands.marcas.columns.extra", "su regla también (optional: true)", "extra: more")


def test_a_legacy_and_a_spanish_table_cannot_share_a_name() -> None:
    refused("twin: cars", "twin: marcas", "tables.coches.twin", "es una tabla española")
    refused("  cars:\n", "  marcas:\n", "pairs.marcas", "a la izquierda va la tabla legada", "  marcas:\n    coches")


@pytest.mark.parametrize(
    ("text", "line", "sentence"),
    [
        ("", 1, "el fichero está vacío"),
        ("schema: public\ntables: [\n", 3, "no es YAML válido"),
        ("schema: public\n---\nschema: public\n", 2, "no es YAML válido"),
        ("schema: public\ntables: *nada\n", 2, "no es YAML válido"),
        ("schema: a\nx: \x07\n", 2, "un carácter que YAML no admite"),
        ("- schema\n", 1, "se esperaba un mapa de claves y hay una lista"),
    ],
)
def test_what_is_no_mapping_at_all_is_refused_with_its_line(text: str, line: int, sentence: str) -> None:
    [found] = problems(text)
    assert found.startswith(f"coches.yml, línea {line}: ")
    assert sentence in found


def test_an_alias_inside_its_own_anchor_does_not_hang() -> None:
    text = GOOD.replace("nombre: name", "nombre: &loop {from: *loop}")
    assert "un valor de un tipo propio" in problems(text)[0]


def test_control_characters_of_a_name_do_not_reach_the_terminal() -> None:
    [found] = problems(GOOD.replace("nombre: name", 'nombre: name\n        "x\\e[31m": y'))
    assert "x\\x1b[31m" in found


def test_a_name_that_no_database_takes_is_refused() -> None:
    refused("twin: cars", "twin: ''", "tables.coches.twin", "un nombre no puede estar vacío")
    refused("twin: cars", 'twin: "a\\0b"', "tables.coches.twin", "el carácter NUL")
    refused("twin: cars", "twin: cars\n    ? [a]\n    : b", "tables.coches", "la clave debe ser un texto", "    ? [a]")


def test_a_list_where_names_are_expected_is_refused() -> None:
    text = GOOD[: GOOD.index("pairs:")] + "pairs: [brands]\n"
    [found] = problems(text)
    assert "pairs: se esperaba un mapa de claves y hay una lista" in found


def test_what_contradicts_itself_is_refused() -> None:
    refused("unique: [nombre]", "unique: [id]", "tables.marcas.unique", "repite la clave primaria")
    new = "precio: {type: integer, minimum: 2, maximum: 1}"
    refused("precio: numeric(6,2)", new, "tables.coches.columns.precio.minimum", "el mínimo 2 pasa del máximo 1")
    key = "tables.marcas.columns.extra.optional"
    refused(
        "optional: true",
        "optional: true, not_null: true, default: x",
        key,
        "una columna opcional no puede ser obligatoria",
    )
    refused("touched: visto_at", "touched: estado", "tables.coches.touched", "debe ser timestamp")


def test_a_foreign_key_that_its_own_column_forbids_is_refused() -> None:
    text = GOOD.replace("marca_id: integer", "marca_id: {type: integer, not_null: true}")
    found = problems(text.replace("on_delete: cascade", "on_delete: set null"))
    assert "tables.coches.foreign_keys.marca_id.on_delete: la columna «marca_id» es obligatoria" in found[0]
    refused("{table: marcas", "{table: coches", "tables.coches.foreign_keys.marca_id.table", "a sí misma")
