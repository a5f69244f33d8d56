"""What a domain's page says of people's mail clients, where the installation has a name that these can know."""

from pathlib import Path

import msgspec
import pytest

from postroad.config import Settings
from postroad.model.domain import DomainSettings
from postroad.storage import domains
from postroad.storage.database import Database
from postroad.storage.secrets import Vault
from tests.console.conftest import Client, World


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    sections = {
        "data_dir": str(tmp_path),
        "smtp": {"hostname": "mail.host.example", "listen": [":587"], "listen_tls": [":465"]},
        "http": {"public_url": "https://console.host.example"},
    }
    return msgspec.convert(sections, Settings)


async def test_the_page_shows_the_records_for_mail_clients_and_what_to_type(admin: Client, world: World) -> None:
    text = (await admin.get(f"/domains/{world.domain.name}")).text

    assert f"_submissions._tcp.{world.domain.name}" in text
    assert "0 1 465 mail.host.example" in text
    assert f"autoconfig.{world.domain.name}" in text
    assert "465 with SSL/TLS, or 587 with STARTTLS" in text
    assert "apple.mobileconfig" not in text
    assert "Thunderbird and Apple’s Mail set up an account only with a mailbox" in text


async def test_a_profile_is_offered_where_the_mailboxes_are_known(
    admin: Client, world: World, database: Database
) -> None:
    known = msgspec.structs.replace(world.domain, settings=DomainSettings(imap_host="imap.provider.example"))
    await database.write(domains.change, Vault(bytes(32)), world.domain, known)

    text = (await admin.get(f"/domains/{world.domain.name}")).text

    assert 'action="/mail/apple.mobileconfig"' in text
    assert "set up an account only with a mailbox" not in text
