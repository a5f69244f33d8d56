"""Inbound routes in the console: added, put in order, removed."""

from postroad.httpd.console.console import Console
from postroad.model.actor import SYSTEM
from postroad.model.inbound_route import RouteGroup

from .conftest import Client, World


async def order(console: Console, name: str) -> list[str]:
    return [one.mail_to for one in await console.inbound_routes.of_domain(SYSTEM, name)]


async def test_a_route_is_added_moved_and_removed(admin: Client, world: World, console: Console) -> None:
    name = world.domain.name
    path = f"/domains/{name}/routes"
    assert "No inbound route yet" in (await admin.get(path)).text
    assert path in (await admin.get(f"/domains/{name}")).text

    for mail_to, action in (("^help@", "forward"), ("^noise@", "stop")):
        reply = await admin.send_form(f"{path}/new", mail_to=mail_to, action=action, forward_to="desk@r.example")
        assert (reply.status_code, reply.headers["location"]) == (303, path)
    text = (await admin.get(path)).text
    assert "to /^help@/" in text.replace("<wbr>", "")
    assert "forward to desk@r.example" in text.replace("<wbr>", "")
    assert await order(console, name) == ["^help@", "^noise@"]

    await admin.send_form(f"{path}/2/move", to="1")
    assert await order(console, name) == ["^noise@", "^help@"]
    assert "stop" in (await admin.get(f"{path}/1/remove")).text
    await admin.send_form(f"{path}/1/remove")
    assert await order(console, name) == ["^help@"]


async def test_a_description_from_elsewhere_is_shown(admin: Client, world: World, console: Console) -> None:
    group = RouteGroup(mail_to="^help@", is_stop=True, description="Support & <help>")
    await console.inbound_routes.put_group(SYSTEM, world.domain.name, group)
    text = (await admin.get(f"/domains/{world.domain.name}/routes")).text
    assert "Support &amp; &lt;help&gt;" in text.replace("<wbr>", "")


async def test_what_makes_no_sense_is_told_beside_its_field(admin: Client, world: World, console: Console) -> None:
    path = f"/domains/{world.domain.name}/routes"
    for field, value, sentence in (
        ("mail_to", "(", "missing )"),
        ("forward_to", "", "Name the address to forward to"),
        ("forward_to", f"me@{world.domain.name}", "comes here again"),
    ):
        reply = await admin.send_form(f"{path}/new", **{"action": "forward", "forward_to": "a@r.example", field: value})
        assert reply.status_code == 422
        assert sentence in reply.text
        assert f'id="{field}-error"' in reply.text
    assert (await admin.send_form(f"{path}/9/move", to="1")).status_code == 404
    assert await order(console, world.domain.name) == []


async def test_who_may_only_look_sees_them(user: Client, world: World) -> None:
    text = (await user.get(f"/domains/{world.domain.name}/routes")).text

    assert "An admin of this account can add one" in text
    assert "Add route" not in text
