"""A module's quick end: when nobody reads its answer any more, or when a signal asks for it.

Without it a module outlives Ctrl-C, a lost SSH session and kill -9 of ansible-playbook by its slice, and libpq returns from
a statement only when the server does.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import threading
import time
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

STDOUT = 1
PATIENCE = 3.0  # seconds for rollback and cleaning up
SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)

_connections: weakref.WeakSet[Connection] = weakref.WeakSet()


class Interrupted(BaseException):
    """A signal, or the reader is gone. No Exception: nothing on the way may take it for an ordinary failure."""


def hold(conn: Connection) -> None:
    """Hang this connection up when the end comes."""
    _connections.add(conn)


def watch() -> None:
    """Begin to watch; once in a process, from its main thread."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup
            signal.signal(number, _interrupt)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    threading.Thread(target=_wait, args=(reader,), daemon=True).start()


def _wait(signalled: int) -> None:
    """Python's handlers wait for the statement in flight, this thread does not. Asking poll() for nothing costs nothing."""
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    ends = select.poll()
    ends.register(STDOUT, 0)  # POLLERR or POLLHUP: the other end was closed, here or behind an SSH connection
    ends.register(signalled, select.POLLIN)
    while (STDOUT, select.POLLNVAL) in ends.poll():
        ends.unregister(STDOUT)  # closed by ourselves
    signal.setitimer(signal.ITIMER_REAL, PATIENCE + 1)  # cancel() holds up everything here while the server is out of reach
    for conn in list(_connections):
        _cancel(conn)
        hang_up(conn)
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
    time.sleep(PATIENCE)
    os._exit(1)


def _cancel(conn: Connection) -> None:
    """A backend that waits for a standby or for a lock does not look whether its client is there: it wants to be told."""
    with suppress(Exception):  # ended meanwhile, or out of reach
        conn.cancel()


def hang_up(conn: Connection) -> None:
    """The statement in flight fails here and now; the server ends its side by client_connection_check_interval."""
    with suppress(Exception), socket.socket(fileno=os.dup(conn.fileno())) as its_socket:  # or closed meanwhile
        its_socket.shutdown(socket.SHUT_RDWR)


def _interrupt(number: int, _: object) -> NoReturn:
    for each in SIGNALS:
        signal.signal(each, signal.SIG_IGN)  # cleaning up is not interrupted again
    raise Interrupted(signal.Signals(number).name)
