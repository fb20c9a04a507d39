"""The mapping files of this project."""

from __future__ import annotations

import json
from pathlib import Path

from plugins.module_utils.core.mapping import ColumnRule, Mapping, SpanishColumn, SpanishTable
from plugins.module_utils.core.mapping_file import json_schema, load_mapping, schema_text

ROOT = Path(__file__).resolve().parents[2]
TINKUBOT = ROOT / "files" / "mapping" / "tinkubot.yml"
SHOP = ROOT / "tests" / "support" / "shop.yml"


def table(mapping: Mapping, name: str) -> SpanishTable:
    return next(t for t in mapping.tables if t.name == name)


def column(mapping: Mapping, table_name: str, name: str) -> SpanishColumn:
    return next(c for c in table(mapping, table_name).columns if c.name == name)


def test_tinkubot_declares_nine_tables_with_parents_before_children() -> None:
    mapping = load_mapping(TINKUBOT.read_text(encoding="utf-8"), "files/mapping/tinkubot.yml")
    twins = {t.name: t.twin for t in mapping.tables}
    assert twins == {
        "profesiones": "professions",
        "clientes": "customers",
        "proveedores": "users",
        "proveedor_profesiones": "provider_professions",
        "servicios_proveedor": "provider_services",
        "solicitudes_servicio": "service_requests",
        "mensajes": "messages",
        "sesiones": "sessions",
        "tareas_programadas": "task_queue",
    }
    assert mapping.subphases == (("fase2", ("2.1", "2.2")), ("fase3", ("3",)))
    assert column(mapping, "proveedores", "estado").type == "character varying(30)"
    assert column(mapping, "proveedores", "tiene_consentimiento").optional
    assert table(mapping, "proveedor_profesiones").unique == (("proveedor_id", "profesion_id"),)
    assert all(t.comment for t in mapping.tables)


def test_tinkubot_keeps_time_in_utc_and_uuid_keys_by_the_database() -> None:
    mapping = load_mapping(TINKUBOT.read_text(encoding="utf-8"), "files/mapping/tinkubot.yml")
    for each in mapping.tables:
        key = next(c for c in each.columns if c.name == "id")
        assert key.serial or key.default == "gen_random_uuid()"
        assert {c.default for c in each.columns if c.type.startswith("timestamp")} <= {None, "timezone('utc', now())"}
        assert each.touched == ("actualizado_at" if any(c.name == "actualizado_at" for c in each.columns) else None)


def test_tinkubot_maps_professions_and_customers() -> None:
    text = TINKUBOT.read_text(encoding="utf-8")
    mapping = load_mapping(text, "files/mapping/tinkubot.yml")
    assert [(p.source, p.target, p.subphase) for p in mapping.pairs] == [
        ("professions", "profesiones", "2.1"),
        ("customers", "clientes", "2.1"),
    ]
    rules = {r.target: r for r in mapping.pairs[1].columns}
    assert rules["nombre_completo"] == ColumnRule("nombre_completo", ("full_name",), default="Cliente TinkuBot")
    assert rules["notas"] == ColumnRule("notas", ("notes",), default="{}", text_key="texto")
    assert rules["tiene_consentimiento"] == ColumnRule("tiene_consentimiento", ("has_consent",), optional=True)
    assert tuple((t.name, i) for t in load_mapping(text, "x").tables for i in t.redundant_indexes) == (
        ("profesiones", "nombre"),
        ("clientes", "telefono"),
        ("proveedores", "telefono"),
    )


def test_the_shop_shares_nothing_with_tinkubot_but_the_format() -> None:
    mapping = load_mapping(SHOP.read_text(encoding="utf-8"), "shop.yml")
    [pair] = mapping.pairs
    assert pair.match == ("Lote|Nº", "group")
    assert pair.waived == (("back\\slash", "Nobody reads it any more"),)


def test_the_schema_for_editors_is_the_validators_own() -> None:
    stored = (ROOT / "files" / "mapping" / "schema.json").read_text(encoding="utf-8")
    assert stored == schema_text(), "files/mapping/schema.json is stale: make sql"
    assert json.loads(stored) == json_schema()
    for path in (TINKUBOT, SHOP):
        assert path.read_text(encoding="utf-8").startswith("# yaml-language-server: $schema=")
