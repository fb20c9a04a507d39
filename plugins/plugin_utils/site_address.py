"""The database's address as a site gives it: read by the guard before any task takes it as an argument.

Ansible takes {{, {% and {# in it for a template. What comes out is another password, or an error that shows a piece of it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from jinja2 import Environment, TemplateError, nodes

MARKS = ("{{", "{%", "{#")
# What a template may name beside the host's variables.
ALWAYS_THERE = {"lookup", "query", "q", "now", "undef", "omit", "hostvars", "vars", "range", "dict", "namespace"}


def address_of(runner: str, extra: Mapping[str, Any], task_vars: Mapping[str, Any]) -> tuple[str, str]:
    """Return the address that the runner's tasks get, and what is wrong with how it is written; both without a word of it.

    -e wins over the environment's DATABASE_URL, which wins over the inventory; '' where nobody gives one.
    """
    environment = os.environ.get("DATABASE_URL", "")
    if environment and "database_url" not in extra:
        return environment, _says("DATABASE_URL") if _has_marks(environment) else ""
    where = "-e database_url" if "database_url" in extra else "database_url, o una variable de la que sale,"
    hosts = task_vars["hostvars"]
    try:
        raw = hosts.raw_get(runner)
        if "database_url" not in raw:
            return "", ""
        if _taken_literally(raw["database_url"], raw):
            return "", _says(where)
        address = hosts[runner]["database_url"]
        return ("", _says(where)) if _has_marks(str(address)) else (address, "")
    except Exception:  # whatever Ansible says of it would quote it
        return "", _says(where)


def _says(where: str) -> str:
    return (
        f"{where} no se puede leer: Ansible toma {{{{, {{% o {{# por el comienzo de una plantilla. En la contraseña escriba "
        "%7B por cada llave que abre (%7D por la que cierra, %25 por %, %23 por #) y repita la orden"
    )


def _has_marks(text: str) -> bool:
    return any(mark in text for mark in MARKS)


def _taken_literally(value: Any, known: Mapping[str, Any]) -> bool:
    """Whether a text that leads to the address holds a mark that nobody meant as a template.

    That is one that reads no variable, or within other text one that there is not: a default above it would hide that.
    """
    left, seen = [value], set[str]()
    while left:
        for text in _texts(left.pop()):
            if not _has_marks(text):
                continue
            try:
                found = Environment(autoescape=False).parse(text).find_all(nodes.Name)
            except TemplateError:
                return True
            names = {name.name for name in found if name.ctx == "load"}
            alone = text.strip().startswith("{{") and text.strip().endswith("}}") and text.count("{{") == 1
            if not names or "{#" in text or (not alone and names - set(known) - ALWAYS_THERE):
                return True
            left += [known[name] for name in names - seen if name in known]
            seen |= names
    return False


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for part in value.values():
            yield from _texts(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _texts(part)
    else:
        yield str(value)  # what a vault holds inline is no text before it is asked for
