"""The domain's page says how its tracking host stands, and has it looked at again."""

from pathlib import Path

import msgspec
import pytest

from postroad.config import Settings
from postroad.httpd.console.console import Console
from postroad.model.domain import DomainSettings
from postroad.net.clock import now_ms
from postroad.storage import certificates, domains
from postroad.storage.certificates import Issued
from postroad.storage.database import Database
from postroad.storage.secrets import Vault

from .conftest import Client, World

HOST = "t.news.acme.example"
DIRECTORY = "https://authority.example/directory"
DAY = 86_400_000


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    doors = {"tls": {"acme": {"directory": DIRECTORY, "agree_terms": True}}, "http": {"listen_tls": [":443"]}}
    return msgspec.convert({"data_dir": str(tmp_path)} | doors, Settings)


@pytest.fixture
async def path(database: Database, world: World) -> str:
    """The page of a domain with a tracking host of its own."""
    own = msgspec.structs.replace(world.domain, settings=DomainSettings(tracking_host=HOST))
    assert await database.write(domains.change, Vault(bytes(32)), world.domain, own, ())
    return f"/domains/{world.domain.name}"


async def test_without_a_certificate_links_are_said_to_be_plain(admin: Client, path: str) -> None:
    text = (await admin.get(path)).text

    assert "Tracked links lead over this host." in text
    assert "No HTTPS" in text


async def test_why_there_is_no_certificate_is_said_and_a_check_has_it_tried_at_once(
    admin: Client, path: str, database: Database
) -> None:
    later = now_ms() + DAY
    await database.write(certificates.claim, None, DIRECTORY, later, HOST)
    await database.write(certificates.note_astray, f"{HOST} leads nowhere: publish its record.", later, HOST)

    text = (await admin.get(path)).text
    assert f"could not be obtained: {HOST} leads nowhere: publish its record." in text
    assert "This is tried again at" in text
    assert "Does not lead here" in text

    assert (await admin.send_form(f"{path}/check")).status_code == 200
    seen = await database.read(certificates.of_host, HOST)
    assert seen is not None
    assert seen.next_attempt_at < later


async def test_after_a_refusal_of_the_authority_a_check_does_not_hurry_it(
    admin: Client, path: str, database: Database
) -> None:
    later = now_ms() + DAY
    await database.write(certificates.claim, None, DIRECTORY, later, HOST)
    await database.write(certificates.note_failure, f"{HOST}: too many failures", later, HOST)

    await admin.send_form(f"{path}/check")
    seen = await database.read(certificates.of_host, HOST)
    assert seen is not None
    assert seen.next_attempt_at == later


async def test_a_certificate_of_its_own_is_shown_with_its_end(
    admin: Client, path: str, database: Database, console: Console, world: World
) -> None:
    await database.write(certificates.claim, None, DIRECTORY, 1, HOST)
    issued = Issued(certificate="chain\n", private_key=b"key", expires_at=now_ms() + DAY, renewal_at=now_ms())
    await database.write(certificates.store, Vault(bytes(32)), issued, HOST)

    text = (await admin.get(path)).text
    assert "Its own, obtained from the authority" in text
    assert "Valid until" in text
    assert "Leads here" in text
    domain = await database.read(domains.get, world.domain.id)
    assert domain is not None
    standing = await console.tracking_hosts.standing(domain)
    assert standing is not None
    assert (standing.certificate, standing.is_https) == ("own", True)
