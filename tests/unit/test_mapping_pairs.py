"""Pairs that share a legacy or a Spanish table, and columns that come from elsewhere than one legacy column."""

from __future__ import annotations

from functools import partial

import pytest

from plugins.module_utils.core.mapping.file import load_mapping
from plugins.module_utils.core.mapping.types import ColumnRule, Lookup, Pair, TableMapping
from tests.support import cars
from tests.support.cars import GARAGE, GOOD, problems

refused = partial(cars.refused, good=GARAGE)
VISIT = "pairs.visits.visitas"
OWNER_LOOKUP = f"{VISIT}.columns.dueno_id.lookup"


def pair(mapping: TableMapping, source: str, target: str) -> Pair:
    return next(p for p in mapping.pairs if (p.source, p.target) == (source, target))


def rule(text: str, target: str) -> ColumnRule:
    return next(r for r in pair(load_mapping(text, "x"), "visits", "visitas").columns if r.target == target)


def test_conditions_merges_and_duplicates_load() -> None:
    mapping = load_mapping(GARAGE, "x")
    assert [(p.source, p.target, p.where, p.otherwise, p.merge_by, p.duplicates) for p in mapping.pairs] == [
        ("owners", "duenos", (), False, None, False),
        ("people", "talleres", (("kind", "shop"),), True, None, False),
        ("people", "duenos", (("kind", "owner"),), False, "correo", False),
        ("visits", "visitas", (), False, None, True),
    ]


def test_columns_that_come_from_elsewhere_load() -> None:
    assert rule(GARAGE, "dueno_id") == ColumnRule("dueno_id", (), lookup=Lookup("duenos", "correo", "correo", "id"))
    assert rule(GARAGE, "correo") == ColumnRule(
        "correo", ("data",), lookup=Lookup("people", "pk", "person", "address"), json_keys=("mail", "sender")
    )
    assert rule(GARAGE, "estado") == ColumnRule("estado", ("done_at",), present="hecha", absent="abierta")
    assert rule(GARAGE.replace("[mail, sender]", "mail"), "correo").json_keys == ("mail",)
    chosen = rule(GARAGE.replace("take: id}", "take: id, se_queda: true}"), "dueno_id").lookup
    assert chosen == Lookup("duenos", "correo", "correo", "id", stays=True)


def test_a_lookup_may_have_a_default_and_a_table_that_is_only_a_twin() -> None:
    text = GARAGE.replace("take: id}}", "take: id}, default: 7e9f5c0a-3f0b-4a52-9c53-000000000000}")
    assert rule(text, "dueno_id").default == "7e9f5c0a-3f0b-4a52-9c53-000000000000"
    found = rule(GARAGE.replace("{table: people", "{table: receipts"), "correo").lookup
    assert found is not None
    assert found.table == "receipts"
    assert load_mapping(GARAGE.replace("twin: people", "twin: workshops"), "x"), "people is a source still"


def test_a_rule_needs_a_legacy_column_or_a_lookup() -> None:
    refused("lema: motto", "lema: {default: x}", "pairs.people.talleres.columns.lema", "falta la clave «from» o «lookup»")


def test_a_lookup_says_all_four_things() -> None:
    refused(", take: id}", "}", OWNER_LOOKUP, "falta la clave «take»", "dueno_id: {l")
    refused("table: duenos, ", "", OWNER_LOOKUP, "falta la clave «table»", "dueno_id: {l")
    refused("by: correo,", "by: ,", f"{OWNER_LOOKUP}.by", "se esperaba un texto")


def test_a_lookup_names_a_known_table() -> None:
    refused("{table: people", "{table: peple", f"{VISIT}.columns.correo.lookup.table", "¿quiso decir «people»?")
    refused("{table: duenos", "{table: dueños", f"{OWNER_LOOKUP}.table", "¿quiso decir «duenos»?")


@pytest.mark.parametrize("table", ["visitas", "recibos"])
def test_a_lookup_in_a_spanish_table_finds_it_declared_before(table: str) -> None:
    sentence = f"«{table}» no se declara antes que «visitas»"
    refused("{table: duenos", f"{{table: {table}", f"{OWNER_LOOKUP}.table", sentence)


@pytest.mark.parametrize(
    ("old", "new", "key", "sentence"),
    [
        ("column: correo", "column: corre", "column", "«duenos» no tiene la columna «corre»; ¿quiso decir «correo»?"),
        ("column: correo", "column: lugar", "column", "«duenos.lugar» no es clave primaria ni única"),
        ("column: correo", "column: apodo", "column", "«correo» es character varying(20) y «duenos.apodo»"),
        ("by: correo, take", "by: corre, take", "by", "«visitas» no tiene la columna «corre»; ¿quiso decir «correo»?"),
        ("column: correo, by: correo", "column: id, by: dueno_id", "by", "«dueno_id» no tiene regla (que no sea opcional"),
        ("take: id", "take: di", "take", "«duenos» no tiene la columna «di»"),
        ("take: id", "take: extra", "take", "la columna «extra» es opcional"),
        ("take: id", "take: correo", "take", "«dueno_id» es uuid y «duenos.correo» es character varying(20)"),
    ],
)
def test_a_lookup_in_a_spanish_table_names_columns_that_fit(old: str, new: str, key: str, sentence: str) -> None:
    refused(old, new, f"{OWNER_LOOKUP}.{key}", sentence)


def test_a_lookup_is_by_a_column_that_has_a_certain_rule() -> None:
    new = "column: id, by: taller_id"
    text = GARAGE.replace("column: correo, by: correo", new)
    assert load_mapping(text, "x")
    sentence = "«taller_id» no tiene regla"
    cars.refused("taller_id: shop_id", "taller_id: {from: shop_id, optional: true}", f"{OWNER_LOOKUP}.by", sentence, new, text)
    cars.refused("        taller_id: shop_id\n", "", f"{OWNER_LOOKUP}.by", sentence, new, text)


@pytest.mark.parametrize(
    ("old", "new", "key", "sentence"),
    [
        ("present: hecha,", "present: hecha, default: abierta,", "estado.default", "present y default se excluyen"),
        ("present: hecha,", "present: hecha, values: {a: hecha},", "estado.values", "present y values se excluyen"),
        (
            "present: hecha,",
            "present: hecha, lookup: {table: people, column: a, by: b, take: c},",
            "estado.lookup",
            "present y lookup se excluyen",
        ),
        ("present: hecha,", "present: hecha, json_keys: a,", "estado.json_keys", "present y json_keys se excluyen"),
        (
            "datos: data",
            "datos: {from: data, present: {}, absent: [], text_key: a}",
            "datos.text_key",
            "present y text_key se excluyen",
        ),
        ("[mail, sender],", "[mail, sender], values: {a: b},", "correo.values", "json_keys y values se excluyen"),
        ("take: id}}", "take: id}, optional: true}", "dueno_id.optional", "lookup y optional se excluyen"),
        ("take: id}}", "take: id}, from: owner}", "dueno_id.from", "con lookup, from solo sirve para json_keys"),
        ("hecha, absent: abierta", "hecha", "estado.present", "present no dice nada sin absent"),
        ("present: hecha, absent", "absent", "estado.absent", "absent no dice nada sin present"),
        ("absent: abierta", "absent: hecha", "estado.absent", "«hecha» es también el valor de present"),
        ("from: data, json", "json", "correo.json_keys", "json_keys no dice nada sin from"),
        ("datos: data", "datos: {from: data, json_keys: a}", "datos.json_keys", "json_keys es para columnas de texto"),
        (
            "hecha_at: done_at",
            "hecha_at: {from: done_at, se_queda: [a]}",
            "hecha_at.se_queda",
            "se_queda no dice nada",
        ),
        ("absent: abierta", "absent: abierta, se_queda: [cerrada]", "estado.se_queda[0]", "«cerrada» no está entre"),
        ("absent: abierta", "absent: abierta, se_queda: [hecha]", "estado.se_queda[0]", "«hecha» lo dice ya la columna legada"),
        ("take: id}}", "take: id}, se_queda: [a]}", "dueno_id.se_queda", "lookup y se_queda se excluyen"),
        ("address}", "address, se_queda: true}", "correo.lookup.se_queda", "lo que se busca en una tabla legada vuelve"),
        ("present: hecha", "present: echa", "estado.present", "«echa» no está entre los valores que admite estado"),
        ("absent: abierta", "absent: abierto", "estado.absent", "«abierto» no está entre los valores que admite estado"),
    ],
)
def test_keys_of_a_rule_that_say_nothing_together_are_refused(old: str, new: str, key: str, sentence: str) -> None:
    text = GARAGE.replace(old, new)
    assert any(f"{VISIT}.columns.{key}: {sentence}" in line for line in problems(text))


def test_values_and_text_key_have_no_place_in_a_lookup() -> None:
    lookup = "lema: {lookup: {table: people, column: a, by: b, take: c}"
    key = f"{VISIT}.columns.lema.values"
    refused("datos: data", f"datos: data\n        {lookup}, values: {{a: b}}}}", key, "lookup y values se excluyen", "lema: {l")
    lookup = "datos: {lookup: {table: people, column: a, by: b, take: c}"
    key = f"{VISIT}.columns.datos.text_key"
    refused("datos: data", f"{lookup}, text_key: a}}", key, "lookup y text_key se excluyen")
    assert load_mapping(GARAGE.replace("datos: data", f"{lookup}, optional: false}}"), "x")


def test_what_never_goes_back_may_share_its_legacy_column() -> None:
    sentence = "«done_at» ya va a «hecha_at»"
    refused("hecha_at: done_at", "hecha_at: done_at\n        lema: done_at", f"{VISIT}.columns.lema", sentence, "lema: done")
    json_only = GARAGE.replace("datos: data", "datos: data\n        lema: {from: data, json_keys: a}")
    assert rule(json_only, "lema") == ColumnRule("lema", ("data",), json_keys=("a",))


def test_what_is_only_looked_at_may_be_left_behind() -> None:
    text = GARAGE.replace("duplicates: true", "waived: {person: sin falta, done_at: sin falta}")
    assert pair(load_mapping(text.replace("        hecha_at: done_at\n", ""), "x"), "visits", "visitas").waived
    sentence = "«done_at» va a «hecha_at»"
    refused("duplicates: true", "waived: {done_at: sin falta}", f"{VISIT}.waived.done_at", sentence)


@pytest.mark.parametrize(
    "written",
    [
        "{lookup: {table: people, column: pk, by: person, take: address}}",
        "{from: data, json_keys: mail}",
        "{from: done_at, present: si, absent: no}",
    ],
)
def test_rows_are_not_recognised_by_what_never_goes_back(written: str) -> None:
    start, end = GARAGE.index("{from: data, json_keys"), GARAGE.index("        estado: {from")
    text = f"{GARAGE[:start]}{written}\n{GARAGE[end:]}"
    sentence = "las filas se reconocen por «correo», que no tiene regla (que no sea opcional ni lleve"
    cars.refused("duplicates: true", "match: correo", f"{VISIT}.match", sentence, good=text)


def test_rows_are_not_recognised_by_what_some_installations_lack() -> None:
    text = GARAGE.replace("id: id\n        taller", "id: {from: id, optional: true}\n        taller")
    assert any(f"{VISIT}: las filas se reconocen por «id», que no tiene regla" in line for line in problems(text))


def test_a_condition_needs_a_column() -> None:
    refused("{kind: shop}", "{}", "pairs.people.talleres.where", "el mapa está vacío")
    refused("{kind: shop}", "{kind: [shop]}", "pairs.people.talleres.where.kind", "se esperaba un texto")


def test_a_legacy_row_may_belong_to_one_pair_only() -> None:
    sentence = "una fila puede ser de este par y del de «talleres» (línea 50)"
    refused("{kind: owner}", "{kind: shop}", "pairs.people.duenos.where", sentence, "where: {kind: shop}\n      merge_by")
    refused("{kind: owner}", "{type: owner}", "pairs.people.duenos.where", sentence)
    refused("      where: {kind: owner}\n", "", "pairs.people.duenos", sentence, "    duenos:\n      subphase: 2.2")
    assert load_mapping(GARAGE.replace("{kind: owner}", "{type: owner, kind: person}"), "x")


def test_rows_that_no_pair_takes_have_one_place_to_be_refused() -> None:
    key = "pairs.people.duenos.otherwise"
    sentence = "«talleres» (línea 50) recoge ya las filas que no son de ningún par"
    refused(
        "merge_by: correo",
        "merge_by: correo\n      otherwise: true",
        key,
        sentence,
        "otherwise: true\n      columns:\n        id: id\n        correo",
    )
    sentence = "se perderían en silencio: ponga otherwise: true en un par de «people»"
    refused("      otherwise: true\n", "", "pairs.people.talleres.where", sentence, "where: {kind: shop}")
    sentence = "sin where todas las filas son ya de este par"
    refused(
        "duplicates: true",
        "otherwise: true",
        f"{VISIT}.otherwise",
        sentence,
        "otherwise: true\n      columns:\n        id: id\n        taller",
    )


def test_rows_merge_only_into_those_of_an_earlier_pair() -> None:
    new = "subphase: 2.1\n      merge_by: correo"
    sentence = "es el primer par de «duenos»: no hay filas anteriores con las que fusionar"
    refused("subphase: 2.1", new, "pairs.owners.duenos.merge_by", sentence, "merge_by")


def test_rows_merge_by_a_unique_column_that_they_bring() -> None:
    key = "pairs.people.duenos.merge_by"
    sentence = "no es, además de match, única por sí sola en «duenos»"
    refused("merge_by: correo", "merge_by: lugar", key, f"«lugar» {sentence}; existen: correo, apodo")
    refused("merge_by: correo", "merge_by: id", key, f"«id» {sentence}")
    refused("merge_by: correo", "merge_by: corre", key, "¿quiso decir «correo»?")
    refused("merge_by: correo", "merge_by: apodo", key, "«apodo» no tiene regla")
    text = GARAGE.replace("duenos:\n      subphase", "duenos:\n      match: correo\n      subphase")
    [found] = problems(text)
    assert f"{key}: «correo» {sentence}; existen: apodo" in found


def test_a_row_is_taken_over_only_where_who_it_was_has_a_place_to_go_on_in() -> None:
    text = GARAGE.replace("        lema: motto", "        lema: mail").replace(
        "otherwise: true", "otherwise: true\n      takes_over: lema"
    )
    assert pair(load_mapping(text, "x"), "people", "talleres").takes_over == "lema"
    key, new = "pairs.people.talleres.takes_over", "otherwise: true\n      takes_over: lema"
    refused("otherwise: true", new, key, "ningún otro par de «people» con merge_by lleva la misma columna legada", "takes_over")
    optional = GARAGE.replace("lema: motto", "lema: {from: motto, optional: true}")
    cars.refused("otherwise: true", new, key, "«lema» no tiene regla", "takes_over", optional)
    new = "subphase: 2.1\n      takes_over: correo"
    refused("subphase: 2.1", new, "pairs.owners.duenos.takes_over", "ningún otro par de «owners»", "takes_over")


def test_births_fill_what_no_spanish_column_does() -> None:
    text = GARAGE.replace("duplicates: true", "duplicates: true\n      births: {channel: 5, tags: []}")
    assert pair(load_mapping(text, "x"), "visits", "visitas").births == (("channel", "5"), ("tags", "[]"))
    key, new = f"{VISIT}.births", "duplicates: true\n      births: {%s: a}"
    refused("duplicates: true", new % "done_at", f"{key}.done_at", "«done_at» la llena ya «hecha_at»", "births")
    refused("duplicates: true", new % "person", f"{key}.person", "«person» la llena ya «correo»", "births")
    new = "otherwise: true\n      births: {kind: a}"
    refused("otherwise: true", new, "pairs.people.talleres.births.kind", "«kind» la llena ya «where»", "births")


def test_pairs_of_one_spanish_table_recognise_rows_alike() -> None:
    key = "pairs.people.duenos.match"
    new = "{kind: owner}\n      match: correo"
    text = GARAGE.replace("      merge_by: correo\n", "")
    sentence = "en «owners» (línea 44) las filas se reconocen por (id); aquí debe ser lo mismo"
    cars.refused("{kind: owner}", new, key, sentence, "match", text)


def test_parents_are_copied_before_their_children() -> None:
    sentence = "necesita antes las filas de «people» → «talleres» (línea 50, subfase 2.2), que se copian después"
    text = GARAGE.replace("        dueno_id: {lookup: {table: duenos, column: correo, by: correo, take: id}}\n", "")
    cars.refused("subphase: 3", "subphase: 2.1", f"{VISIT}.subphase", sentence, "subphase: 2.1\n      dup", text)
    assert load_mapping(text.replace("subphase: 3", "subphase: 2.2"), "x")
    assert load_mapping(text.replace("subphase: 3", "subphase: 2.1").replace("        taller_id: shop_id\n", ""), "x")
    visits = text[text.index("  visits:\n") :]
    first = text.replace(visits, "").replace("  people:\n", visits.replace("subphase: 3", "subphase: 2.2") + "  people:\n")
    assert len(problems(first)) == 1


def test_a_table_that_is_searched_is_filled_before() -> None:
    sentence = "necesita antes las filas de «people» → «duenos»"
    found = problems(GARAGE.replace("subphase: 3", "subphase: 2.1").replace("        taller_id: shop_id\n", ""))
    assert len(found) == 1
    assert sentence in found[0]


def test_rows_with_priority_are_copied_first() -> None:
    sentence = "necesita antes las filas de «owners» → «duenos» (línea 44, subfase 2.2), que se copian después"
    text = GARAGE.replace("subphase: 2.1", "subphase: 2.2").replace(
        "duenos:\n      subphase: 2.2\n      where", "duenos:\n      subphase: 2.1\n      where"
    )
    [found] = problems(text)
    assert "pairs.people.duenos.subphase" in found
    assert sentence in found


def test_phases_are_in_their_own_order_not_in_the_files() -> None:
    swapped = "  fase3: [3]\n  fase2: [2.1, 2.2]\n"
    assert load_mapping(GARAGE.replace("  fase2: [2.1, 2.2]\n  fase3: [3]\n", swapped), "x")


def test_the_plain_pair_needs_none_of_it() -> None:
    plain = load_mapping(GOOD, "x").pairs[0]
    assert (plain.where, plain.otherwise, plain.merge_by, plain.duplicates) == ((), False, None, False)
