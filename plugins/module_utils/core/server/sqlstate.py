"""What a server's error means for the operator: SQLSTATE to a Spanish sentence and the next move. Pure."""

from __future__ import annotations

from ..errors import MigrationError

SENTENCES = {
    "25006": "la base está en solo lectura. En Supabase ocurre cuando el disco pasa del 95 %: libere espacio o "
    "amplíelo y repita; lo ya confirmado queda",
    "40001": "otra transacción cambió las mismas filas; repita la orden",
    "40P01": "bloqueo mutuo con otra sesión; repita la orden",
    "42501": "al rol le falta un permiso",
    "42704": "falta un objeto que debía existir",
    "42703": "falta una columna que debía existir: la base cambió desde que se aprobó el SQL. Repita fase0",
    "42P01": "falta una tabla que debía existir: la base cambió desde que se aprobó el SQL. Repita fase0",
    "42P07": "ya existe un objeto con ese nombre",
    "53100": "el servidor se quedó sin disco; lo ya confirmado queda, y la misma orden continúa cuando haya sitio",
    "53200": "el servidor se quedó sin memoria",
    "53300": "el servidor no tiene conexiones libres",
    "55P03": "otra sesión tiene bloqueada la tabla; repita la orden",
    "57014": "el servidor canceló la sentencia",
    "57P01": "alguien terminó la sesión en el servidor; la misma orden continúa donde quedó",
    "57P02": "el servidor se reinició; la misma orden continúa donde quedó",
    "57P03": "el servidor se está iniciando; repita la orden dentro de un momento",
}
CLASSES = {
    "08": "se perdió la conexión con el servidor; la misma orden continúa donde quedó",
    "22": "un valor no cabe en su tipo",
    "23": "una fila no cumple una restricción",
    "42": "el servidor no acepta la sentencia",
    "53": "al servidor le faltan recursos",
    "54": "se superó un límite del servidor",
    "57": "el servidor interrumpió la sesión; la misma orden continúa donde quedó",
}
LOST = ("57P01", "57P02", "57P03", "08")


def explain(sqlstate: str | None, primary: str, objects: str = "", step: str = "") -> MigrationError:
    """One sentence: the step, what it means, the object, and the server's own words last."""
    state = sqlstate or "08006"
    sentence = SENTENCES.get(state) or CLASSES.get(state[:2]) or "el servidor devolvió un error"
    parts = [f"{step}: " if step else "", sentence, f" ({objects})" if objects else "", f". SQLSTATE {state}"]
    said = " ".join(primary.split())
    if said:
        parts.append(f"; el servidor dijo: {said}")
    text = "".join(parts)
    code = "lost" if state.startswith(LOST) else "sql"
    return MigrationError(text if step else text[:1].upper() + text[1:], code=code, details={"sqlstate": state})
