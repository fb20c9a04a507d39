"""Make .venv hold exactly requirements.lock, with this checkout as the collection tinkubot.migracion.

Runs on any Python 3, so that an old one can be refused with a sentence instead of a traceback.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, ".venv")
LOCK = os.path.join(ROOT, "requirements.lock")
MARKER = os.path.join(VENV, "instalado")
# make's PATH begins with .venv/bin, so this may be the very .venv that is about to be removed.
BASE_PYTHON = os.path.realpath(sys.executable)


def refusal() -> "str | None":
    """Say why this Python cannot be used, or return None."""
    version = "%d.%d" % sys.version_info[:2]
    if sys.version_info < (3, 11):
        return "hace falta Python 3.11 o más nuevo, y %s es %s. Indique otro: make PYTHON=/ruta/a/python3.12 …" % (
            sys.executable,
            version,
        )
    try:
        import ensurepip  # noqa: F401  Debian ships venv without it, and then venv fails half-way
        import venv  # noqa: F401  likewise
    except ImportError:
        return "%s no trae el módulo venv. En Debian y Ubuntu: apt-get install python%s-venv" % (
            sys.executable,
            version,
        )
    return None


def wanted() -> str:
    """Return what the marker holds when .venv is complete: a moved checkout or another Python counts as incomplete."""
    with open(LOCK, "rb") as lock:
        digest = hashlib.sha256(lock.read()).hexdigest()
    return "\n".join((digest, os.path.realpath(sys.base_prefix), sys.version, VENV))


def is_complete() -> bool:
    """Tell whether .venv is the one that is wanted."""
    try:
        with open(MARKER, encoding="utf-8") as marker:
            return marker.read() == wanted()
    except (OSError, UnicodeDecodeError):
        return False


def python() -> str:
    """Return the interpreter of .venv."""
    return os.path.join(VENV, "bin", "python")


def link_collection() -> None:
    """Make `tinkubot.migracion` this checkout; relative, so that the checkout can be copied."""
    site_packages = os.path.join(VENV, "lib", "python%d.%d" % sys.version_info[:2], "site-packages")
    namespace = os.path.join(site_packages, "ansible_collections", "tinkubot")
    os.makedirs(namespace, exist_ok=True)
    os.symlink(os.path.relpath(ROOT, namespace), os.path.join(namespace, "migracion"))


def pip(*arguments: str) -> "list[str]":
    """Return the command line of .venv's pip."""
    return [python(), "-Im", "pip", "--disable-pip-version-check", *arguments]


def fill(target: str, *wanted: str) -> None:
    """Install what is wanted for the interpreter ``target``, by uv in a tenth of pip's time, else by pip."""
    options = ["--quiet", "--no-cache", "--system-certs", "--python"]
    try:
        subprocess.run([python(), "-Im", "uv", "pip", "install", *options, target, *wanted], check=True)
    except subprocess.CalledProcessError:  # no uv for this machine, or a mirror of which only pip has been told
        print("uv no pudo; lo hace pip, más despacio …", flush=True)
        subprocess.run(pip("--python", target, "install", "-qq", "--no-compile", *wanted), check=True)


def install() -> None:
    """Build .venv anew; the marker comes last and in one step, so half a build is never taken for a whole one."""
    if os.path.islink(VENV):
        os.unlink(VENV)
    shutil.rmtree(VENV, ignore_errors=True)  # the first time there is none
    print("Preparando .venv (una sola vez, de diez segundos a medio minuto) …", flush=True)
    subprocess.run([BASE_PYTHON, "-Im", "venv", VENV], check=True)
    with open(LOCK, encoding="utf-8") as lock:
        uv = [line.strip() for line in lock if line.startswith("uv==")]
    subprocess.run(pip("install", "-qq", "--no-compile", *uv), check=False)  # without it pip does the rest
    fill(python(), "-r", LOCK)
    link_collection()
    with open(MARKER + ".nuevo", "w", encoding="utf-8") as marker:
        marker.write(wanted())
    os.replace(MARKER + ".nuevo", MARKER)


def main() -> int:
    """Return the exit code."""
    reason = refusal()
    if reason:
        print("make setup: " + reason, file=sys.stderr)
        return 1
    directory = os.open(ROOT, os.O_RDONLY)
    fcntl.flock(directory, fcntl.LOCK_EX)  # two terminals, one .venv
    if is_complete():
        return 0
    try:
        install()
    except subprocess.CalledProcessError as error:
        print(
            "make setup: falló «%s» (código %d); .venv quedó incompleto y la próxima vez se hace de nuevo."
            % (" ".join(error.cmd), error.returncode),
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
