"""The statements that services run, each with the rows and phones that it touches, and what it means in legacy.

The legacy meaning of a Spanish statement is written by hand; where legacy may rightly end in several ways, each is given.
"""

from __future__ import annotations

from dataclasses import dataclass

from .cast import named


@dataclass(frozen=True)
class Step:
    """One statement. ``touches``: names of rows, and phones; ``means``: the legacy statements it amounts to, one of them."""

    name: str
    sql: str
    touches: frozenset[str]
    means: tuple[str, ...]

    @property
    def spanish(self) -> bool:
        """Whether a service of the Spanish side runs it."""
        return self.means != (self.sql,)


def _legacy(name: str, touches: str, sql: str) -> Step:
    return Step(name, sql, frozenset(touches.split()), (sql,))


def _spanish(name: str, touches: str, sql: str, *means: str) -> Step:
    return Step(name, sql, frozenset(touches.split()), means)


# A client who lives in users alone: no customer has his phone or his key.
_ALONE = (
    "user_type = 'client' AND NOT EXISTS (SELECT FROM customers c WHERE c.phone_number = users.phone_number OR c.id = users.id)"
)
_MERGED = "id IN (SELECT u.id FROM users u JOIN customers c ON c.phone_number = u.phone_number WHERE u.user_type = 'client' AND"
_FITS = "length(phone_number) <= 20"  # else another row is entitled to the phone, and the Spanish one is gone
_HIS = "EXISTS (SELECT FROM users u WHERE u.id = provider_id AND u.user_type = 'provider')"  # else its Spanish row is gone
_PROVIDER = "user_type = 'provider'"


def _moved(name: str) -> tuple[str, ...]:
    """A client's new phone is his in both tables; where legacy has it already it is refused."""
    users = f"WITH u AS (UPDATE users SET phone_number = '402' WHERE {_MERGED} c.id = '{{{name}}}'))"
    both = f"{users} UPDATE customers SET phone_number = '402' WHERE id = '{{{name}}}'"
    return (f"{both} AND {_FITS}", both, "SELECT 1")


_CUSTOMERS = [
    _legacy("K1 city", "K1", "UPDATE customers SET city = 'Loja' WHERE id = '{K1}'"),
    _legacy("K1 name", "K1", "UPDATE customers SET full_name = NULL WHERE id = '{K1}'"),
    _legacy("K1 takes 201", "K1 101 201 C1 R1 R2", "UPDATE customers SET phone_number = '201' WHERE id = '{K1}'"),
    _legacy("K1 takes 401", "K1 101 401 R1", "UPDATE customers SET phone_number = '401' WHERE id = '{K1}'"),
    _legacy("K2 takes 401", "K2 102 401 C2", "UPDATE customers SET phone_number = '401' WHERE id = '{K2}'"),
    _legacy("K2 phone too long", "K2 102 C2", f"UPDATE customers SET phone_number = '{'9' * 30}' WHERE id = '{{K2}}'"),
    _legacy("K2 gone", "K2 102 C2", "DELETE FROM customers WHERE id = '{K2}'"),
    _legacy("K1 gone", "K1 101 R1", "DELETE FROM customers WHERE id = '{K1}'"),
    _legacy("k4 with 201", "k4 201 C1 R2", "INSERT INTO customers (id, phone_number, full_name) VALUES ('{k4}', '201', 'Nuevo')"),
    _legacy("k4 with 401", "k4 401", "INSERT INTO customers (id, phone_number, full_name) VALUES ('{k4}', '401', 'Nuevo')"),
    _legacy("k5 with 999", "k5 999 R3", "INSERT INTO customers (id, phone_number, full_name) VALUES ('{k5}', '999', 'Nuevo')"),
    _spanish(
        "K1 ciudad",
        "K1",
        "UPDATE clientes SET ciudad = 'Cuenca' WHERE id = '{K1}'",
        "UPDATE customers SET city = 'Cuenca' WHERE id = '{K1}'",
    ),
    _spanish(
        "K2 nombre",
        "K2 C2",
        "UPDATE clientes SET nombre_completo = 'Otro' WHERE id = '{K2}'",
        f"UPDATE customers SET full_name = 'Otro' WHERE id = '{{K2}}' AND {_FITS}",
        "UPDATE customers SET full_name = 'Otro' WHERE id = '{K2}'",  # nobody else has the phone: it is retained
    ),
    _spanish("K1 toma 402", "K1 101 402 R1", "UPDATE clientes SET telefono = '402' WHERE id = '{K1}'", *_moved("K1")),
    _spanish("K2 toma 402", "K2 102 402 C2", "UPDATE clientes SET telefono = '402' WHERE id = '{K2}'", *_moved("K2")),
    _spanish(
        "K2 fuera",
        "K2 102 C2",
        "DELETE FROM clientes WHERE id = '{K2}'",
        f"WITH u AS (DELETE FROM users WHERE {_MERGED} c.id = '{{K2}}')) DELETE FROM customers WHERE id = '{{K2}}' AND {_FITS}",
        f"DELETE FROM customers WHERE id = '{{K2}}' AND NOT {_FITS}",  # retained
    ),
    _spanish("K3 fuera", "K3 103", "DELETE FROM clientes WHERE id = '{K3}'", "DELETE FROM customers WHERE id = '{K3}'"),
    _spanish(
        "k5 con 401",
        "k5 401",
        "INSERT INTO clientes (id, telefono, nombre_completo) VALUES ('{k5}', '401', 'Nueva')",
        "INSERT INTO customers (id, phone_number, full_name, notes) VALUES ('{k5}', '401', 'Nueva', '{{}}')",
    ),
]
_USERS = [
    _legacy("C1 city", "C1", "UPDATE users SET city = 'Loja' WHERE id = '{C1}'"),
    _legacy("C1 weird", "C1", "UPDATE users SET status = 'raro' WHERE id = '{C1}'"),
    _legacy("C3 healed", "C3", "UPDATE users SET status = 'active' WHERE id = '{C3}'"),
    _legacy("C1 takes 401", "C1 201 401 M4 S2 R2", "UPDATE users SET phone_number = '401' WHERE id = '{C1}'"),
    _legacy("C1 takes 101", "C1 201 101 K1", "UPDATE users SET phone_number = '101' WHERE id = '{C1}'"),
    _legacy("C2 takes 401", "C2 K2 102 401 M2", "UPDATE users SET phone_number = '401' WHERE id = '{C2}'"),
    _legacy("C1 provider", "C1 201 V3 R2", "UPDATE users SET user_type = 'provider' WHERE id = '{C1}'"),
    _legacy("C2 provider", "C2 K2 102", "UPDATE users SET user_type = 'provider' WHERE id = '{C2}'"),
    _legacy("C1 gone", "C1 201 M4 S2 V3 R2", "DELETE FROM users WHERE id = '{C1}'"),
    _legacy("C2 gone", "C2 K2 102 M2", "DELETE FROM users WHERE id = '{C2}'"),
    _legacy("c4 with 401", "c4 401", "INSERT INTO users (id, phone_number, name) VALUES ('{c4}', '401', 'Cuatro')"),
    _legacy("P1 city", "P1", "UPDATE users SET city = 'Loja' WHERE id = '{P1}'"),
    _legacy("P1 weird", "P1", "UPDATE users SET status = 'raro' WHERE id = '{P1}'"),
    _legacy("P3 healed", "P3 V2", "UPDATE users SET status = 'active' WHERE id = '{P3}'"),
    _legacy("P1 takes 401", "P1 301 401 M1 S1", "UPDATE users SET phone_number = '401' WHERE id = '{P1}'"),
    _legacy("P1 client", "P1 301 V1", "UPDATE users SET user_type = 'client' WHERE id = '{P1}'"),
    _legacy("P1 admin", "P1 301 V1", "UPDATE users SET user_type = 'admin' WHERE id = '{P1}'"),
    _legacy("P1 gone", "P1 301 M1 S1 V1", "DELETE FROM users WHERE id = '{P1}'"),
    _legacy(
        "p4 with 401",
        "p4 401",
        "INSERT INTO users (id, phone_number, name, user_type) VALUES ('{p4}', '401', 'Cuatro', 'provider')",
    ),
    _spanish(
        "C1 ciudad",
        "C1",
        "UPDATE clientes SET ciudad = 'Cuenca' WHERE id = '{C1}'",
        f"UPDATE users SET city = 'Cuenca' WHERE id = '{{C1}}' AND {_ALONE}",
    ),
    _spanish(
        "C1 suspendido",
        "C1",
        "UPDATE clientes SET estado = 'suspendido' WHERE id = '{C1}'",
        f"UPDATE users SET status = 'suspended' WHERE id = '{{C1}}' AND {_ALONE}",
    ),
    _spanish(
        "C1 toma 402",
        "C1 201 402 M4 S2 R2",
        "UPDATE clientes SET telefono = '402' WHERE id = '{C1}'",
        f"UPDATE users SET phone_number = '402' WHERE id = '{{C1}}' AND {_ALONE}",
        "SELECT 1",
    ),
    _spanish(
        "C1 fuera",
        "C1 201 M4 S2 V3 R2",
        "DELETE FROM clientes WHERE id = '{C1}'",
        f"DELETE FROM users WHERE id = '{{C1}}' AND {_ALONE}",
    ),
    _spanish(
        "P1 ciudad",
        "P1",
        "UPDATE proveedores SET ciudad = 'Cuenca' WHERE id = '{P1}'",
        f"UPDATE users SET city = 'Cuenca' WHERE id = '{{P1}}' AND {_PROVIDER}",
    ),
    _spanish(
        "P3 ciudad",
        "P3",
        "UPDATE proveedores SET ciudad = 'Cuenca' WHERE id = '{P3}'",
        f"UPDATE users SET city = 'Cuenca' WHERE id = '{{P3}}' AND {_PROVIDER}",
    ),
    _spanish(
        "P1 toma 402",
        "P1 301 402 M1 S1",
        "UPDATE proveedores SET telefono = '402' WHERE id = '{P1}'",
        f"UPDATE users SET phone_number = '402' WHERE id = '{{P1}}' AND {_PROVIDER}",
        "SELECT 1",
    ),
    _spanish(
        "P1 toma 302",
        "P1 P2 301 302 M1 S1",
        "UPDATE proveedores SET telefono = '302' WHERE id = '{P1}'",
        f"UPDATE users SET phone_number = '302' WHERE id = '{{P1}}' AND {_PROVIDER}",
        "SELECT 1",
    ),
    _spanish(
        "P1 fuera",
        "P1 301 M1 S1 V1",
        "DELETE FROM proveedores WHERE id = '{P1}'",
        f"DELETE FROM users WHERE id = '{{P1}}' AND {_PROVIDER}",
    ),
    _spanish(
        "p5 con 402",
        "p5 402",
        "INSERT INTO proveedores (id, telefono, nombre) VALUES ('{p5}', '402', 'Cinco')",
        "INSERT INTO users (id, phone_number, name, user_type, country) VALUES ('{p5}', '402', 'Cinco', 'provider', 'ECUADOR')",
        "SELECT 1",
    ),
]
_WORK = [
    _legacy("oficio 1 name", "oficio1", "UPDATE professions SET name = 'gasfitero' WHERE id = 1"),
    _legacy("oficio 1 name too long", "oficio1", f"UPDATE professions SET name = '{'x' * 200}' WHERE id = 1"),
    _legacy("oficio 1 gone", "oficio1 P1 P2", "DELETE FROM professions WHERE id = 1"),
    _legacy("oficio 3", "oficio3", "INSERT INTO professions (id, name) VALUES (3, 'albañil')"),
    _spanish(
        "oficio 1 nombre",
        "oficio1",
        "UPDATE profesiones SET nombre = 'fontanero' WHERE id = 1",
        "UPDATE professions SET name = 'fontanero' WHERE id = 1",
    ),
    _spanish("oficio 2 fuera", "oficio2 P1", "DELETE FROM profesiones WHERE id = 2", "DELETE FROM professions WHERE id = 2"),
    _legacy(
        "P1 oficio 1 years",
        "P1 oficio1",
        "UPDATE provider_professions SET experience_years = 7 WHERE provider_id = '{P1}' AND profession_id = 1",
    ),
    _legacy(
        "P1 oficio 1 refused",
        "P1 oficio1",
        "UPDATE provider_professions SET experience_years = 99 WHERE provider_id = '{P1}' AND profession_id = 1",
    ),
    _legacy("P2 oficio 2", "P2 oficio2", "INSERT INTO provider_professions (provider_id, profession_id) VALUES ('{P2}', 2)"),
    _legacy(
        "P1 oficio 2 gone", "P1 oficio2", "DELETE FROM provider_professions WHERE provider_id = '{P1}' AND profession_id = 2"
    ),
    _legacy("P3 oficio 2", "P3 oficio2", "INSERT INTO provider_professions (provider_id, profession_id) VALUES ('{P3}', 2)"),
    _legacy(
        "oficio 1 of P1 to P2",
        "P1 P2 oficio2",
        "UPDATE provider_professions SET provider_id = '{P2}' WHERE provider_id = '{P1}' AND profession_id = 2",
    ),
    _spanish(
        "P1 oficio 1 especialidad",
        "P1 oficio1",
        "UPDATE proveedor_profesiones SET especialidad = 'e' WHERE proveedor_id = '{P1}' AND profesion_id = 1",
        f"UPDATE provider_professions SET specialty = 'e' WHERE provider_id = '{{P1}}' AND profession_id = 1 AND {_HIS}",
    ),
    _spanish(
        "P1 oficio 2 fuera",
        "P1 oficio2",
        "DELETE FROM proveedor_profesiones WHERE proveedor_id = '{P1}' AND profesion_id = 2",
        f"DELETE FROM provider_professions WHERE provider_id = '{{P1}}' AND profession_id = 2 AND {_HIS}",
    ),
    _legacy("V1 title", "V1", "UPDATE provider_services SET title = 'otro' WHERE id = '{V1}'"),
    _legacy("V1 to P2", "V1 P1 P2", "UPDATE provider_services SET provider_id = '{P2}' WHERE id = '{V1}'"),
    _legacy("V1 to C1", "V1 P1 C1", "UPDATE provider_services SET provider_id = '{C1}' WHERE id = '{V1}'"),
    _legacy("V1 gone", "V1 P1", "DELETE FROM provider_services WHERE id = '{V1}'"),
    _legacy("v4 of C1", "v4 C1", "INSERT INTO provider_services (id, provider_id, title) VALUES ('{v4}', '{C1}', 'cuatro')"),
    _spanish(
        "V1 precio",
        "V1",
        "UPDATE servicios_proveedor SET precio = 3 WHERE id = '{V1}'",
        f"UPDATE provider_services SET price = 3.00 WHERE id = '{{V1}}' AND {_HIS}",
        f"UPDATE provider_services SET price = 3.00 WHERE id = '{{V1}}' AND ({_HIS} OR provider_id = '{{C1}}')",  # retained
    ),
    _spanish(
        "V1 fuera",
        "V1 P1",
        "DELETE FROM servicios_proveedor WHERE id = '{V1}'",
        f"DELETE FROM provider_services WHERE id = '{{V1}}' AND {_HIS}",
        f"DELETE FROM provider_services WHERE id = '{{V1}}' AND ({_HIS} OR provider_id = '{{C1}}')",  # retained
    ),
    _spanish(
        "v4 de P1",
        "v4 P1",
        "INSERT INTO servicios_proveedor (id, proveedor_id, titulo) VALUES ('{v4}', '{P1}', 'cuatro')",
        "INSERT INTO provider_services (id, provider_id, title) VALUES ('{v4}', '{P1}', 'cuatro')",
        "SELECT 1",
    ),
]
_TALK = [
    _legacy("R1 profession", "R1 101", "UPDATE service_requests SET profession = 'pintor' WHERE id = '{R1}'"),
    _legacy("R1 of 201", "R1 101 201 C1 K1", "UPDATE service_requests SET <<phone>> = '201' WHERE id = '{R1}'"),
    _legacy(
        "r4 of 401", "r4 401", "INSERT INTO service_requests (id, <<phone>>, intent) VALUES ('{r4}', '401', 'service_request')"
    ),
    _legacy("R2 gone", "R2", "DELETE FROM service_requests WHERE id = '{R2}'"),
    _spanish(
        "R1 ciudad",
        "R1",
        "UPDATE solicitudes_servicio SET ciudad = 'Cuenca' WHERE id = '{R1}'",
        "UPDATE service_requests SET location_city = 'Cuenca' WHERE id = '{R1}'",
    ),
    _spanish(
        "R2 fuera", "R2", "DELETE FROM solicitudes_servicio WHERE id = '{R2}'", "DELETE FROM service_requests WHERE id = '{R2}'"
    ),
    _legacy("M1 content", "M1", "UPDATE messages SET content = 'nuevo' WHERE id = '{M1}'"),
    _legacy("M1 to P2", "M1 P1 P2", "UPDATE messages SET user_id = '{P2}' WHERE id = '{M1}'"),
    _legacy("M1 to C1", "M1 P1 C1", "UPDATE messages SET user_id = '{C1}' WHERE id = '{M1}'"),
    _legacy("M4 gone", "M4 C1", "DELETE FROM messages WHERE id = '{M4}'"),
    _legacy("m5 of P1", "m5 P1", "INSERT INTO messages (id, user_id, content) VALUES ('{m5}', '{P1}', 'cinco')"),
    _spanish(
        "M1 contenido",
        "M1",
        "UPDATE mensajes SET contenido = 'otro' WHERE id = '{M1}'",
        "UPDATE messages SET content = 'otro' WHERE id = '{M1}'",
    ),
    _spanish(
        "M2 respuesta",
        "M2 C2",
        "UPDATE mensajes SET respuesta_ia = 'sí' WHERE id = '{M2}'",
        "UPDATE messages SET ai_response = 'sí' WHERE id = '{M2}'",
    ),
    _spanish(
        "m6 de 301",
        "m6 301 P1",
        "INSERT INTO mensajes (id, telefono, tipo_mensaje, contenido) VALUES ('{m6}', '301', 'texto', 'seis')",
        "INSERT INTO messages (id, user_id, content, metadata, processing_status) SELECT '{m6}', u.id, 'seis',"
        " CASE WHEN u.id IS NULL THEN '{{\"phone\": \"301\"}}' ELSE '{{}}' END::jsonb, 'pending'"
        " FROM (SELECT) x LEFT JOIN users u ON u.phone_number = '301'",
    ),
    _spanish("M4 fuera", "M4 C1", "DELETE FROM mensajes WHERE id = '{M4}'", "DELETE FROM messages WHERE id = '{M4}'"),
    _legacy("S1 status", "S1", "UPDATE sessions SET status = 'expired' WHERE id = '{S1}'"),
    _legacy("S1 to P2", "S1 P1 P2", "UPDATE sessions SET user_id = '{P2}' WHERE id = '{S1}'"),
    _legacy("s3 of C1", "s3 C1", "INSERT INTO sessions (id, user_id, session_id) VALUES ('{s3}', '{C1}', 'tres')"),
    _spanish(
        "S1 estado",
        "S1",
        "UPDATE sesiones SET estado = 'inactiva' WHERE id = '{S1}'",
        "UPDATE sessions SET status = 'inactive' WHERE id = '{S1}'",
    ),
    _spanish("S2 fuera", "S2 C1", "DELETE FROM sesiones WHERE id = '{S2}'", "DELETE FROM sessions WHERE id = '{S2}'"),
    _legacy("T1 done", "T1", "UPDATE task_queue SET status = 'completed' WHERE id = '{T1}'"),
    _legacy("T1 gone", "T1", "DELETE FROM task_queue WHERE id = '{T1}'"),
    _spanish(
        "T1 prioridad",
        "T1",
        "UPDATE tareas_programadas SET prioridad = 3 WHERE id = '{T1}'",
        "UPDATE task_queue SET priority = 3 WHERE id = '{T1}'",
    ),
    _spanish("T1 fuera", "T1", "DELETE FROM tareas_programadas WHERE id = '{T1}'", "DELETE FROM task_queue WHERE id = '{T1}'"),
]
STEPS = [*_CUSTOMERS, *_USERS, *_WORK, *_TALK]


def steps_of(installation: str) -> list[Step]:
    """Return them all as one installation has them."""

    def put(text: str) -> str:
        return named(text, installation)

    return [Step(s.name, put(s.sql), s.touches, tuple(map(put, s.means))) for s in STEPS]
