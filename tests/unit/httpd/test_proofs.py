"""The door on port 80: proofs for the authority, and the way to the console for everybody else."""

import pytest
from starlette.testclient import TestClient

from postroad.httpd.proofs import Proofs, port_80_app

TOKEN = "LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0"
CONSOLE = "https://console.example:8443/"


async def find(token: str) -> str | None:
    assert len(token) > 20, "the database is asked for tokens only"
    return f"{token}.thumbprint" if token == TOKEN else None


def port_80(public_url: str = CONSOLE) -> TestClient:
    return TestClient(port_80_app(find, public_url), base_url="http://anyone.example", follow_redirects=False)


def test_the_proof_of_a_token_is_given_as_the_authority_wants_it() -> None:
    reply = port_80().get(f"/.well-known/acme-challenge/{TOKEN}")

    assert (reply.status_code, reply.text) == (200, f"{TOKEN}.thumbprint")
    assert reply.headers["content-type"] == "application/octet-stream"


@pytest.mark.parametrize("token", ["", "short", "a/b", "A" * 300, TOKEN[:-1] + ".", TOKEN[::-1]])
def test_other_tokens_get_nothing(token: str) -> None:
    assert port_80().get(f"/.well-known/acme-challenge/{token}").status_code == 404


@pytest.mark.parametrize(
    ("asked", "led_to"),
    [
        ("/", "https://console.example:8443/"),
        ("/domains?state=active&q=a%20b", "https://console.example:8443/domains?state=active&q=a%20b"),
        ("/a%2Fb", "https://console.example:8443/a%2Fb"),
        ("//evil.example/x", "https://console.example:8443/evil.example/x"),
        ("/autodiscover/autodiscover.xml", "https://console.example:8443/autodiscover/autodiscover.xml"),
    ],
)
def test_all_else_is_led_to_the_console_over_https(asked: str, led_to: str) -> None:
    reply = port_80().get(f"http://evil.example{asked}")

    assert (reply.status_code, reply.headers["location"]) == (302, led_to)


@pytest.mark.parametrize("public_url", ["", "http://console.example"])
def test_without_https_there_is_nowhere_to_lead_to(public_url: str) -> None:
    assert port_80(public_url).get("/").status_code == 404


def test_a_password_that_is_posted_in_the_clear_is_not_asked_for_again_elsewhere() -> None:
    assert port_80().post("/sign-in", data={"password": "x"}).status_code == 404


def test_in_front_of_another_application_only_proofs_are_answered() -> None:
    client = TestClient(Proofs(port_80_app(find, CONSOLE), find), follow_redirects=False)

    assert client.get(f"/.well-known/acme-challenge/{TOKEN}").status_code == 200
    assert client.get("/elsewhere").status_code == 302
