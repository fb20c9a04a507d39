"""What a server's error means for the operator: SQLSTATE to a Spanish sentence and the next move. Pure."""

from __future__ import annotations

import re

from ..errors import COMMITTED_STAYS, READ_ONLY_STEP, UNSETTLED, MigrationError

AGAIN = "Repita la orden."
GOES_ON = "Repita: la misma orden continúa donde quedó."
APPROVE = "Repita fase0.yml con el mismo -i."
REPORT = "Envíe esta línea y el registro de la ejecución a quien mantiene el runbook."

# What it means, and the next move.
SENTENCES = {
    "22021": (
        "una clave tiene bytes que no son letras de la codificación de la base, y ninguna sentencia puede nombrarla",
        "Corrija esa clave y repita la orden.",
    ),
    "22P05": (
        "la codificación de la base no tiene alguna letra de lo que se le envió",
        "Ejecute fase0.yml --check con el mismo -i, que lo explica.",
    ),
    "25006": (
        "la base está en solo lectura",
        "En Supabase ocurre cuando el disco pasa del 95 %: libere espacio o amplíelo y repita.",
    ),
    "25P03": (
        "la sesión pasó demasiado tiempo parada en medio de una transacción (esta máquina no respondía) y el servidor la cerró",
        GOES_ON,
    ),
    "40001": ("otra transacción cambió las mismas filas", AGAIN),
    "40P01": ("bloqueo mutuo con otra sesión", AGAIN),
    "42501": ("al rol le falta un permiso", "Pídalo al dueño del objeto y repita la orden."),
    "42704": ("falta un objeto que debía existir", APPROVE),
    "42703": ("falta una columna que debía existir: la base cambió desde que se aprobó el SQL", APPROVE),
    "42P01": ("falta una tabla que debía existir: la base cambió desde que se aprobó el SQL", APPROVE),
    "42P07": ("ya existe un objeto con ese nombre", "Mire de quién es, renómbrelo y repita la orden."),
    "53100": ("el servidor se quedó sin disco", "Haga sitio y repita: la misma orden continúa cuando lo haya."),
    "53200": ("el servidor se quedó sin memoria", "Repita la orden cuando la tenga."),
    "53300": ("el servidor no tiene conexiones libres", "Cierre alguna y repita la orden."),
    "55P03": ("otra sesión tiene bloqueada la tabla", AGAIN),
    "57014": ("el servidor canceló la sentencia", GOES_ON),
    "57P01": ("alguien terminó la sesión en el servidor", GOES_ON),
    "57P02": ("el servidor se reinició", GOES_ON),
    "57P03": ("el servidor se está iniciando", "Repita la orden dentro de un momento."),
}
CLASSES = {
    "08": ("se perdió la conexión con el servidor", GOES_ON),
    "22": ("un valor no cabe en su tipo", REPORT),
    "23": ("una fila no cumple una restricción", "Corrija esa fila y repita la orden."),
    "42": ("el servidor no acepta la sentencia", REPORT),
    "53": ("al servidor le faltan recursos", "Repita la orden cuando los tenga."),
    "54": ("se superó un límite del servidor", REPORT),
    "57": ("el servidor interrumpió la sesión", GOES_ON),
}
UNKNOWN = ("el servidor devolvió un error", REPORT)
# A page of a table or an index that is none any more: not one of its rows can be told from another.
_DAMAGED_PAGE = re.compile(r'invalid page in block \d+ of relation "(?:base|pg_tblspc/(\d+)/[^/"]+)/\d+/(\d+)')
LOST = ("25P03", "57P01", "57P02", "57P03", "08")


def explain(sqlstate: str | None, primary: str, objects: str = "", step: str = "", *, left: str) -> MigrationError:
    """The step, what it means, the object, the server's own words; then what was ``left`` and the next move."""
    state = sqlstate or "08006"
    sentence, move = _damaged_page(primary) or SENTENCES.get(state) or CLASSES.get(state[:2]) or UNKNOWN
    parts = [f"{step}: " if step else "", sentence, f" ({objects})" if objects else "", f". SQLSTATE {state}"]
    said = " ".join(primary.split())
    if said:
        parts.append(f"; el servidor dijo: {said}")
    code = "lost" if state.startswith(LOST) else "sql"
    if code == "lost" and left not in (READ_ONLY_STEP, COMMITTED_STAYS):
        left = UNSETTLED
    return MigrationError("".join(parts), left=left, move=move, code=code, details={"sqlstate": state})


def _damaged_page(primary: str) -> tuple[str, str] | None:
    found = _DAMAGED_PAGE.search(primary)
    if found is None:
        return None
    return (
        "una página está dañada en el disco, y sus filas no se pueden leer ni contar",
        f"De qué tabla o índice es lo dice: SELECT pg_filenode_relation({found[1] or 0}, {found[2]}); Un índice se rehace con "
        "REINDEX INDEX y su nombre; una tabla se restaura de una copia (pídalo a soporte). Después, repita la orden.",
    )
