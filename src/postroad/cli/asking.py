"""Asks the running node, over its admin listener, what only the memory of its workers knows."""

import http.client
from typing import Any

import msgspec

from postroad.model.ids import text_of
from postroad.net.listen import parse_endpoint

_WITHIN_S = 1.0


def where_it_waits(admin_listen: str, delivery_id: int) -> str | None:
    """Return in a sentence where a delivery that this node holds is; None where the node does not answer in time."""
    if not admin_listen:
        return None
    endpoint = parse_endpoint(admin_listen)
    # What listens on every address listens on the loopback too.
    host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(endpoint.host, endpoint.host)  # noqa: S104
    connection = http.client.HTTPConnection(host, endpoint.port, timeout=_WITHIN_S)
    try:
        connection.request("GET", f"/why/{text_of(delivery_id)}")
        reply = connection.getresponse()
        if reply.status != http.HTTPStatus.OK:
            return None
        document = msgspec.json.decode(reply.read(), type=dict[str, Any])
    except (OSError, http.client.HTTPException, msgspec.DecodeError):
        return None
    finally:
        connection.close()
    reason = document.get("reason")
    return f"There it waits for {reason}." if reason else "There it is under way at this moment."
