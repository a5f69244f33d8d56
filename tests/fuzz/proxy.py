"""Fuzz target: the PROXY header; an answer never changes with what follows, and nothing else is raised.

``python -m tests.fuzz proxy`` runs it.
"""

import ipaddress

from postroad.protocol.proxy import LONGEST_HEADER, ProxyError, parse_proxy


def run_one(data: bytes) -> None:
    """Read ``data`` as the start of a connection."""
    try:
        header = parse_proxy(data)
    except ProxyError:
        return
    if header is None:
        assert len(data) < LONGEST_HEADER
        return
    assert header.length <= min(len(data), LONGEST_HEADER)
    assert parse_proxy(data[: header.length]) == header
    assert parse_proxy(data + b"EHLO\r\n") == header
    assert parse_proxy(data[: header.length - 1]) is None
    if header.source_address is not None:
        assert str(ipaddress.ip_address(header.source_address)) == header.source_address
        assert 0 <= (header.source_port or 0) <= 65535
