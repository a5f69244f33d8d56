import io
import json
import logging
import ssl
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import structlog

from postroad.model.credential import Secret
from postroad.net.self_signed import ensure_self_signed
from postroad.net.tls import ServerCertificate, opportunistic_context
from postroad.telemetry.logs import LineWriter, configure, configure_for_command
from postroad.telemetry.settings import LogSettings


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level, hook = root.handlers[:], root.level, sys.unraisablehook
    yield
    sys.unraisablehook = hook
    logging.captureWarnings(capture=False)
    root.handlers[:] = handlers
    root.setLevel(level)


def _logged(settings: LogSettings, *, log: object = None) -> tuple[io.StringIO, LineWriter]:
    stream = io.StringIO()
    return stream, configure(settings, stream)


def test_an_event_is_one_json_line_with_its_fields() -> None:
    stream, writer = _logged(LogSettings(format="json"))

    structlog.get_logger().info("delivery_deferred", site="mx.example.org", code=451)
    writer.close()

    line = json.loads(stream.getvalue())
    assert (line["event"], line["site"], line["code"], line["level"]) == (
        "delivery_deferred",
        "mx.example.org",
        451,
        "info",
    )
    assert line["timestamp"].endswith("Z")


def test_secrets_are_hidden_by_type_and_by_name() -> None:
    stream, writer = _logged(LogSettings(format="json"))

    structlog.get_logger().info("x", value=Secret("hunter-A!"), smtp_password="hunter-B!", Authorization="hunter-C!")
    writer.close()

    assert "hunter" not in stream.getvalue()


def test_events_below_the_level_are_not_written() -> None:
    stream, writer = _logged(LogSettings(level="warning", format="json"))

    structlog.get_logger().info("small")
    structlog.get_logger().warning("large")
    writer.close()

    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["large"]


def test_what_libraries_log_goes_the_same_way() -> None:
    stream, writer = _logged(LogSettings(format="json"))

    logging.getLogger("uvicorn.error").warning("shutting %s", "down")
    logging.getLogger("uvicorn.access").info("GET /")
    writer.close()

    [line] = map(json.loads, stream.getvalue().splitlines())
    assert (line["event"], line["logger"], line["level"]) == ("shutting down", "uvicorn.error", "warning")


def test_an_exception_is_written_with_its_traceback() -> None:
    stream, writer = _logged(LogSettings(format="json"))

    try:
        raise LookupError("no such thing")
    except LookupError:
        structlog.get_logger().exception("failed")
    writer.close()

    assert json.loads(stream.getvalue())["exception"][0]["exc_type"] == "LookupError"


class _Login(msgspec.Struct):
    username: str
    password: str


@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.parametrize("logger", ["ours", "of a library"])
def test_a_traceback_shows_no_values_of_variables(form: str, logger: str) -> None:
    stream, writer = _logged(LogSettings(format=form))  # type: ignore[arg-type]

    def verify(password: str, login: _Login) -> None:
        raise LookupError("no such thing")

    secret = "Hunter-two-2"
    try:
        verify(secret, _Login("shop", secret))
    except LookupError:
        if logger == "ours":
            structlog.get_logger().exception("failed")
        else:
            logging.getLogger("uvicorn.error").exception("failed")
    writer.close()

    assert "no such thing" in stream.getvalue()
    assert "verify" in stream.getvalue()
    assert "Hunter" not in stream.getvalue()


def test_console_lines_name_the_event_and_fields() -> None:
    stream, writer = _logged(LogSettings(format="console"))

    structlog.get_logger().info("worker_started", worker=3)
    writer.close()

    assert "worker_started" in stream.getvalue()
    assert "worker=3" in stream.getvalue()


class _StuckSink:
    def __init__(self) -> None:
        self.release = threading.Event()
        self.entered = threading.Event()
        self.text = ""

    def write(self, text: str) -> None:
        self.entered.set()
        self.release.wait(5)
        self.text += text

    def flush(self) -> None:
        return None


def test_a_slow_reader_costs_lines_and_never_blocks() -> None:
    sink = _StuckSink()
    writer = LineWriter(sink, capacity=2)
    writer.write("first")
    assert sink.entered.wait(5)

    for number in range(5):
        writer.write(f"later {number}")
    sink.release.set()
    writer.close()

    assert sink.text == ("first\n3 log lines were dropped: the reader of the log is too slow\nlater 0\nlater 1\n")


class _GoneSink(_StuckSink):
    def write(self, text: str) -> None:
        raise BrokenPipeError


def test_a_reader_that_went_away_does_not_end_the_writer() -> None:
    writer = LineWriter(_GoneSink())
    writer.write("one")
    writer.write("two")
    writer.close()

    assert not writer._thread.is_alive()


def test_a_command_keeps_its_answer_free_of_logs(capsys: pytest.CaptureFixture[str]) -> None:
    configure_for_command()

    structlog.get_logger().info("domain_state_changed")
    structlog.get_logger().warning("domain_stopped", password="hunter-A!")

    shown = capsys.readouterr()
    assert shown.out == ""
    assert "domain_stopped" in shown.err
    assert "domain_state_changed" not in shown.err
    assert "hunter" not in shown.err


def test_a_server_name_that_is_no_ascii_is_no_traceback_of_a_stranger(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stream, writer = _logged(LogSettings(format="json"))
    hello, toward_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = opportunistic_context().wrap_bio(ssl.MemoryBIO(), hello, server_hostname="name.example")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    altered = ssl.MemoryBIO()
    altered.write(hello.read().replace(b"name.example", b"n\xe4me.example"))
    certificate = ServerCertificate(*ensure_self_signed(tmp_path, "mail.example", 1_780_000_000_000))
    server = certificate.context.wrap_bio(altered, toward_client, server_side=True)

    with pytest.raises(ssl.SSLError):
        server.do_handshake()
    writer.close()

    assert toward_client.read()[:1] == b"\x15"  # an alert
    assert (stream.getvalue(), capsys.readouterr().err) == ("", "")


def test_an_exception_that_nobody_can_catch_is_a_line_of_the_log() -> None:
    class Careless:
        def __del__(self) -> None:
            raise ValueError("too late")

    stream, writer = _logged(LogSettings(format="json"))
    Careless()
    writer.close()

    line = json.loads(stream.getvalue())
    assert (line["event"], line["exception"][0]["exc_value"]) == ("exception_ignored", "too late")
    assert "Careless.__del__" in line["where"]
