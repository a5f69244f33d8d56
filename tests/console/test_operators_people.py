"""People, for operators: anybody is added with a link, looked after, and removed."""

import re

from postroad.httpd.console.console import Console
from postroad.model.actor import SYSTEM

from .conftest import Client, SignIn, World


async def test_an_operator_adds_people_and_hands_links_over(
    operator: Client, sign_in: SignIn, world: World, console: Console
) -> None:
    for email, account, is_operator in (("new@acme.example", "acme", False), ("op2@host.example", "", True)):
        reply = await operator.send_form("/people/new", email=email, account=account, role="admin", name="New")
        path = re.search(r"(/set-password/[^\"<]+)", reply.text)
        assert path is not None
        client: Client = await sign_in(None)
        assert email in (await client.get(path[1])).text
        assert (await console.people.find(SYSTEM, email)).is_operator is is_operator

    page = (await operator.get("/people")).text.replace("<wbr>", "")
    assert "new@acme.example" in page
    assert page.count("no password yet") == 2
    refused = await operator.send_form("/people/new", email="new@acme.example", account="acme", role="user")
    assert refused.status_code == 422
    assert "There is a user new@acme.example already." in refused.text
    assert 'value="new@acme.example"' in refused.text


async def test_an_operator_looks_after_anybody(operator: Client, user: Client, world: World, console: Console) -> None:
    base = f"/people/{world.user.id}"
    assert "acme (user)" in (await operator.get(base)).text
    link = await operator.send_form(f"{base}/password-link")
    assert "/set-password/" in link.text
    assert (await user.get("/")).status_code == 200
    await operator.send_form(f"{base}/sessions/end")
    assert (await user.get("/")).status_code == 303
    assert (await operator.send_form(f"{base}/second-factor/reset")).status_code == 422
    await operator.send_form(f"{base}/disable")
    assert (await console.people.get(SYSTEM, world.user.id)).disabled_at is not None
    await operator.send_form(f"{base}/enable")
    assert (await operator.get(f"{base}/remove")).status_code == 200
    assert (await operator.send_form(f"{base}/remove")).headers["location"] == "/people"
    assert (await operator.get(base)).status_code == 404


async def test_the_last_operator_stays(operator: Client, world: World) -> None:
    for what in ("disable", "remove"):
        reply = await operator.send_form(f"/people/{world.operator.id}/{what}")
        assert reply.status_code == 422
        assert "last operator" in reply.text
