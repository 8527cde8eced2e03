"""uvicorn's reader of HTTP, made patient only so far, and answering in JSON as all else does."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

if TYPE_CHECKING:
    import asyncio
    from typing import Any

_HEAD_BYTES: Final = 65_536
_HEAD_SECONDS: Final = 15.0


class _Line:
    """A transport that lets go what is written after its end, as asyncio's own do.

    uvloop's raise instead, in the moment between a reset and its being told.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(data)


class Protocol(HttpToolsProtocol):
    """Bounds a request's head in bytes (431) and in time (408); what is no HTTP gets a 400.

    The reader beneath would collect a head of any size, and trailers, and wait for ever.
    """

    _head_bytes = 0
    _head_is_open = False
    _patience: asyncio.TimerHandle | None = None
    _unread: int | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Expect the first request soon."""
        super().connection_made(_Line(transport))  # type: ignore[arg-type]  # all that it has
        self._patience = self.loop.call_later(_HEAD_SECONDS, self._out_of_patience)

    def connection_lost(self, exc: Exception | None) -> None:
        """Expect nothing any more."""
        self._forget_patience()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, unless a head outgrows its bound."""
        super().data_received(data)
        if not self._head_is_open or self.transport.is_closing():
            return
        self._head_bytes += len(data)
        if self._head_bytes > _HEAD_BYTES:
            message = f"the request's headers are larger than {_HEAD_BYTES:,} bytes"
            self._refuse(431, "headers_too_large", message)

    def on_message_begin(self) -> None:
        """Begin to count and to wait."""
        self._head_is_open, self._head_bytes, self._unread = True, 0, None
        if self._patience is None:
            self._patience = self.loop.call_later(_HEAD_SECONDS, self._out_of_patience)
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; what follows a body is let go, since nobody here reads trailers."""
        if self._head_is_open:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Stop counting and waiting."""
        self._head_is_open = False
        self._forget_patience()
        super().on_headers_complete()

    def timeout_keep_alive_handler(self) -> None:
        """Close what is idle; at once where its client takes nothing of what it asked for.

        One that is slow, but takes some of it in each KEEP_ALIVE seconds, keeps its time.
        """
        unread = self.transport.get_write_buffer_size()
        if not unread:
            super().timeout_keep_alive_handler()
        elif self._unread is not None and unread >= self._unread:
            self.transport.abort()  # to close would wait until all of it has gone
        else:
            self._unread = unread
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def send_400_response(self, msg: str) -> None:
        """Answer what cannot be read."""
        self._refuse(400, "not_http", msg)

    def _unsupported_upgrade_warning(self) -> None:
        """Say nothing: whoever asks for another protocol is answered in this one."""

    def _out_of_patience(self) -> None:
        self._patience = None
        if self.transport.is_closing():
            return
        if self._head_is_open:
            message = f"no whole request within {_HEAD_SECONDS:g} s"
            self._refuse(408, "too_slow", message)
        else:  # browsers open connections in advance: an answer to nothing would confuse them
            self.transport.close()

    def _forget_patience(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _refuse(self, status: int, reason: str, message: str) -> None:
        """Answer and close; an answer under way to an earlier request is cut off."""
        identity = secrets.token_hex(8)
        said = {"message": message, "reason": reason, "request_id": identity}
        body = json.dumps(said).encode()
        head = [
            STATUS_LINE[status],
            b"content-type: application/json\r\n",
            b"access-control-allow-origin: *\r\n",
            b"content-length: %d\r\n" % len(body),
            b"x-request-id: %s\r\n" % identity.encode(),
            b"connection: close\r\n\r\n",
        ]
        self.transport.write(b"".join(head) + body)
        self.transport.close()
