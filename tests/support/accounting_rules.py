"""What becomes what, as the target schema says it: for each Spanish column an expression over the legacy row ``l``.

Nothing here comes from the runbook: no import, no mapping file. Casts that INSERT makes by itself are left to INSERT.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

NOBODY = "Cliente TinkuBot"  # The services' own name of a customer who gave none
PHONE_OF_USER = "(SELECT u.phone_number FROM public.users u WHERE u.id = l.user_id)"


@dataclass(frozen=True)
class Rule:
    """How the rows of ``source`` that ``where`` selects become rows of ``target``; ``key``: the legacy primary key.

    ``clave``: the key as the bookkeeping writes it. ``merge``: a query of (clave, clave_destino) of rows that go into
    another row, asked when the rows of earlier rules are in. ``repeats``: several rows may be one pair.
    """

    part: str
    source: str
    target: str
    values: Mapping[str, str]
    where: str = "true"
    key: str = "id"
    merge: str = ""
    repeats: str = ""

    @property
    def clave(self) -> str:
        """The key as text. Only uuids and integers occur, so nothing has to be escaped."""
        return " || '|' || ".join(f"l.{name}::text" for name in self.key.split(", "))


def words(column: str, **spanish: str) -> str:
    """Return the translation of known words; any other is left as it is, for the CHECK to judge."""
    cases = " ".join(f"WHEN '{english}' THEN '{word}'" for english, word in spanish.items())
    return f"CASE l.{column} {cases} ELSE l.{column} END"


def moment(column: str) -> str:
    """Return a date that may be text."""
    return f"pg_temp.momento(l.{column}::text)"


def utc(column: str) -> str:
    """Return a timestamptz as UTC."""
    return f"l.{column} AT TIME ZONE 'UTC'"


def json(column: str) -> str:
    """Return JSON, of whatever type the legacy column is."""
    return f"l.{column}::text::jsonb"


def some(expression: str, default: str) -> str:
    """Return what is there, or else the plan's default."""
    return f"coalesce({expression}, {default})"


Columns = Mapping[str, frozenset[str]]  # of each legacy table


def rules(columns: Columns) -> tuple[Rule, ...]:
    """Return all rules in an order in which parents and winners come first."""
    return (
        _professions(),
        _customers(columns),
        _users_proveedores(columns),
        _users_clientes(columns),
        _provider_professions(columns),
        _provider_services(),
        _service_requests(columns),
        _messages(),
        _sessions(),
        _task_queue(),
    )


def _consent(columns: Columns, table: str) -> dict[str, str]:
    return {"tiene_consentimiento": "l.has_consent"} if "has_consent" in columns[table] else {}


def _professions() -> Rule:
    return Rule(
        "2.1",
        "professions",
        "profesiones",
        {
            "id": "l.id",
            "nombre": "l.name",
            "especialidad": "l.specialty",
            "categoria": "l.category",
            "esta_activo": "l.is_active",
            "creado_at": utc("created_at"),
            "actualizado_at": utc("updated_at"),
        },
    )


def _customers(columns: Columns) -> Rule:
    return Rule(
        "2.1",
        "customers",
        "clientes",
        {
            "id": "l.id",
            "telefono": "l.phone_number",
            "nombre_completo": some("l.full_name", f"'{NOBODY}'"),
            "ciudad": "l.city",
            "ciudad_confirmada_at": utc("city_confirmed_at"),
            "notas": "pg_temp.nota(l.notes::text)",
            **_consent(columns, "customers"),
            "creado_at": utc("created_at"),
            "actualizado_at": utc("updated_at"),
        },
    )


def _users_proveedores(columns: Columns) -> Rule:
    return Rule(
        "2.2",
        "users",
        "proveedores",
        {
            "id": "l.id",
            "telefono": "l.phone_number",
            "nombre": "l.name",
            "email": "l.email",
            "nombre_empresa": "l.business_name",
            "descripcion_empresa": "l.business_description",
            "direccion": "l.address",
            "ciudad": "l.city",
            "pais": "l.country",
            "latitud": "l.latitude",
            "longitud": "l.longitude",
            "estado": words(
                "status", active="activo", inactive="inactivo", suspended="suspendido", pending="verificacion_pendiente"
            ),
            **_consent(columns, "users"),
            "creado_at": utc("created_at"),
            "actualizado_at": utc("updated_at"),
        },
        where="l.user_type = 'provider'",
    )


def _users_clientes(columns: Columns) -> Rule:
    return Rule(
        "2.2",
        "users",
        "clientes",
        {
            "id": "l.id",
            "telefono": "l.phone_number",
            "nombre_completo": some("l.name", f"'{NOBODY}'"),
            "ciudad": "l.city",
            "estado": some(
                words("status", active="activo", inactive="inactivo", suspended="suspendido", pending="inactivo"), "'activo'"
            ),
            **_consent(columns, "users"),
            "creado_at": utc("created_at"),
            "actualizado_at": utc("updated_at"),
        },
        where="l.user_type = 'client'",
        merge="SELECT l.id::text, c.id::text FROM public.users l JOIN public.customers c ON c.phone_number = l.phone_number"
        " JOIN e_clientes e ON e.id = c.id WHERE l.user_type = 'client'",
    )


def _provider_professions(columns: Columns) -> Rule:
    serial = "id" in columns["provider_professions"]
    return Rule(
        "2.2",
        "provider_professions",
        "proveedor_profesiones",
        {
            **({"id": "l.id"} if serial else {}),
            "proveedor_id": "l.provider_id",
            "profesion_id": "l.profession_id",
            "especialidad": "l.specialty",
            "anos_experiencia": some("l.experience_years", "0"),
            "certificaciones": some(json("certifications"), "'[]'"),
            "es_principal": some("l.is_primary", "false"),
            "estado_verificacion": some(
                words("verification_status", pending="pendiente", verified="verificada", rejected="rechazada"), "'pendiente'"
            ),
            "creado_at": utc("created_at"),
        },
        key="id" if serial else "provider_id, profession_id",
        repeats="(e.proveedor_id, e.profesion_id) = (l.provider_id, l.profession_id)" if serial else "",
    )


def _provider_services() -> Rule:
    return Rule(
        "2.2",
        "provider_services",
        "servicios_proveedor",
        {
            "id": "l.id",
            "proveedor_id": "l.provider_id",
            "titulo": "l.title",
            "descripcion": "l.description",
            "categoria": "l.category",
            "precio": "l.price",
            "tipo_precio": words("price_type", fixed="fijo", range="rango", negotiable="a_convenir", hourly="hora"),
            "disponibilidad": json("availability"),
            "esta_activo": "l.is_active",
            "creado_at": utc("created_at"),
            "actualizado_at": utc("updated_at"),
        },
    )


def _service_requests(columns: Columns) -> Rule:
    phone = "phone" if "phone" in columns["service_requests"] else "phone_number"
    return Rule(
        "3",
        "service_requests",
        "solicitudes_servicio",
        {
            "id": "l.id",
            "cliente_id": f"(SELECT c.id FROM e_clientes c WHERE c.telefono = l.{phone}::varchar(20)"  # or a twin that stayed
            f" UNION SELECT c.id FROM public.clientes c WHERE c.telefono = l.{phone}::varchar(20) AND c.id NOT IN"
            " (SELECT id FROM e_clientes) AND c.id::text IN (SELECT clave FROM e_cuarentena))",
            "telefono": f"l.{phone}",
            "tipo_solicitud": words("intent", service_request="servicio"),
            "profesion_solicitada": "l.profession",
            "ciudad": "l.location_city",
            "latitud": "l.location_lat",
            "longitud": "l.location_lng",
            "proveedores_sugeridos": json("suggested_providers"),
            "estado": "CASE WHEN nullif(l.resolved_at::text, '') IS NULL THEN 'pendiente' ELSE 'resuelta' END",
            "solicitado_at": moment("requested_at"),
            "resuelto_at": moment("resolved_at"),
        },
    )


def _messages() -> Rule:
    return Rule(
        "3",
        "messages",
        "mensajes",
        {
            "id": "l.id",
            "conversacion_id": "l.conversation_id",
            "telefono": f"coalesce({PHONE_OF_USER}, {json('metadata')} ->> 'phone', {json('metadata')} ->> 'from_number')",
            "tipo_mensaje": some(
                words(
                    "message_type",
                    text="texto",
                    image="imagen",
                    document="documento",
                    location="ubicacion",
                    contact="contacto",
                ),
                "'texto'",
            ),
            "contenido": some("l.content", "''"),
            "url_media": "l.media_url",
            "tipo_media": "l.media_type",
            "respuesta_ia": "l.ai_response",
            "estado_procesamiento": some(
                words("processing_status", pending="pendiente", processing="procesando", completed="completado", failed="error"),
                "'completado'",
            ),
            "metadata": some(json("metadata"), "'{}'"),
            "creado_at": utc('"timestamp"'),
        },
    )


def _sessions() -> Rule:
    return Rule(
        "3",
        "sessions",
        "sesiones",
        {
            "id": "l.id",
            "telefono": PHONE_OF_USER,
            "id_sesion": "l.session_id",
            "estado": words("status", active="activa", inactive="inactiva", expired="expirada"),
            "codigo_qr": "l.qr_code",
            "datos_sesion": some(json("session_data"), "'{}'"),
            "expira_at": utc("expires_at"),
            "ultima_actividad": utc("last_activity"),
            "creado_at": utc("created_at"),
        },
    )


def _task_queue() -> Rule:
    return Rule(
        "3",
        "task_queue",
        "tareas_programadas",
        {
            "id": "l.id",
            "tipo_tarea": words(
                "task_type",
                send_whatsapp="enviar_whatsapp",
                reminder="recordatorio",
                follow_up="seguimiento",
                notification="notificacion",
            ),
            "payload": json("payload"),
            "estado": words(
                "status",
                pending="pendiente",
                processing="en_progreso",
                completed="completada",
                failed="fallida",
                cancelled="cancelada",
            ),
            "prioridad": some("l.priority", "0"),
            "programada_at": utc("scheduled_at"),
            "iniciada_at": utc("started_at"),
            "completada_at": utc("completed_at"),
            "mensaje_error": "l.error_message",
            "intentos": some("l.retry_count", "0"),
            "max_intentos": some("l.max_retries", "3"),
            "creado_at": utc("created_at"),
        },
    )
