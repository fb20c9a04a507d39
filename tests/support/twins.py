"""The Spanish tables beside their legacy twins, by hand, and who may do what on either."""

from __future__ import annotations

from .databases import Database

TWINS = {
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
# Pairs of carried columns, the legacy names first.
CARRIED = {
    "profesiones": (
        "id name specialty category is_active created_at updated_at",
        "id nombre especialidad categoria esta_activo creado_at actualizado_at",
    ),
    "clientes": (
        "id phone_number full_name city city_confirmed_at notes created_at updated_at",
        "id telefono nombre_completo ciudad ciudad_confirmada_at notas creado_at actualizado_at",
    ),
}
ROLES = ("anon", "authenticated", "service_role", "authenticator", "tinkubot_reportes", "nadie")


def privileges(database: Database) -> list[str]:
    """Every privilege that this server has on a table."""
    known = ["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"]
    return [*known, "MAINTAIN"] if database.value("SHOW server_version_num") >= "170000" else known


def allowed(database: Database, table: str) -> set[tuple[str, str]]:
    """Every (role, privilege, with or without grant option) on the table as a whole."""
    wanted = [privilege + option for privilege in privileges(database) for option in ("", " WITH GRANT OPTION")]
    asked = (
        "SELECT r, p FROM unnest(%s) r JOIN pg_roles ON rolname = r CROSS JOIN unnest(%s) p WHERE has_table_privilege(r, %s, p)"
    )
    return set(database.query(asked, (list(ROLES), wanted, table)))


def allowed_columns(database: Database, table: str, columns: list[str]) -> set[tuple[str, int, str]]:
    """Every (role, position in ``columns``, privilege) on one column."""
    asked = (
        "SELECT r, n, p FROM unnest(%s) r JOIN pg_roles ON rolname = r CROSS JOIN unnest(%s) WITH ORDINALITY c(name, n)"
        " CROSS JOIN unnest(%s) p WHERE has_column_privilege(r, %s, name, p)"
    )
    wanted = ["SELECT", "INSERT", "UPDATE", "REFERENCES"]
    return set(database.query(asked, (list(ROLES), columns, wanted, table)))
