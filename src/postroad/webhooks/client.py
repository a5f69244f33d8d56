"""The HTTP client that calls are made with."""

from postroad.dns.host_addresses import HostAddresses
from postroad.dns.resolver import Lookup
from postroad.net.http_client import HttpClient
from postroad.webhooks.settings import WebhooksSettings


def client_for(settings: WebhooksSettings, lookup: Lookup) -> HttpClient:
    """Return a client that asks our own resolver, and reaches what the settings allow."""
    return HttpClient(
        allow_private_addresses=settings.allow_private_addresses,
        resolver=HostAddresses(lookup),
        connections=settings.calls_at_once,
    )
