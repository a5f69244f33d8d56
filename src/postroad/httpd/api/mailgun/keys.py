"""``/v1/keys``: the API keys of an account and of its domains."""

from starlette.requests import Request
from starlette.responses import Response

from postroad.dialects.mailgun.keys import KINDS, is_of_kind, key_document, read_wanted
from postroad.httpd.api.mailgun.named import answered, domain_named, parameters_of
from postroad.httpd.api.managing import Managing, managed
from postroad.httpd.api.routes import Served
from postroad.model.refused import MissingError
from postroad.storage import domains

_MOST = 1000
"""Keys in one answer: it has no pages."""


async def listed(managing: Managing, request: Request) -> Response:
    """List the keys, the latest first."""
    parameters = await parameters_of(managing, request)
    kind, name = parameters.one_of("kind", KINDS), parameters.text("domain_name")
    domain_id = (await domain_named(managing, name)).id if name else None
    found = await managing.management.api_keys.all(managing.actor, account_id=managing.account_id, domain_id=domain_id)
    told = [one for one in reversed(found) if is_of_kind(one, kind)]
    shown = told[:_MOST]
    named = await managing.services.database.read(
        domains.get_many, {one.domain_id for one in shown if one.domain_id is not None}
    )
    names = {one.id: one.name for one in named}
    items = [key_document(one, None if one.domain_id is None else names.get(one.domain_id)) for one in shown]
    return answered({"items": items, "total_count": len(told)})


async def add(managing: Managing, request: Request) -> Response:
    """Make a key; its text is in this answer only."""
    wanted = read_wanted(await parameters_of(managing, request))
    api_keys = managing.management.api_keys
    if wanted.domain:
        domain = await domain_named(managing, wanted.domain)
        added = await api_keys.add_for_domain(managing.actor, domain.name, note=wanted.note)
        document = key_document(added.key, domain.name)
    else:
        added = await api_keys.add_for_account(
            managing.actor, managing.account_id, note=wanted.note, networks=managing.networks
        )
        document = key_document(added.key, None)
    document["secret"] = str(added.text)
    # Mailgun's own libraries read the one or the other.
    return answered({"message": "great success", "key": document, **document})


async def remove(managing: Managing, request: Request) -> Response:
    """Remove a key; it is refused within five seconds."""
    key_id = request.path_params["key_id"]
    if not (key_id.isascii() and key_id.isdecimal() and len(key_id) < 19):
        raise MissingError("There is no such API key.")
    await managing.management.api_keys.remove(managing.actor, int(key_id))
    return answered({"message": "key deleted"})


SERVED = (
    Served("GET", "/v1/keys", managed(listed)),
    Served("POST", "/v1/keys", managed(add)),
    Served("DELETE", "/v1/keys/{key_id}", managed(remove)),
)
