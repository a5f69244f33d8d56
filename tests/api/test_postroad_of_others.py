"""What our own API says of another account's things, by walking the table of its operations: a new one is in this at once."""

import re
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest

from postroad.accounts.api_keys import ApiKeys
from postroad.dialects.postroad.operation import Operation
from postroad.dialects.postroad.operations import OPERATIONS
from postroad.httpd.api.postroad.app import SERVED
from postroad.model.actor import SYSTEM
from postroad.model.domain import SendingDomain
from postroad.model.ids import text_of
from postroad.storage.database import Database

from .mail import store_message
from .own_api import Caller

WITH_NAMES = [one for one in OPERATIONS if "{" in one.path]
_PLACE = re.compile(r"{(\w+)(?::\w+)?}")


class Owner:
    """Another account, with a key of it, that makes one thing for every name that paths have."""

    def __init__(self, call: Caller, database: Database, domain: SendingDomain) -> None:
        self.call = call
        self._database = database
        self._domain = domain

    async def thing(self, name: str) -> str:
        """Make what stands for a name; a new name needs a line in ``_MAKERS``."""
        return await _MAKERS[name](self)

    async def domain(self) -> str:
        return self._domain.name

    async def message(self) -> str:
        return text_of((await store_message(self._database, self._domain, "ada@x.example")).id)

    async def suppression(self) -> str:
        wanted = {"kind": "block", "entries": [{"address": "a@x.example"}]}
        [added] = (await self._added("/suppressions", **wanted))["suppressions"]
        return str(added["id"])

    async def template(self) -> str:
        template = await self._added("/templates", name="welcome", html="<p>Hello</p>", subject="Welcome")
        version = {"html": "<p>Hello</p>", "subject": "Welcome", "is_active": False}
        await self.call.ok("POST", f"/templates/{template['id']}/versions", version)
        return str(template["id"])

    async def version(self) -> str:
        return "2"

    async def webhook(self) -> str:
        return str((await self._added("/webhooks", url="https://hooks.example.com/mail"))["id"])

    async def smtp_user(self) -> str:
        return str((await self._added("/smtp-users", username=f"app@{self._domain.name}"))["id"])

    async def api_key(self) -> str:
        return str((await self._added("/api-keys"))["id"])

    async def _added(self, path: str, **wanted: Any) -> Any:
        return await self.call.ok("POST", path, {"domain": self._domain.name, **wanted})


_MAKERS: dict[str, Callable[[Owner], Awaitable[str]]] = {
    "domain": Owner.domain,
    "message_id": Owner.message,
    "suppression_id": Owner.suppression,
    "template_id": Owner.template,
    "version": Owner.version,
    "webhook_id": Owner.webhook,
    "smtp_user_id": Owner.smtp_user,
    "api_key_id": Owner.api_key,
}


@pytest.fixture
async def owner(stranger: httpx2.AsyncClient, keys: ApiKeys, database: Database, foreign: SendingDomain) -> Owner:
    call = Caller(stranger, str((await keys.add_for_account(SYSTEM, foreign.account_id)).text))
    return Owner(call, database, foreign)


def test_every_call_that_names_a_thing_is_in_the_table() -> None:
    served = {(one.method, _PLACE.sub(r"{\1}", one.path)) for one in SERVED if "{" in one.path}
    assert served == {(one.method, one.whole_path) for one in WITH_NAMES}
    assert len(WITH_NAMES) > 25


@pytest.mark.parametrize("one", WITH_NAMES, ids=lambda one: one.name)
async def test_a_thing_of_another_account_does_not_exist_and_stays_as_it_is(
    one: Operation, own: Caller, owner: Owner
) -> None:
    path = one.path
    for name in _PLACE.findall(one.path):
        path = path.replace(f"{{{name}}}", await owner.thing(name))

    reply = await own(one.method, path, one.sample_body)
    assert (reply.status_code, reply.json()["detail"][:11]) == (404, "There is no"), reply.text
    # Without it the 404 would prove nothing: a path that is wrong in itself gives one as well.
    assert (await owner.call(one.method, path, one.sample_body)).status_code == one.status
