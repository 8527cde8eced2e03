"""The socket at which the service listens, made before anything else is opened."""

from __future__ import annotations

import errno
import socket
from typing import Final

from shard.errors import SettingError

_BACKLOG: Final = 2048


def bind(host: str, port: int) -> socket.socket:
    """Return a socket that listens. Raises ``SettingError`` where that cannot be."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except socket.gaierror:
        accepted = "an address of this machine, as 127.0.0.1, 0.0.0.0 (all of them) or ::"
        raise SettingError("HOST", host, accepted) from None
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRNOTAVAIL:
            accepted = "an address of this machine, as 127.0.0.1, 0.0.0.0 (all of them) or ::"
            raise SettingError("HOST", host, accepted) from None
        why = {
            errno.EADDRINUSE: "this one is in use",
            errno.EACCES: "this one only root may take",
        }
        reason = why.get(error.errno or 0, str(error.strerror))
        raise SettingError("PORT", port, f"a free port; {reason}") from None
    listener.set_inheritable(True)
    return listener


def url_of(listener: socket.socket) -> str:
    """Return the address at which a browser of this machine reaches the service."""
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}"
