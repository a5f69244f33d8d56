"""The capture sink of ``postroad dev``: a receiver on this machine that all mail is routed to (decision 0007)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from postroad.config import Settings
from postroad.model.route import TlsRule
from postroad.net.clock import now_ms
from postroad.net.listen import Endpoint, bind
from postroad.net.tls import ServerCertificate
from postroad.node.installation import hostname_of
from postroad.protocol.mime.encoded_word import decode
from postroad.protocol.mime.header import HeaderFault, split
from postroad.smtpd.capture import CaptureListener
from postroad.storage import captures
from postroad.storage.captures import Capture
from postroad.storage.database import Database

_STOP_S = 2.0


@asynccontextmanager
async def capturing(settings: Settings, database: Database, certificate: ServerCertificate) -> AsyncIterator[Settings]:
    """Run the sink for the length of the block; gives the settings under which all mail goes there."""

    async def store(reverse_path: str, recipients: tuple[str, ...], content: bytes, received_at: int) -> None:
        await database.write(captures.add, capture_of(reverse_path, recipients, content, received_at))

    sink = CaptureListener(
        settings.smtp, store, hostname=hostname_of(settings), tls_context=certificate.context, clock=now_ms
    )
    (sockets,) = bind(Endpoint("127.0.0.1", 0))
    await sink.start(sockets)
    port = sockets[0].getsockname()[1]
    delivery = msgspec.structs.replace(
        settings.delivery, smarthost=f"127.0.0.1:{port}", routes=(), tls=TlsRule.OPPORTUNISTIC
    )
    try:
        yield msgspec.structs.replace(settings, delivery=delivery)
    finally:
        await sink.stop(_STOP_S)


def capture_of(reverse_path: str, recipients: tuple[str, ...], content: bytes, received_at: int) -> Capture:
    """Return the row of a captured message, with what the inbox lists of its header."""
    block = split(content)

    def shown(name: bytes) -> str:
        field = None if isinstance(block, HeaderFault) else block.first(name)
        return "" if field is None or isinstance(block, HeaderFault) else decode(block.value(field))[:255]

    return Capture(
        received_at=received_at,
        reverse_path=reverse_path,
        recipients=recipients,
        header_from=shown(b"from"),
        subject=shown(b"subject"),
        content=content,
    )
