"""``/api/postroad/v1/api-keys``: the account's keys, and those of its sending domains."""

from collections.abc import Iterable
from typing import Any

from msgspec import UNSET

from postroad.accounts.network_values import checked_networks, require_entries
from postroad.dialects.postroad import api_keys as documents
from postroad.dialects.postroad.api_keys import ApiKeyChange, ApiKeyPage, ApiKeysQuery, NewApiKey, ShownApiKey
from postroad.dialects.postroad.operation import PREFIX
from postroad.dialects.postroad.paging import page_of
from postroad.httpd.api.postroad.calls import Call, Created, served
from postroad.model.credential import ApiKey
from postroad.model.refused import RefusedError
from postroad.policy.network_list import first_beyond, in_words, networks_in


async def list_api_keys(call: Call[ApiKeysQuery, None]) -> ApiKeyPage:
    """List the keys, in the order in which they were added."""
    query = call.query
    found = await call.management.api_keys.all(
        call.managing.actor, account_id=call.managing.account_id, domain_id=await call.domain_id(query.domain)
    )
    shown, following = page_of(found, lambda one: one.id, int, query.cursor, query.limit)
    names = await call.names_of({one.domain_id for one in shown if one.domain_id is not None})
    return ApiKeyPage(
        api_keys=tuple(documents.shown(one, names.get(one.domain_id or 0)) for one in shown), next=following
    )


async def add(call: Call[None, NewApiKey]) -> Created:
    """Add a key; its text is in this answer only."""
    wanted, keys, actor = call.body, call.management.api_keys, call.managing.actor
    require_entries(wanted.networks)
    if wanted.domain is None:
        networks = _within_reach(call, wanted.networks) or call.managing.networks
        added = await keys.add_for_account(actor, call.managing.account_id, note=wanted.note, networks=networks)
    else:
        networks = " ".join(wanted.networks)
        added = await keys.add_for_domain(actor, wanted.domain, note=wanted.note, networks=networks)
    document = documents.added(added.key, await _domain_name(call, added.key), str(added.text))
    return Created(f"{PREFIX}/api-keys/{added.key.id}", document)


async def show(call: Call[None, None]) -> ShownApiKey:
    """Show a key."""
    return await _shown(call, await call.management.api_keys.get(call.managing.actor, _id(call)))


async def change(call: Call[None, ApiKeyChange]) -> ShownApiKey:
    """Change a key's note and networks."""
    wanted, keys, actor = call.body, call.management.api_keys, call.managing.actor
    key = await keys.get(actor, _id(call))
    if wanted.networks is not UNSET:
        require_entries(wanted.networks)
        networks = " ".join(wanted.networks)
        if key.domain_id is None:
            networks = _within_reach(call, wanted.networks)
            if call.managing.networks and not networks:
                raise RefusedError("a key that is bound to networks frees no other one: name some", field="networks")
        key = await keys.set_networks(actor, key.id, networks)
    if wanted.note is not UNSET:
        key = await keys.edit(actor, key.id, wanted.note)
    return await _shown(call, key)


async def remove(call: Call[None, None]) -> None:
    """Remove a key; it is refused within five seconds."""
    await call.management.api_keys.remove(call.managing.actor, _id(call))


def _within_reach(call: Call[Any, Any], wanted: Iterable[str]) -> str:
    """Return the networks that a key of the account is to have; raises RefusedError for one beyond those of the caller."""
    networks, own = checked_networks(wanted), networks_in(call.managing.networks)
    beyond = first_beyond(networks, own) if own else None
    if beyond is not None:
        raise RefusedError(
            f"{in_words(beyond)} is in none of the networks that the calling key is bound to", field="networks"
        )
    return " ".join(networks)


def _id(call: Call[Any, Any]) -> int:
    return call.id("api_key_id", "API key")


async def _shown(call: Call[Any, Any], key: ApiKey) -> ShownApiKey:
    return documents.shown(key, await _domain_name(call, key))


async def _domain_name(call: Call[Any, Any], key: ApiKey) -> str | None:
    return None if key.domain_id is None else (await call.names_of({key.domain_id})).get(key.domain_id)


SERVED = (
    served(documents.LIST_API_KEYS, list_api_keys),
    served(documents.ADD_API_KEY, add),
    served(documents.SHOW_API_KEY, show),
    served(documents.CHANGE_API_KEY, change),
    served(documents.REMOVE_API_KEY, remove),
)
