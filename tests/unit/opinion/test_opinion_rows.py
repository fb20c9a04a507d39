"""Whole rows against the target schema, by hand: what a row becomes, what it goes into, or why it stays behind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from plugins.module_utils.core.catalogue import Catalogue, catalogue_from_json
from plugins.module_utils.core.errors import MigrationError
from plugins.module_utils.core.mapping.file import load_mapping
from plugins.module_utils.core.opinion.binding import bind, clave_of
from plugins.module_utils.core.opinion.fates import Candidates, Carried, Everything, Fate, Known, LegacyRow, Merged, Refused
from plugins.module_utils.core.opinion.judging import judge

FILES = Path(__file__).resolve().parents[3] / "files/mapping"
MAPPING = load_mapping((FILES / "tinkubot.yml").read_text(encoding="utf-8"), "tinkubot.yml")
REFERENCE = catalogue_from_json((FILES / "catalogo.json").read_text(encoding="utf-8"))
Values = Mapping[str, str | None]


def uuid(kind: str, n: int) -> str:
    """The key of a row: c of customers, a of users, b of requests and messages."""
    return f"{kind}0000000-0000-4000-8000-{n:012d}"


def older(catalogue: Catalogue) -> Catalogue:
    """The other installation, as far as these tests ask: a serial key with doubles, text for JSON."""
    relations = []
    for relation in catalogue.relations:
        if relation.name == "provider_professions":
            first = replace(relation.columns[1], name="id")
            relation = replace(relation, columns=(first, *relation.columns), primary_key=("id",))
        columns = tuple(
            replace(c, type="text", base="text") if c.name in ("notes", "certifications", "requested_at", "resolved_at") else c
            for c in relation.columns
        )
        relations.append(replace(relation, columns=columns))
    return replace(catalogue, relations=tuple(relations))


@dataclass
class World:
    """Rows that lie there, and a judge who may ask for them."""

    catalogue: Catalogue = REFERENCE
    rows: dict[str, list[LegacyRow]] = field(default_factory=dict)
    unforeseen: frozenset[tuple[str, str]] = frozenset()
    asked: list[object] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.bound = bind(MAPPING, self.catalogue)

    def put(self, table: str, place: int = 0, **values: str | None) -> LegacyRow:
        """A row of a table, NULL wherever nothing is said; of a Spanish one with what is said alone."""
        found = self.catalogue.relation(table)
        empty: dict[str, str | None] = dict.fromkeys(c.name for c in found.columns) if found else {}
        row = LegacyRow(table, {**empty, **values}, f"{place}:{len(self.rows.get(table, [])):05}")
        self.rows.setdefault(table, []).append(row)
        return row

    def fate(self, row: LegacyRow) -> Fate:
        """What must become of it, whatever has to be asked for that."""
        known = Known(unforeseen=self.unforeseen)
        while isinstance(said := judge(self.bound.pair_of(row), row, known), frozenset):
            self.asked += said
            known.learn({need: self._answer(need) for need in said if isinstance(need, Candidates | Everything)}, {})
        return said

    def _answer(self, need: Candidates | Everything) -> tuple[LegacyRow, ...]:
        rows = self.rows.get(need.table, [])
        if isinstance(need, Everything):
            return tuple(rows)
        wanted = need.value and need.value.strip(" ")
        return tuple(row for row in rows if ((text := row.values[need.column]) and text.strip(" ")) == wanted)


def refused(*reasons: tuple[str, str]) -> Refused:
    return Refused(frozenset(reasons))


PHONE = "593987654321"
MOMENT, UTC = "2024-01-01 05:30:00+00", "2024-01-01 05:30:00"
CUSTOMER = {"id": uuid("c", 1), "phone_number": PHONE, "created_at": MOMENT, "updated_at": MOMENT}
PROVIDER = {"id": uuid("a", 1), "phone_number": PHONE, "name": "José", "user_type": "provider", "status": "active"}


def test_a_customer_becomes_a_client_value_by_value() -> None:
    world = World()
    row = world.put("customers", **CUSTOMER, city="Quito", city_confirmed_at=MOMENT, notes='{"a": 1}', has_consent="true")
    assert world.fate(row) == Carried(
        {
            "id": uuid("c", 1),
            "telefono": PHONE,
            "nombre_completo": "Cliente TinkuBot",
            "ciudad": "Quito",
            "ciudad_confirmada_at": UTC,
            "notas": '{"a": 1}',
            "tiene_consentimiento": "true",
            "creado_at": UTC,
            "actualizado_at": UTC,
        }
    )


@pytest.mark.parametrize(
    ("notes", "notas"),
    [
        (None, "{}"),
        ("null", "{}"),
        ("", '{"texto": ""}'),
        ("llamar mañana", '{"texto": "llamar mañana"}'),
        ('{"b":1,"a":[1.0]}', '{"a": [1.0], "b": 1}'),
        ('"texto"', '"texto"'),
        ("Null", '{"texto": "Null"}'),
        ('"\\u0000"', '{"texto": "\\"\\\\u0000\\""}'),
    ],
)
def test_notes_that_are_no_json_are_kept_under_a_key(notes: str | None, notas: str) -> None:
    world = World(older(REFERENCE))
    said = world.fate(world.put("customers", **CUSTOMER, notes=notes))
    assert isinstance(said, Carried)
    assert said.values["notas"] == notas


@pytest.mark.parametrize(
    ("status", "estado"),
    [
        ("active", "activo"),
        ("inactivo", "inactivo"),
        ("pending", "verificacion_pendiente"),
        ("verificacion_pendiente", "verificacion_pendiente"),
        (None, None),
        ("ACTIVE", ("23514", "status")),
        ("active ", ("23514", "status")),
        ("x" * 31, ("22001", "status")),
    ],
)
def test_a_status_is_translated_or_spanish_already_and_null_stays(status: str | None, estado: object) -> None:
    world = World()
    said = world.fate(world.put("users", **{**PROVIDER, "status": status}, latitude="-0.229850015", longitude="NaN"))
    if isinstance(estado, tuple):
        assert said == refused(estado)
        return
    assert isinstance(said, Carried)
    assert said.values["estado"] == estado
    assert (said.values["latitud"], said.values["longitud"]) == ("-0.22985002", "NaN")
    assert "rating" not in said.values


def test_every_reason_is_said_at_once() -> None:
    world = World()
    row = world.put("users", **{**PROVIDER, "name": None, "phone_number": "x" * 21, "status": "banned"}, latitude="100")
    assert world.fate(row) == refused(("23502", "name"), ("22001", "phone_number"), ("23514", "status"), ("22003", "latitude"))


@pytest.mark.parametrize("kind", ["admin", None, "client ", "PROVIDER"])
def test_any_other_user_is_refused_by_name(kind: str | None) -> None:
    world = World()
    assert world.fate(world.put("users", **{**PROVIDER, "user_type": kind})) == refused(("P0001", "user_type"))


CLIENT = {**PROVIDER, "user_type": "client", "name": None}


def test_a_client_of_users_goes_into_the_customer_of_exactly_that_phone() -> None:
    world = World()
    client = world.put("users", **{**CLIENT, "status": "pending"})
    said = world.fate(client)
    assert isinstance(said, Carried)
    assert (said.values["estado"], said.values["nombre_completo"]) == ("inactivo", "Cliente TinkuBot")
    world.put("customers", **CUSTOMER)
    assert world.fate(client) == Merged(uuid("c", 1))


def test_a_merge_comes_before_whatever_is_wrong_with_the_row() -> None:
    world = World()
    world.put("customers", **CUSTOMER)
    assert world.fate(world.put("users", **{**CLIENT, "status": "banned"})) == Merged(uuid("c", 1))


def test_a_refused_customer_swallows_nobody() -> None:
    world = World()
    world.put("customers", **CUSTOMER, city="x" * 101)
    client = world.put("users", **CLIENT)
    assert isinstance(world.fate(client), Carried)
    other = World(unforeseen=frozenset([("customers", uuid("c", 1))]))  # PostgreSQL alone did not take it
    other.put("customers", **CUSTOMER)
    assert isinstance(other.fate(other.put("users", **CLIENT)), Carried)


def test_a_phone_that_only_meets_when_its_blanks_are_cut_is_no_merge() -> None:
    world = World()
    world.put("customers", **{**CUSTOMER, "phone_number": PHONE.ljust(21)})
    assert world.fate(world.put("users", **{**CLIENT, "phone_number": PHONE.ljust(22)})) == refused(("23505", "phone_number"))


def test_the_same_person_with_another_phone_is_refused() -> None:
    world = World()
    world.put("customers", **CUSTOMER)
    row = world.put("users", **{**CLIENT, "id": uuid("c", 1), "phone_number": "593"})
    assert world.fate(row) == refused(("23505", "phone_number"))
    provider = world.put("users", **{**PROVIDER, "id": uuid("c", 1)})  # another Spanish table
    assert isinstance(world.fate(provider), Carried)


def test_of_several_rows_of_one_value_the_lowest_key_that_is_carried_has_it() -> None:
    world = World()
    third = world.put("customers", **{**CUSTOMER, "id": uuid("c", 3), "phone_number": PHONE.ljust(23)})
    second = world.put("customers", **{**CUSTOMER, "id": uuid("c", 2), "phone_number": PHONE.ljust(22)})
    first = world.put("customers", **{**CUSTOMER, "phone_number": PHONE.ljust(21)}, city="x" * 101)
    assert [world.fate(row) for row in (first, third)] == [refused(("22001", "city")), refused(("23505", "phone_number"))]
    assert isinstance(world.fate(second), Carried)


def test_integers_are_ordered_as_numbers() -> None:
    world = World()
    rows = [world.put("professions", id=key, name="Igual".ljust(n)) for key, n in (("953", 5), ("10000", 101), ("-2", 103))]
    assert [isinstance(world.fate(row), Carried) for row in rows] == [True, False, True]
    assert world.fate(rows[1]) == refused(("23505", "name"))


def provider_profession(world: World, **values: str) -> LegacyRow:
    return world.put("provider_professions", provider_id=uuid("a", 1), profession_id="7", **values)


def test_doubles_of_one_pair_are_merged_into_the_lowest_id_that_goes_in() -> None:
    world = World(older(REFERENCE))
    world.put("users", **PROVIDER)
    world.put("professions", id="7", name="Plomero")
    doubles = [
        provider_profession(world, id=key, experience_years=years) for key, years in (("10", "9"), ("9", "71"), ("11", "3"))
    ]
    assert [world.fate(row) for row in doubles[1:]] == [refused(("23514", "experience_years")), Merged("10")]
    carried = world.fate(doubles[0])
    assert isinstance(carried, Carried)
    assert carried.values == {
        "id": "10",
        "proveedor_id": uuid("a", 1),
        "profesion_id": "7",
        "especialidad": None,
        "anos_experiencia": "9",
        "certificaciones": "[]",
        "es_principal": "false",
        "estado_verificacion": "pendiente",
        "creado_at": None,
    }


def test_children_of_a_parent_that_is_not_carried_stay_with_it() -> None:
    world = World()
    world.put("users", **{**PROVIDER, "status": "banned"})
    world.put("professions", id="7", name="x" * 101)
    assert world.fate(provider_profession(world)) == refused(("23503", "provider_id"), ("23503", "profession_id"))
    healed = World()
    healed.put("users", **PROVIDER)
    healed.put("professions", id="7", name="Plomero")
    said = healed.fate(provider_profession(healed))
    assert isinstance(said, Carried)
    assert "id" not in said.values  # this installation has none


def test_a_service_without_a_provider_is_carried_and_one_of_a_client_is_not() -> None:
    world = World()
    world.put("users", **{**CLIENT, "id": uuid("a", 2), "phone_number": "1"})
    alone = world.put("provider_services", id=uuid("b", 1), title="t", price="10.555", price_type="hourly")
    said = world.fate(alone)
    assert isinstance(said, Carried)
    assert (said.values["precio"], said.values["tipo_precio"], said.values["proveedor_id"]) == ("10.56", "hora", None)
    of_a_client = world.put("provider_services", id=uuid("b", 2), title="t", provider_id=uuid("a", 2))
    assert world.fate(of_a_client) == refused(("23503", "provider_id"))


def test_a_request_finds_its_client_in_the_spanish_table_by_its_spanish_phone() -> None:
    world = World(older(REFERENCE))
    world.put("clientes", id=uuid("c", 1), telefono=PHONE)
    row = world.put(
        "service_requests", id=uuid("b", 1), phone=PHONE, intent="service_request", resolved_at="2024-06-01T10:00:00Z"
    )
    said = world.fate(row)
    assert isinstance(said, Carried)
    assert [said.values[name] for name in ("cliente_id", "tipo_solicitud", "estado", "resuelto_at", "solicitado_at")] == [
        uuid("c", 1), "servicio", "resuelta", "2024-06-01 10:00:00", None,
    ]  # fmt: skip
    said = world.fate(world.put("service_requests", id=uuid("b", 2), phone="1", resolved_at=""))
    assert isinstance(said, Carried)
    assert [said.values[name] for name in ("cliente_id", "estado", "resuelto_at")] == [None, "pendiente", None]
    unread = world.put("service_requests", id=uuid("b", 3), phone="1", requested_at="2024-02-30")
    assert world.fate(unread) == refused(("22007", "requested_at"))


@pytest.mark.parametrize(
    ("user", "metadata", "telefono"),
    [
        (uuid("a", 1), '{"phone": "1"}', PHONE),
        (None, '{"phone": "1", "from_number": "2"}', "1"),
        (None, '{"phone": null, "from_number": "2"}', "2"),
        (uuid("a", 9), '{"from_number": 593}', "593"),
        (None, '{"phone": ""}', ""),
        (None, None, ("23502", "user_id")),
        (None, '["phone"]', ("23502", "user_id")),
        (None, '{"phone": "' + "x" * 21 + '"}', ("22001", "users.phone_number")),
        (uuid("a", 2), None, ("22001", "users.phone_number")),
    ],
)
def test_a_message_has_its_senders_phone_or_the_one_in_its_metadata(
    user: str | None, metadata: str | None, telefono: object
) -> None:
    world = World()
    world.put("users", **{**PROVIDER, "user_type": "admin"})  # refused itself: only its phone is needed
    world.put("users", **{**PROVIDER, "id": uuid("a", 2), "phone_number": "x" * 21})
    said = world.fate(world.put("messages", id=uuid("b", 1), user_id=user, metadata=metadata))
    if isinstance(telefono, tuple):
        assert said == refused(telefono)
        return
    assert isinstance(said, Carried)
    assert said.values == {
        "id": uuid("b", 1),
        "conversacion_id": None,
        "telefono": telefono,
        "tipo_mensaje": "texto",
        "contenido": "",
        "url_media": None,
        "tipo_media": None,
        "respuesta_ia": None,
        "estado_procesamiento": "completado",
        "metadata": metadata or "{}",
        "creado_at": None,
    }


@pytest.mark.parametrize(
    ("column", "value", "spanish", "stored"),
    [
        ("status", "processing", "estado", "en_progreso"),
        ("status", "failed", "estado", "fallida"),
        ("status", None, "estado", None),
        ("status", "error", "estado", ("23514", "status")),
        ("task_type", "feedback", "tipo_tarea", "feedback"),
        ("task_type", "follow_up", "tipo_tarea", "seguimiento"),
        ("priority", None, "prioridad", "0"),
        ("priority", "11", "prioridad", ("23514", "priority")),
        ("retry_count", "-1", "intentos", ("23514", "retry_count")),
        ("max_retries", None, "max_intentos", "3"),
        ("max_retries", "0", "max_intentos", ("23514", "max_retries")),
        ("payload", "null", "payload", "null"),
    ],
)
def test_a_task_has_its_words_its_defaults_and_its_bounds(column: str, value: str | None, spanish: str, stored: object) -> None:
    world = World()
    task = {"id": uuid("b", 1), "task_type": "reminder", "payload": "{}", "scheduled_at": MOMENT}
    said = world.fate(world.put("task_queue", **{**task, column: value}))
    if isinstance(stored, tuple):
        assert said == refused(stored)
    else:
        assert isinstance(said, Carried)
        assert said.values[spanish] == stored


def test_of_rows_of_one_key_the_tables_own_is_the_row() -> None:
    relations = tuple(replace(r, heirs=r.name in ("customers", "users")) for r in REFERENCE.relations)
    world = World(replace(REFERENCE, relations=relations))
    heir = world.put("customers", place=1, **{**CUSTOMER, "phone_number": "1"})
    own = world.put("customers", **CUSTOMER)
    assert isinstance(world.fate(own), Carried)
    assert world.fate(heir) == refused(("23505", "id"))
    assert world.fate(world.put("users", **{**CLIENT, "phone_number": "1"})).__class__ is Carried
    world.put("users", place=1, **{**PROVIDER, "id": uuid("a", 5), "phone_number": "old"})
    world.put("users", **{**PROVIDER, "id": uuid("a", 5), "phone_number": "new"})
    message = world.fate(world.put("messages", id=uuid("b", 1), user_id=uuid("a", 5)))
    assert isinstance(message, Carried)
    assert message.values["telefono"] == "new"


def test_a_plain_key_asks_for_no_rivals() -> None:
    world = World()
    world.fate(world.put("task_queue", id=uuid("b", 1), task_type="reminder", payload="{}", scheduled_at=MOMENT))
    assert world.asked == []


def test_a_column_that_is_not_there_is_left_out_where_it_may_be_and_drift_where_not() -> None:
    def without(name: str) -> Catalogue:
        relations = (replace(r, columns=tuple(c for c in r.columns if c.name != name)) for r in REFERENCE.relations)
        return replace(REFERENCE, relations=tuple(relations))

    world = World(without("has_consent"))
    said = world.fate(world.put("customers", **CUSTOMER))
    assert isinstance(said, Carried)
    assert "tiene_consentimiento" not in said.values
    with pytest.raises(MigrationError, match="customers no tiene full_name"):
        bind(MAPPING, without("full_name"))


def test_a_clave_escapes_what_joins_it() -> None:
    assert clave_of(("a|b", "c\\d", None)) == "a\\|b|c\\\\d|"
