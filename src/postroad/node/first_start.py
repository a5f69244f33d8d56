"""What a first start needs for people: an operator, and a link by which it comes in."""

import asyncio
from pathlib import Path

from postroad.accounts.people.first_operator import FirstOperator
from postroad.accounts.people.links import Link, Links
from postroad.config import Settings
from postroad.net.clock import now_ms
from postroad.net.listen import parse_endpoint
from postroad.node.installation import hostname_of
from postroad.storage.database import Database
from postroad.storage.engine import open_database

# What listens on every address is reached on the loopback.
_EVERYWHERE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104


def console_url(settings: Settings) -> str:
    """Return where people reach the console: the public URL, else what this machine itself can open."""
    http = settings.http
    if http.public_url:
        return http.public_url.rstrip("/")
    if http.listen:
        endpoint = parse_endpoint(http.listen[0])
        host = _EVERYWHERE.get(endpoint.host, str(endpoint).rpartition(":")[0])
        return f"http://{host}:{endpoint.port}"
    port = parse_endpoint(http.listen_tls[0]).port if http.listen_tls else 443
    return f"https://{hostname_of(settings)}{'' if port == 443 else f':{port}'}"


def first_operator(settings: Settings, database: Database) -> FirstOperator:
    """Return what sees to the first operator."""
    return FirstOperator(database, now_ms, Links(console_url(settings)), email=settings.accounts.operator_email)


def operators_link(settings: Settings) -> Link | None:
    """Make an operator where there is none; returns a link to choose its password while no operator has one."""
    return asyncio.run(_operators_link(settings))


async def _operators_link(settings: Settings) -> Link | None:
    database = await open_database(
        settings.database.url,
        data_dir=Path(settings.data_dir),
        clock=now_ms,
        read_connections=1,
        is_checkpointer=False,
    )
    try:
        return await first_operator(settings, database).password_link()
    finally:
        await database.close()
