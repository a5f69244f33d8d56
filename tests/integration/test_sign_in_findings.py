"""What ``postroad check`` says of the OpenID provider, with a real one that runs, and one that does not."""

import msgspec
import pytest

from postroad.accounts.settings import AccountsSettings, OidcSettings
from postroad.cli import sign_in_findings
from postroad.config import Settings
from postroad.httpd.settings import HttpSettings
from tests.integration.openid_flow import CALLBACK, settings_for
from tests.peers.openid import OpenIdPeer
from tests.peers.ports import free_port

PUBLIC = HttpSettings(public_url="https://mail.example.com/")


def settings_of(oidc: OidcSettings, http: HttpSettings = PUBLIC) -> Settings:
    return Settings(accounts=AccountsSettings(oidc=oidc), http=http)


async def test_nothing_is_said_where_there_is_no_provider() -> None:
    assert sign_in_findings.single_sign_on(Settings()) == []
    assert await sign_in_findings.provider(Settings()) == []


def test_a_provider_needs_a_name_to_send_people_back_to() -> None:
    oidc = OidcSettings(issuer="https://login.example.com", client_id="postroad")

    [finding] = sign_in_findings.single_sign_on(settings_of(oidc, HttpSettings()))
    assert (finding.status, "http.public_url" in finding.remedy) == ("wrong", True)
    [finding] = sign_in_findings.single_sign_on(settings_of(oidc))
    assert finding.status == "ok"
    assert CALLBACK in finding.text


@pytest.mark.peer("npm:oidc-provider")
async def test_the_provider_is_asked_for_its_description_and_keys() -> None:
    with OpenIdPeer(CALLBACK) as peer:
        settings = settings_for(peer)
        [finding] = await sign_in_findings.provider(settings_of(settings))
        assert finding.status == "ok"

        other = msgspec.structs.replace(settings, issuer=f"{peer.issuer}/")
        [finding] = await sign_in_findings.provider(settings_of(other))
        assert (finding.status, "names itself differently" in finding.text) == ("wrong", True)

    [finding] = await sign_in_findings.provider(settings_of(settings))
    assert (finding.status, "cannot be used" in finding.text) == ("wrong", True)


async def test_a_provider_that_is_away_is_said() -> None:
    oidc = OidcSettings(issuer=f"http://127.0.0.1:{free_port()}", client_id="postroad", allow_private_addresses=True)

    [finding] = await sign_in_findings.provider(settings_of(oidc))

    assert finding.status == "wrong"
    assert "cannot be reached at the moment" in finding.text
