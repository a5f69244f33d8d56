"""Which sockets a node binds: each door of the configuration, once for every worker slot."""

import socket
from collections.abc import Mapping

from postroad.config import Settings
from postroad.net.listen import bind, parse_endpoint
from postroad.node.certificate import is_obtained

SUBMISSION = "submission"
SUBMISSION_TLS = "submission-tls"
SUBMISSION_BY_ADDRESS = "submission-by-address"
INBOUND = "inbound"
HTTP = "http"
HTTP_TLS = "http-tls"
ACME = "acme"

SlotSockets = dict[str, tuple[socket.socket, ...]]


def bind_doors(settings: Settings, slots: int, roles: frozenset[str]) -> list[SlotSockets]:
    """Return the listening sockets of each slot by door; raises ListenError or ValueError with a sentence."""
    rows: list[SlotSockets] = [{} for _ in range(slots)]
    for door, addresses in _addresses(settings, roles).items():
        for address in addresses:
            for row, sockets in zip(rows, bind(parse_endpoint(address), slots), strict=True):
                row[door] = row.get(door, ()) + sockets
    return rows


def _addresses(settings: Settings, roles: frozenset[str]) -> Mapping[str, tuple[str, ...]]:
    doors: dict[str, tuple[str, ...]] = {}
    if "smtp" in roles:
        doors[SUBMISSION] = settings.smtp.listen
        doors[SUBMISSION_TLS] = settings.smtp.listen_tls
        doors[SUBMISSION_BY_ADDRESS] = settings.smtp.listen_by_address
        doors[INBOUND] = settings.inbound.listen
    if "http" in roles:
        doors[HTTP] = settings.http.listen
        doors[HTTP_TLS] = settings.http.listen_tls
    if is_obtained(settings) and roles & {"smtp", "http"}:
        # The names may lead to any node that clients connect to, so each of these answers the authority.
        doors[ACME] = settings.tls.acme.http_listen
    return doors
