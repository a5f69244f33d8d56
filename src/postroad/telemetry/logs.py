"""Structured logs: events with fields, one line each, with secrets hidden and without blocking the event loop."""

import atexit
import logging
import queue
import sys
import threading
from collections.abc import MutableMapping
from typing import Any, Protocol

import structlog

from postroad.model.credential import Secret
from postroad.telemetry.settings import LogSettings

_HIDDEN = "…"
_SECRET_WORDS = ("password", "secret", "authorization", "token", "private_key", "api_key", "cookie")
_ROUTED = ("uvicorn", "uvicorn.error", "uvicorn.access", "asyncio", "alembic", "sqlalchemy")
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


# Tracebacks without the values of local variables: among them are passwords, session tokens and people's mail.
_TRACEBACKS = structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False))


def _for_people() -> structlog.dev.ConsoleRenderer:
    # Plain ones: where the library ``rich`` is installed, the usual ones show local variables.
    return structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)


class Sink(Protocol):
    """Where finished lines go: a text stream."""

    def write(self, text: str, /) -> object:
        """Take some text."""

    def flush(self) -> object:
        """Hand on what was taken."""


class LineWriter:
    """Writes lines from a thread of its own, so that a slow reader of our logs never stops the mail.

    The lines that wait are bounded; when they are too many new ones are dropped, and their number is written
    once there is room again.
    """

    def __init__(self, sink: Sink, capacity: int = 10_000) -> None:
        self._sink = sink
        self._lines: queue.Queue[str | None] = queue.Queue(capacity)
        self._dropped = 0
        self._thread = threading.Thread(target=self._drain, name="log-writer", daemon=True)
        self._thread.start()

    def write(self, line: str) -> None:
        """Queue one line; it is dropped and counted when too many wait."""
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            self._dropped += 1

    def flush(self) -> None:
        """Do nothing: the thread flushes when no further line waits."""

    def close(self, timeout_s: float = 2.0) -> None:
        """Write what waits and end the thread; gives up after ``timeout_s`` when the sink does not take it."""
        if self._thread.is_alive():
            try:
                self._lines.put(None, timeout=timeout_s)
            except queue.Full:
                return
            self._thread.join(timeout_s)

    def _drain(self) -> None:
        while (line := self._lines.get()) is not None:
            try:
                self._sink.write(line + "\n")
                if self._dropped:
                    dropped, self._dropped = self._dropped, 0
                    self._sink.write(f"{dropped} log lines were dropped: the reader of the log is too slow\n")
                if self._lines.empty():
                    self._sink.flush()
            except (OSError, ValueError):
                # The reader of the log went away, and there is no other place to say so; mail goes on.
                self._dropped += 1


def hide_secrets(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace the values of secret fields: those of type ``Secret`` and those whose name says so."""
    for key, value in event.items():
        if isinstance(value, Secret) or any(word in key.lower() for word in _SECRET_WORDS):
            event[key] = _HIDDEN
    return event


def configure(settings: LogSettings, sink: Sink | None = None) -> LineWriter:
    """Set up the logs of this process, those of libraries too; call it after a fork, never before."""
    writer = LineWriter(sys.stderr if sink is None else sink)
    level = _LEVELS[settings.level]
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        hide_secrets,
    ]
    rendering: list[structlog.typing.Processor] = (
        [_TRACEBACKS, structlog.processors.JSONRenderer()] if settings.format == "json" else [_for_people()]
    )
    structlog.configure(
        processors=[*shared, *rendering],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(_OneLine(writer)),  # type: ignore[arg-type]
        cache_logger_on_first_use=False,
    )
    _route_libraries(writer, level, shared, rendering)
    sys.unraisablehook = _note_ignored
    atexit.register(writer.close)
    return writer


def configure_for_command() -> None:
    """Send the warnings of a command to its error output, where they are apart from its answer."""
    structlog.configure(
        processors=[structlog.processors.add_log_level, hide_secrets, _for_people()],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )


def _note_ignored(ignored: "sys.UnraisableHookArgs") -> None:
    """Log an exception that nobody can catch, as in a destructor."""
    if isinstance(ignored.exc_value, UnicodeDecodeError) and isinstance(ignored.object, bytes):
        # The server name of a TLS handshake that is no ASCII, which ``ssl`` has refused: strangers could fill the log.
        return
    structlog.get_logger().error(
        "exception_ignored",
        where=ignored.err_msg or repr(ignored.object),
        exc_info=(ignored.exc_type, ignored.exc_value, ignored.exc_traceback),
    )


class _OneLine:
    """The little of a text file that structlog's logger uses, over a line writer."""

    def __init__(self, writer: LineWriter) -> None:
        self._writer = writer

    def write(self, text: str) -> int:
        if line := text.rstrip("\n"):
            self._writer.write(line)
        return len(text)

    def flush(self) -> None:
        return None


class _LineHandler(logging.Handler):
    def __init__(self, writer: LineWriter) -> None:
        super().__init__()
        self._writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        self._writer.write(self.format(record))


def _route_libraries(
    writer: LineWriter,
    level: int,
    shared: list[structlog.typing.Processor],
    rendering: list[structlog.typing.Processor],
) -> None:
    """Send what libraries log by the standard library through the same processors and writer."""
    handler = _LineHandler(writer)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(level, logging.INFO))
    for name in _ROUTED:
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = True
    # A line per request is what the access log of a proxy is for.
    logging.getLogger("uvicorn.access").setLevel(logging.WARNING)
    # What it tries again meanwhile, each time with a traceback; those who wait for a connection tell of that themselves.
    logging.getLogger("asyncpg.pool").setLevel(logging.ERROR)
    logging.captureWarnings(capture=True)
