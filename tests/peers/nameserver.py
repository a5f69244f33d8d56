"""Real name servers with local zones, and a scripted one for what a healthy server never does.

``Authority`` is NSD with the zones a test gives it; ``Recursor`` is Unbound, sent to an authority for those zones;
``Scripted`` answers each question as a function of the test says: late, wrong, cut off or not at all.
"""

import asyncio
import contextlib
import socket
import struct
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Self, cast

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import dns.rrset

from tests.peers import ports
from tests.peers.programs import path_of

_NSD = """\
server:
  ip-address: 127.0.0.1@{port}
  port: {port}
  username: ""
  zonesdir: "{directory}"
  database: ""
  pidfile: ""
  xfrdfile: "{directory}/xfrd.state"
  zonelistfile: "{directory}/zone.list"
  xfrdir: "{directory}"
  cookie-secret-file: ""
  server-count: 1
  rrl-ratelimit: 0
remote-control:
  control-enable: no
"""

_UNBOUND = """\
server:
  interface: 127.0.0.1
  port: {port}
  username: ""
  chroot: ""
  directory: "{directory}"
  pidfile: ""
  use-syslog: no
  num-threads: 1
  do-ip6: no
  do-not-query-localhost: no
  local-zone: "test." nodefault
  module-config: "{modules}"
{anchors}
remote-control:
  control-enable: no
"""


def zone_text(name: str, records: str, serial: int, ttl_s: int) -> str:
    """Return a zone file: SOA and name server, then the records as given, names relative to the zone."""
    return (
        f"$ORIGIN {name}.\n$TTL {ttl_s}\n@ SOA ns hostmaster {serial} 3600 600 86400 {ttl_s}\n@ NS ns\n"
        f"ns A 127.0.0.1\n{records}\n"
    )


class _Daemon:
    """A name server process in a folder of its own; use it as a context manager."""

    def __init__(self) -> None:
        self.port = ports.free_port()
        self.directory = Path(tempfile.mkdtemp(prefix="nameserver-"))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def resolver(self) -> str:
        """The server as the setting ``dns.resolvers`` names it."""
        return f"127.0.0.1:{self.port}"

    def _command(self) -> Sequence[str]:
        raise NotImplementedError

    def __enter__(self) -> Self:
        with (self.directory / "log").open("wb") as log:
            self._process = subprocess.Popen(self._command(), stdout=log, stderr=log)
        try:
            ports.wait_until_listening(self.port, self._process)
        except BaseException as error:
            error.add_note((self.directory / "log").read_text())
            self._end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def _end(self) -> None:
        if self._process is not None:
            ports.stop(self._process)
        for path in self.directory.iterdir():
            path.unlink()
        self.directory.rmdir()


class Authority(_Daemon):
    """NSD with zones given as the text of their records, by name."""

    def __init__(self, zones: Mapping[str, str], ttl_s: int = 300) -> None:
        super().__init__()
        self._zones = dict(zones)
        self._ttl_s = ttl_s
        self._serial = 1

    @property
    def zones(self) -> tuple[str, ...]:
        """The names of the zones."""
        return tuple(self._zones)

    def _command(self) -> Sequence[str]:
        configuration = _NSD.format(port=self.port, directory=self.directory)
        for zone, records in self._zones.items():
            (self.directory / zone).write_text(zone_text(zone, records, self._serial, self._ttl_s))
            configuration += f'zone:\n  name: "{zone}"\n  zonefile: "{zone}"\n'
        (self.directory / "nsd.conf").write_text(configuration)
        return [path_of("nsd"), "-d", "-c", str(self.directory / "nsd.conf")]

    def replace(self, zone: str, records: str) -> None:
        """Serve other records in a zone from now on.

        The server is started anew: on a reload NSD's old process may still answer when its new one already does.
        """
        assert self._process is not None
        self._serial += 1
        self._zones[zone] = records
        ports.stop(self._process)
        self.__enter__()
        deadline = time.monotonic() + 10
        while self._served_serial(zone) != self._serial:
            if time.monotonic() > deadline:
                raise RuntimeError(f"NSD does not serve the new {zone}: {(self.directory / 'log').read_text()}")
            time.sleep(0.02)

    def _served_serial(self, zone: str) -> int:
        with contextlib.suppress(dns.exception.DNSException, OSError):
            response = dns.query.udp(dns.message.make_query(zone, "SOA"), "127.0.0.1", 1, self.port)
            return int(response.answer[0][0].serial) if response.answer else 0
        return 0


class Recursor(_Daemon):
    """Unbound; it asks ``authority`` for its zones, and validates those it has an anchor (a DS record) for."""

    def __init__(self, authority: Authority, anchors: Sequence[str] = ()) -> None:
        super().__init__()
        self._authority = authority
        self._anchors = anchors

    def _command(self) -> Sequence[str]:
        configuration = _UNBOUND.format(
            port=self.port,
            directory=self.directory,
            modules="validator iterator" if self._anchors else "iterator",
            anchors="".join(f'  trust-anchor: "{anchor}"\n' for anchor in self._anchors),
        )
        for zone in self._authority.zones:
            configuration += (
                f'stub-zone:\n  name: "{zone}"\n  stub-addr: {self._authority.resolver.replace(":", "@")}\n'
            )
        (self.directory / "unbound.conf").write_text(configuration)
        return [path_of("unbound"), "-d", "-p", "-c", str(self.directory / "unbound.conf")]


Script = Callable[[dns.message.Message, str], "dns.message.Message | bytes | None"]
"""Gets a question and ``udp`` or ``tcp``; returns the response, its bytes, or nothing to stay silent."""


class Scripted(asyncio.DatagramProtocol):
    """A name server in this process that does what a script says."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.port = 0
        self.questions: list[tuple[str, str, str]] = []
        """Protocol, name and type of each question."""
        self.client_ports: list[int] = []

    @property
    def resolver(self) -> str:
        """The server as the setting ``dns.resolvers`` names it."""
        return f"127.0.0.1:{self.port}"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.client_ports.append(addr[1])
        wire = self._answer(data, "udp")
        if wire is not None:
            self._transport.sendto(wire, addr)

    async def serve_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        (size,) = struct.unpack(">H", await reader.readexactly(2))
        wire = self._answer(await reader.readexactly(size), "tcp")
        if wire is not None:
            writer.write(struct.pack(">H", len(wire)) + wire)
        writer.close()
        await writer.wait_closed()

    def _answer(self, data: bytes, protocol: str) -> bytes | None:
        query = dns.message.from_wire(data)
        question = query.question[0]
        self.questions.append(
            (protocol, question.name.to_text(omit_final_dot=True), dns.rdatatype.to_text(question.rdtype))
        )
        response = self.script(query, protocol)
        return response.to_wire() if isinstance(response, dns.message.Message) else response


@contextlib.asynccontextmanager
async def scripted(script: Script) -> AsyncIterator[Scripted]:
    """Run a scripted name server on one port, by UDP and TCP."""
    loop = asyncio.get_running_loop()
    server = Scripted(script)
    listener = socket.create_server((ports.LOOPBACK, 0))
    server.port = listener.getsockname()[1]
    tcp = await asyncio.start_server(server.serve_tcp, sock=listener)
    transport, _ = await loop.create_datagram_endpoint(lambda: server, local_addr=(ports.LOOPBACK, server.port))
    try:
        yield server
    finally:
        transport.close()
        tcp.close()
        await tcp.wait_closed()


def respond(query: dns.message.Message, *records: str, rcode: str = "NOERROR", flags: int = 0) -> dns.message.Message:
    """Return a response with these records, each in one line of a zone file: ``name TTL type data``."""
    response = dns.message.make_response(query, recursion_available=True)
    response.set_rcode(dns.rcode.from_text(rcode))
    response.flags |= flags
    for record in records:
        name, ttl, kind, data = record.split(" ", 3)
        section = response.authority if kind == "SOA" else response.answer
        section.append(dns.rrset.from_text(name, int(ttl), "IN", kind, data))
    return response
