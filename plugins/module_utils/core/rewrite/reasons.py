"""Why a use is left for a person, or what a person should look at in one that was rewritten: codes and their words."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

LEFT, REVIEW, BEHIND_FLAG = "pendiente", "revisar", "tras_bandera"

WHY_LEFT: dict[str, str] = {
    "client_not_shown": "no se ve que sea un cliente de Supabase (ni create_client ni su tipo); nómbrelo en code_settings",
    "computed_table": "el nombre de la tabla se calcula",
    "shared_constant": "la constante con el nombre de la tabla tiene otros usos",
    "ambiguous_table": "la tabla se reparte entre varias españolas, y aquí no se dice cuál",
    "unmapped_schema": "el esquema no es el del mapeo",
    "unknown_method": "el método no se conoce",
    "unknown_column": "la columna no está en el mapeo",
    "column_without_counterpart": "la columna no tiene equivalente en la tabla española",
    "column_of_several": "la columna da más de una columna española",
    "column_elsewhere": "la columna española se toma de otra tabla o de otra columna",
    "name_needs_quoting": "el nombre español no cabe en el lenguaje de PostgREST sin comillas",
    "computed_columns": "la lista de columnas se calcula",
    "computed_value": "el valor se calcula, y la columna traduce sus valores",
    "unknown_value": "el valor no tiene traducción en el mapeo",
    "ambiguous_value": "varios valores del inglés dan este mismo en español",
    "translated_operator": "el operador compara textos que cambian con la traducción",
    "translated_order": "ordena por una columna cuyos valores se traducen",
    "null_default": "pregunta por NULL, y la columna española tiene un valor en su lugar",
    "computed_payload": "lo que se escribe se calcula",
    "required_column": "falta una columna que la tabla española exige",
    "null_value": "escribe NULL en una columna que no lo admite",
    "payload_shape": "la columna española guarda otra forma de dato",
    "not_unique": "on_conflict nombra columnas que en la tabla española no son únicas",
    "computed_time": "no se ve que la hora esté en UTC",
    "zone_unknown": "la hora no dice su zona",
    "embed": "la tabla española no tiene esa clave foránea",
    "embed_form": "la relación se pide de un modo que no se traduce",
    "bad_select": "la lista de columnas no se entiende",
    "bad_filter": "el filtro no se entiende",
    "builder_escapes": "la consulta sin terminar sale de la función",
    "builder_rebound": "la variable de la consulta recibe más de una",
    "write_result": "se usa lo que devuelve la escritura, que tendrá nombres españoles",
    "star_loses_columns": "con * se leían columnas que la tabla española no tiene",
    "escaped_literal": "el texto lleva secuencias de escape",
    "unreadable": "el archivo no se puede leer en su lenguaje",
    "encoding": "el archivo no se puede decodificar",
    "too_large": "el archivo es demasiado grande o está minificado",
    "text_use": "se nombra la tabla en un texto que no se reescribe solo",
    "orm_use": "un ORM o un constructor de SQL nombra la tabla",
    "rest_path": "una ruta REST nombra la tabla",
    "realtime": "una suscripción a cambios nombra la tabla",
    "configuration": "una configuración nombra la tabla",
    "sql_form": "el SQL tiene una forma que no se reescribe sola",
    "sql_unreadable": "el SQL no se puede leer",
    "sql_other_schema": "el SQL nombra la tabla en otro esquema",
    "read_only": "el archivo no se puede escribir",
    "legacy_word": "compara con un valor inglés lo que ahora llega en español",
    "image": "quien lee verá otra forma: ",
    "default_for_null": "donde había NULL hay un valor",
    "other_rows": "la tabla española guarda además filas de otra tabla",
    "behind_flag": "no se ejecuta con MIGRATION_MODE=false",
}


@dataclass(frozen=True, order=True)
class Edit:
    """Characters of a file, from ``start`` to ``end``, replaced by ``text``."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, order=True)
class CodeFinding:
    """Something for a person. ``kind``: left as it is, rewritten but to be looked at, or behind the flag."""

    path: str
    line: int
    reason: str
    text: str  # the use as written, one line
    kind: str = LEFT
    detail: str = ""

    @property
    def digest(self) -> str:
        """Eight characters that say which text it is, wherever in the file it stands."""
        return hashlib.sha256(" ".join(self.text.split()).encode()).hexdigest()[:8]

    def name(self, repository: str) -> str:
        """Its name: what waived_code matches."""
        return f"{repository}:{self.path}:{self.reason}:{self.digest}"

    @property
    def words(self) -> str:
        """Why, in words."""
        said = WHY_LEFT[self.reason]
        return f"{said}{self.detail}" if said.endswith(": ") else f"{said} ({self.detail})" if self.detail else said


class LeftAloneError(Exception):
    """A use that is not shown to be safe: its reason, a detail."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason, self.detail = reason, detail


def shortened(text: str, most: int = 160) -> str:
    """Return a use in one line."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"
