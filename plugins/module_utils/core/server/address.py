"""The address of the database: what the URL says, and what a refused connection means. Pure; no secret leaves it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from ..errors import STEP_CHANGED_NOTHING, MigrationError

HOST = re.compile(r"^[A-Za-z0-9_.:%-]+$")
ENCODE = "Si la contraseña lleva signos como % @ : / # ? o ñ, escríbalos codificados (@ es %40, / es %2F, % es %25)."
KNOWN_CERTIFICATE = ("verify-ca", "verify-full")
# What libpq would otherwise look for in the operator's home, perhaps of another server.
HOME_FILES = {"sslrootcert", "sslcert", "sslkey", "sslcrl"}
NOWHERE = "/dev/null/-"  # cannot exist, so libpq goes on without
# Set by the runbook itself on every connection, or by nobody.
OURS = {"application_name", "fallback_application_name", "client_encoding", "connect_timeout", "gssencmode", "passfile"}


@dataclass(frozen=True)
class Address:
    """Where to connect. ``extra``: further libpq parameters of the URL; ``tls``: its sslmode, '' when it says none."""

    host: str
    port: int
    user: str
    database: str
    password: str = field(repr=False)
    tls: str = ""
    extra: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    @property
    def is_socket(self) -> bool:
        """Whether the host is a folder with a local socket."""
        return self.host.startswith(("/", "@"))

    def shown(self, *, host: str = "", port: int = 0) -> str:
        """The address for people: never the password."""
        user = quote(self.user, safe=".")
        return f"postgresql://{user}:***@{host or self.host}:{port or self.port}/{quote(self.database, safe='')}"

    def mask(self, text: str) -> str:
        """Return ``text`` without the password, plain or percent-encoded."""
        for secret in {self.password, quote(self.password, safe=""), quote(self.password)}:
            if len(secret) > 3:
                text = text.replace(secret, "***")
        return text


def refused(what: str, move: str, code: str = "connection") -> MigrationError:
    """An error about the connection: nobody connects again in this run."""
    return MigrationError(what, left=STEP_CHANGED_NOTHING, move=move, code=code)


def address_from(parsed: Mapping[str, str]) -> Address:
    """Check what libpq read in DATABASE_URL. No message repeats a part that may be a piece of a password.

    Raises MigrationError, code connection, where it names several servers, lacks a part or cannot be read as meant.
    """
    host, port, database = parsed.get("host", ""), parsed.get("port", "") or "5432", parsed.get("dbname", "")
    if "," in host or "," in port:
        raise refused(
            "DATABASE_URL nombra varios servidores", "Escriba solo el primario, para que no haya duda de cuál se migra."
        )
    suspicious = bool(host and not host.startswith("/") and not HOST.match(host)) or "@" in database
    if suspicious or not port.isdigit() or not 0 < int(port) < 65536:
        raise refused(
            "DATABASE_URL no se puede leer bien: el servidor, el puerto o la base no tienen forma de tales",
            f"Corríjala. {ENCODE}",
        )
    if service := parsed.get("service"):
        raise refused(
            f"DATABASE_URL remite al archivo de servicios de esta máquina (service={service}), que no se lee: solo vale lo que "
            "dice la dirección",
            "Escriba en ella lo que ese servicio diga: postgresql://usuario:contraseña@servidor:5432/base",
        )
    missing = [
        name
        for key, name in (("host", "el servidor"), ("user", "el usuario"), ("dbname", "la base de datos"))
        if not parsed.get(key)
    ]
    if missing:
        raise refused(
            f"A DATABASE_URL le falta {' y '.join(missing)}",
            "Forma completa: postgresql://usuario:contraseña@servidor:5432/base",
        )
    known = {"host", "port", "user", "password", "dbname", "sslmode"} | OURS
    tls = parsed.get("sslmode", "")
    return Address(
        host=host,
        port=int(port),
        user=parsed["user"],
        database=database,
        password=parsed.get("password", ""),
        tls="" if tls in ("prefer", "allow") else tls,
        extra=tuple(sorted((key, value) for key, value in parsed.items() if key not in known)),
    )


def parameters(address: Address, hostaddr: str, offers_tls: bool) -> dict[str, str]:
    """What libpq gets: the reached address, a TLS mode that is never tried twice, nothing at startup, no file of this home.

    Only what the URL itself leaves open is libpq's and psql's: the CA of a known certificate, the key of a certificate.
    """
    extra = dict(address.extra)
    open_ends = {"sslkey"} if "sslcert" in extra else set()
    if address.tls in KNOWN_CERTIFICATE and "sslrootcert" not in extra:
        open_ends |= {"sslrootcert", "sslcrl"}
    params = (
        dict.fromkeys(HOME_FILES - open_ends, NOWHERE)
        | extra
        | {
            "host": address.host,
            "port": str(address.port),
            "user": address.user,
            "dbname": address.database,
            "connect_timeout": "10",
            "gssencmode": "disable",
            "keepalives": "1",
            "keepalives_idle": "10",
            "keepalives_interval": "10",
            "keepalives_count": "3",
            "tcp_user_timeout": "40000",  # ms
            "passfile": NOWHERE,
        }
    )
    if not address.is_socket:
        params |= {"hostaddr": hostaddr, "sslmode": address.tls or ("require" if offers_tls else "disable")}
    if address.password:
        params["password"] = address.password
    return params


def unreadable(url: str) -> MigrationError:
    """What to say when libpq cannot parse the URL; its own message would quote a piece of the password."""
    if not url:
        return refused(
            "DATABASE_URL está vacía",
            "Expórtela antes de llamar: export DATABASE_URL='postgresql://usuario:contraseña@servidor:5432/base'",
        )
    query = url.rpartition("?")[2] if "?" in url and "@" not in url.rpartition("?")[2] else ""
    names = [part.partition("=")[0] for part in query.split("&") if part]
    if names and all(re.fullmatch(r"[a-z_]{3,40}", name) for name in names):
        return refused(
            "DATABASE_URL no se puede leer: puede que PostgreSQL no conozca alguno de estos parámetros: "
            f"{', '.join(names)} (pgbouncer o connection_limit son de otros programas: quítelos)",
            f"Corríjala. {ENCODE}",
        )
    return refused(
        "DATABASE_URL no es una dirección de PostgreSQL (postgresql://usuario:contraseña@servidor:5432/base)",
        f"Corríjala. {ENCODE}",
    )


def transaction_pooler(address: Address) -> MigrationError:
    """Refuse it, with the URL to take."""
    if address.host.endswith((".supabase.com", ".supabase.co")):
        better = f"Tome el modo sesión, en el puerto 5432: {address.shown(port=5432)}"
    else:
        better = "Tome la dirección directa del servidor, o un pooler en modo sesión (pool_mode=session)."
    return refused(
        f"{address.host}:{address.port} es un pooler en modo transacción: rompe los ajustes de sesión y los bloqueos "
        "que protegen los datos",
        better,
    )


# Words of the server's refusal, English and Spanish (lc_messages): (pattern, code, what it means, the next move).
REFUSALS = (
    (
        r"pg_hba\.conf",
        "login",
        "pg_hba.conf no deja entrar a {user} en la base {database} desde esta máquina ({tls})",
        "Pida que lo permitan.",
    ),
    (
        r"tenant or user not found|no such user",
        "login",
        "el servidor (un pooler) no conoce al usuario {user}",
        "En el pooler de Supabase es postgres.<ref-del-proyecto>.",
    ),
    (
        r"circuit breaker",
        "login",
        "el pooler cerró el paso por contraseñas equivocadas",
        "Espere dos minutos y corríjala antes de repetir.",
    ),
    (
        r"no password supplied",
        "login",
        "el servidor pide contraseña y DATABASE_URL no la lleva",
        "Póngala en DATABASE_URL: postgresql://usuario:contraseña@servidor:5432/base",
    ),
    (
        r"password|contraseña|autentifi|authentication",
        "login",
        "el servidor rechazó la contraseña de {user} (o ese rol no existe). Se probó una sola vez, porque varias "
        "equivocadas bloquean la dirección de esta máquina",
        f"Corríjala antes de repetir. {ENCODE}",
    ),
    (
        r"no such database|database \S+ does not exist|base de datos \S+ no existe|no existe la base de datos",
        "login",
        "la base de datos {database} no existe en ese servidor",
        "Corrija la base en DATABASE_URL.",
    ),
    (
        r"not permitted to log in|no se le permite conectarse|no tiene permitido",
        "login",
        "el rol {user} no puede iniciar sesión (NOLOGIN)",
        "Use otro rol, o pida: ALTER ROLE {user} LOGIN",
    ),
    (
        r"role \S+ does not exist|no existe el rol|rol \S+ no existe",
        "login",
        "el rol {user} no existe en ese servidor",
        "Corrija el usuario en DATABASE_URL.",
    ),
    (
        r"permission denied for database|permiso denegado a la base",
        "login",
        "el rol {user} no tiene permiso de conexión",
        "Pida: GRANT CONNECT ON DATABASE {database} TO {user}",
    ),
    (
        r"too many|demasiad|remaining connection slots|conexiones restantes|max clients",
        "connection",
        "el servidor no tiene conexiones libres",
        "Cierre alguna y repita.",
    ),
    (
        r"starting up|shutting down|iniciándose|apag|recovery mode|recuperación",
        "connection",
        "el servidor se está iniciando o apagando",
        "Repita dentro de un momento.",
    ),
)


# What a lost connection sounds like; anything else that is no FATAL is said on this side of it.
CUT_OFF = r"closed|cerró|cerrada|reset|broken pipe|receive|send|recibir|enviar|timeout|timed out|expir|eof"


def explain_login(address: Address, message: str, encrypted: bool) -> MigrationError:
    """What libpq's message after a reached server means."""
    where = address.shown()
    fatal = message.rpartition("FATAL:")[2].strip() if "FATAL:" in message else ""
    if not fatal and (local := re.search(r"""["«](/[^"»]*)["»]""", message)):
        here = "; está en el directorio del usuario que ejecuta los módulos" if "/.postgresql/" in local[1] else ""
        return refused(
            f"TLS: no sirve el archivo {local[1]} de esta máquina{here}. No lo dice el servidor, sino la biblioteca de aquí: "
            f"{_of_here(address, message)}",
            "Corríjalo, o nombre otro en DATABASE_URL: sslrootcert=<archivo>, y para identificarse sslcert=<archivo> y "
            "sslkey=<archivo>.",
        )
    if not fatal and "channel binding" not in message and re.search(r"certificate|SSL|TLS", message):
        return refused(
            f"TLS: el certificado de {address.host} no vale para esta conexión (sslmode={address.tls or 'require'})",
            "Indique la CA del proyecto en DATABASE_URL con sslrootcert=<archivo>.",
        )
    facts = {
        "user": f'"{address.user}"',
        "database": f'"{address.database}"',
        "tls": "con TLS" if encrypted else "sin TLS",
    }
    for pattern, code, what, move in REFUSALS:
        if re.search(pattern, fatal or message, re.IGNORECASE):
            return refused(f"No se pudo entrar en {where}: {what.format(**facts)}", move.format(**facts), code)
    if not fatal and not re.search(CUT_OFF, message, re.IGNORECASE):
        return refused(
            f"No se pudo entrar en {where}. No lo dice el servidor, sino la biblioteca de aquí: {_of_here(address, message)}",
            "Corrija en DATABASE_URL el parámetro de que habla, o lleve la base a una con ENCODING 'UTF8' si habla de su "
            "codificación.",
        )
    said = address.mask(fatal.splitlines()[0]) if fatal else "cerró la conexión sin explicación"
    move = "Corrija lo que dice antes de repetir." if fatal else "Mire el registro del servidor y repita."
    return refused(f"No se pudo entrar en {where}: el servidor dijo: {said}", move, "login" if fatal else "connection")


def _of_here(address: Address, message: str) -> str:
    """What the library says of itself, without where it was."""
    return address.mask(" ".join(message.partition("failed: ")[2].split()) or message.strip())
