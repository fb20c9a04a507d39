"""The mapping files of this project."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from plugins.module_utils.core.mapping.file import json_schema, load_mapping, schema_text
from plugins.module_utils.core.mapping.types import ColumnRule, Lookup, Pair, SpanishColumn, SpanishTable, TableMapping

# The legacy system, both installations: which columns a row has that the mapping must keep or name.
LEGACY = {
    "professions": "id name specialty category is_active created_at updated_at",
    "customers": "id phone_number full_name city city_confirmed_at notes has_consent created_at updated_at",
    "users": "id phone_number name user_type email business_name business_description address city country latitude longitude "
    "status created_at updated_at has_consent",
    "provider_professions": "id provider_id profession_id specialty experience_years certifications is_primary "
    "verification_status created_at",
    "provider_services": "id provider_id title description category price price_type availability is_active created_at "
    "updated_at",
    "service_requests": "id phone phone_number intent profession location_city location_lat location_lng suggested_providers "
    "requested_at resolved_at",
    "messages": "id conversation_id user_id message_type content media_url media_type ai_response processing_status metadata "
    "timestamp",
    "sessions": "id user_id session_id status qr_code session_data expires_at last_activity created_at",
    "task_queue": "id task_type payload status priority scheduled_at started_at completed_at error_message retry_count "
    "max_retries created_at",
}
PAIRS = [
    "professions profesiones",
    "customers clientes",
    "users proveedores",
    "users clientes",
    "provider_professions proveedor_profesiones",
    "provider_services servicios_proveedor",
    "service_requests solicitudes_servicio",
    "messages mensajes",
    "sessions sesiones",
    "task_queue tareas_programadas",
]
# The target schema, the paragraph NULL: every default that it names, and no other.
DEFAULTS = {
    "customers clientes": {"nombre_completo": "Cliente TinkuBot", "notas": "{}"},
    "users clientes": {"nombre_completo": "Cliente TinkuBot", "estado": "activo"},
    "provider_professions proveedor_profesiones": {
        "anos_experiencia": "0",
        "certificaciones": "[]",
        "es_principal": "false",
        "estado_verificacion": "pendiente",
    },
    "messages mensajes": {
        "tipo_mensaje": "texto",
        "contenido": "",
        "estado_procesamiento": "completado",
        "metadata": "{}",
    },
    "sessions sesiones": {"datos_sesion": "{}"},
    "task_queue tareas_programadas": {"intentos": "0", "prioridad": "0", "max_intentos": "3"},
}
# The target schema, the paragraph Values; users.status differs by table.
VALUES = {
    "users proveedores estado": "active→activo inactive→inactivo suspended→suspendido pending→verificacion_pendiente",
    "users clientes estado": "active→activo inactive→inactivo suspended→suspendido pending→inactivo",
    "provider_professions proveedor_profesiones estado_verificacion": "pending→pendiente verified→verificada rejected→rechazada",
    "provider_services servicios_proveedor tipo_precio": "fixed→fijo range→rango negotiable→a_convenir hourly→hora",
    "service_requests solicitudes_servicio tipo_solicitud": "service_request→servicio",
    "messages mensajes tipo_mensaje": "text→texto image→imagen document→documento location→ubicacion contact→contacto",
    "messages mensajes estado_procesamiento": "pending→pendiente processing→procesando completed→completado failed→error",
    "sessions sesiones estado": "active→activa inactive→inactiva expired→expirada",
    "task_queue tareas_programadas tipo_tarea": "send_whatsapp→enviar_whatsapp reminder→recordatorio follow_up→seguimiento "
    "notification→notificacion",
    "task_queue tareas_programadas estado": "pending→pendiente processing→en_progreso completed→completada failed→fallida "
    "cancelled→cancelada",
}
# Spanish columns that no legacy column fills: the database's default stands.
SPANISH_ONLY = {
    "customers clientes": {"estado"},
    "users proveedores": {"nivel_verificacion", "rating"},
    "users clientes": {"ciudad_confirmada_at", "notas"},
}
# The legacy system, the values that each column is known to have.
KNOWN_VALUES = {
    "users proveedores estado": "active inactive suspended pending",
    "users clientes estado": "active inactive suspended pending",
    "provider_professions proveedor_profesiones estado_verificacion": "pending verified rejected",
    "provider_services servicios_proveedor tipo_precio": "fixed range negotiable hourly",
    "messages mensajes tipo_mensaje": "text image audio video document location contact",
    "messages mensajes estado_procesamiento": "pending processing completed failed error",
    "sessions sesiones estado": "active inactive expired error",
    "task_queue tareas_programadas tipo_tarea": "send_whatsapp reminder follow_up feedback notification",
    "task_queue tareas_programadas estado": "pending processing completed failed cancelled",
}

ROOT = Path(__file__).resolve().parents[2]
TINKUBOT = ROOT / "files" / "mapping" / "tinkubot.yml"
SHOP = ROOT / "tests" / "support" / "shop.yml"


def table(mapping: TableMapping, name: str) -> SpanishTable:
    return next(t for t in mapping.tables if t.name == name)


def column(mapping: TableMapping, table_name: str, name: str) -> SpanishColumn:
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


def complete() -> TableMapping:
    return load_mapping(TINKUBOT.read_text(encoding="utf-8"), "files/mapping/tinkubot.yml")


def title(pair: Pair) -> str:
    return f"{pair.source} {pair.target}"


def named(name: str) -> Pair:
    return next(pair for pair in complete().pairs if title(pair) == name)


def rules(name: str) -> dict[str, ColumnRule]:
    return {r.target: r for r in named(name).columns}


def test_all_nine_tables_are_filled_parents_first() -> None:
    assert [title(p) for p in complete().pairs] == PAIRS
    assert [p.subphase for p in complete().pairs] == ["2.1"] * 2 + ["2.2"] * 4 + ["3"] * 4
    assert {title(p): p.match for p in complete().pairs if p.match != ("id",)} == {
        "provider_professions proveedor_profesiones": ("proveedor_id", "profesion_id")
    }


def test_users_of_no_known_type_are_refused_and_clients_merged_by_phone() -> None:
    pairs = complete().pairs
    assert {title(p): p.where for p in pairs if p.where} == {
        "users proveedores": (("user_type", "provider"),),
        "users clientes": (("user_type", "client"),),
    }
    assert [title(p) for p in pairs if p.otherwise] == ["users proveedores"]
    assert [(title(p), p.merge_by) for p in pairs if p.merge_by] == [("users clientes", "telefono")]
    assert [title(p) for p in pairs if p.duplicates] == ["provider_professions proveedor_profesiones"]


@pytest.mark.parametrize("name", PAIRS)
def test_every_legacy_column_is_kept_or_named(name: str) -> None:
    pair = named(name)
    kept = {c for r in pair.columns if not r.json_keys and r.present is None for c in r.sources}
    waived = {column for column, _ in pair.waived}
    assert kept | waived == set(LEGACY[pair.source].split())
    assert not kept & waived


@pytest.mark.parametrize("name", PAIRS)
def test_every_spanish_column_is_filled_or_has_its_default(name: str) -> None:
    pair = named(name)
    filled = {r.target for r in pair.columns}
    assert {c.name for c in table(complete(), pair.target).columns} - filled == SPANISH_ONLY.get(name, set())


@pytest.mark.parametrize("name", PAIRS)
def test_a_null_becomes_what_target_schema_says_and_stays_null_elsewhere(name: str) -> None:
    pair = named(name)
    assert {r.target: r.default for r in pair.columns if r.default is not None} == DEFAULTS.get(name, {})


def test_values_are_translated_as_target_schema_says() -> None:
    found = {
        f"{title(pair)} {rule.target}": " ".join(f"{old}→{new}" for old, new in rule.values)
        for pair in complete().pairs
        for rule in pair.columns
        if rule.values
    }
    assert found == VALUES


@pytest.mark.parametrize("name", KNOWN_VALUES)
def test_every_known_legacy_value_has_a_place_in_spanish(name: str) -> None:
    source, target, column_name = name.split()
    translated = dict(rules(f"{source} {target}")[column_name].values)
    allowed = column(complete(), target, column_name).allowed
    assert {translated.get(value, value) for value in KNOWN_VALUES[name].split()} <= set(allowed)


def test_what_differs_between_the_two_installations_is_declared() -> None:
    optional = {(title(p), r.target) for p in complete().pairs for r in p.columns if r.optional}
    assert optional == {
        ("customers clientes", "tiene_consentimiento"),
        ("users proveedores", "tiene_consentimiento"),
        ("users clientes", "tiene_consentimiento"),
        ("provider_professions proveedor_profesiones", "id"),
    }
    assert rules("service_requests solicitudes_servicio")["telefono"].sources == ("phone", "phone_number")
    keys = {(title(p), r.target): r.text_key for p in complete().pairs for r in p.columns if r.text_key}
    assert keys == {("customers clientes", "notas"): "texto"}


def test_phones_clients_and_states_come_from_where_target_schema_says() -> None:
    requests = rules("service_requests solicitudes_servicio")
    client = Lookup("clientes", "telefono", "telefono", "id", stays=True)
    assert requests["cliente_id"] == ColumnRule("cliente_id", (), lookup=client)
    assert requests["estado"] == ColumnRule(
        "estado", ("resolved_at",), present="resuelta", absent="pendiente", stays=("en_progreso", "cancelada")
    )
    phone = Lookup("users", "id", "user_id", "phone_number")
    assert rules("sessions sesiones")["telefono"] == ColumnRule("telefono", (), lookup=phone)
    anonymous = ColumnRule("telefono", ("metadata",), lookup=phone, json_keys=("phone", "from_number"))
    assert rules("messages mensajes")["telefono"] == anonymous
    lookups = [r for p in complete().pairs for r in p.columns if r.lookup or r.json_keys or r.present]
    assert len(lookups) == 4


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
