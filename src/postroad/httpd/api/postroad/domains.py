"""``/api/postroad/v1/domains``: the account's sending domains."""

from collections.abc import Awaitable
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET

from postroad.dialects.postroad import domains as documents
from postroad.dialects.postroad.domains import (
    DomainChange,
    DomainPage,
    DomainQuery,
    DomainsQuery,
    NewDomain,
    ShownDomain,
)
from postroad.dialects.postroad.operation import PREFIX
from postroad.dialects.postroad.paging import cursor_text, read_cursor
from postroad.dialects.postroad.problem import Fault, Refusal, faulty
from postroad.dialects.postroad.reading import read_body
from postroad.domains.registration import DISABLED_FROM, pause_reason, spelt
from postroad.httpd.api.postroad.calls import Call, Created, served
from postroad.model.domain import DomainQuery as Wanted
from postroad.model.domain import DomainSettings, DomainState, SendingDomain
from postroad.model.refused import RefusedError
from postroad.policy.record_comparison import RecordVerdict

T = TypeVar("T")

_PAUSE_S = 10
"""Between two checks of a domain, as each asks the name servers."""


async def list_domains(call: Call[DomainsQuery, None]) -> DomainPage:
    """List the domains, in the order of their names."""
    query = call.query
    wanted = Wanted(
        states=() if query.state is None else (query.state,),
        part=(query.name or "").lower(),
        after="" if query.cursor is None else read_cursor(query.cursor, tuple[str])[0],
        limit=query.limit,
    )
    found, left = await call.management.registration.page(call.managing.actor, call.managing.account_id, wanted)
    return DomainPage(
        domains=tuple(documents.listed(one) for one in found),
        next=cursor_text(found[-1].name) if left > len(found) else None,
    )


async def add(call: Call[None, NewDomain]) -> Created:
    """Add a domain with keys that are made here."""
    registration, managing = call.management.registration, call.managing
    name = spelt(call.body.name)
    mine, _ = await registration.page(managing.actor, managing.account_id, Wanted(name=name, limit=1))
    if mine:
        raise RefusedError(f"{name} is a sending domain of this account already.")
    adding = registration.add(managing.actor, managing.account_id, call.body.name, call.body.settings)
    domain = await _of_settings(adding)
    return Created(f"{PREFIX}/domains/{domain.name}", await _shown(call, domain))


async def show(call: Call[DomainQuery, None]) -> ShownDomain:
    """Show a domain with its records, and with what of them is published."""
    domain = await call.domain_of_path()
    verdicts = await call.management.verification.look(call.managing.actor, domain) if call.query.dns else []
    return await _shown(call, domain, verdicts)


async def change(call: Call[None, DomainChange]) -> ShownDomain | Refusal:
    """Change a domain's settings, pause it or let it go on, disable or enable it."""
    domain = await call.domain_of_path()
    registration, actor, wanted = call.management.registration, call.managing.actor, call.body
    settings = read_body(DomainSettings, msgspec.to_builtins(domain.settings) | wanted.settings)
    if isinstance(settings, list):
        return faulty([Fault(one.detail, f"settings.{one.field}", one.rule) for one in settings])
    _require_possible(domain, wanted)
    if wanted.settings:
        changing = registration.change_settings(actor, domain.name, settings, seen=domain.settings)
        domain = await _of_settings(changing)
    if wanted.is_paused is True and domain.paused_at is None:
        domain = await registration.pause(actor, domain.name, wanted.pause_reason)
    elif wanted.is_paused is False and domain.paused_at is not None:
        domain = await registration.resume(actor, domain.name)
    if wanted.is_disabled is True and domain.state is not DomainState.DISABLED:
        domain = await registration.disable(actor, domain.name)
    elif wanted.is_disabled is False and domain.state is DomainState.DISABLED:
        domain = await registration.enable(actor, domain.name)
    return await _shown(call, domain)


def _require_possible(domain: SendingDomain, wanted: DomainChange) -> None:
    """Refuse what cannot be done of a change before any of it is."""
    if wanted.pause_reason and wanted.is_paused is not True:
        raise RefusedError("It is said beside `is_paused`, which is true then.", field="pause_reason")
    try:
        reason = pause_reason(wanted.pause_reason)
    except RefusedError as error:
        raise RefusedError(str(error), field="pause_reason") from error
    if reason and domain.paused_at is not None and reason != domain.pause_reason:
        raise RefusedError(f"{domain.name} is paused already, for another reason: {domain.pause_reason}")
    is_rejected = domain.state is DomainState.REJECTED and wanted.is_disabled is not UNSET
    if is_rejected or (wanted.is_disabled is True and domain.state not in DISABLED_FROM | {DomainState.DISABLED}):
        raise RefusedError(f"{domain.name} is {domain.state.value}: this cannot be done now.")


async def remove(call: Call[None, None]) -> None:
    """Remove a domain that nothing is bound to."""
    domain = await call.domain_of_path()
    await call.management.registration.remove(call.managing.actor, domain.name)


async def verify(call: Call[None, None]) -> ShownDomain:
    """Look at all records of a domain; it goes on as they allow."""
    domain = await call.domain_of_path()
    verification = call.management.verification
    verdicts = await verification.verify(call.managing.actor, domain.id, at_most_every_s=_PAUSE_S)
    return await _shown(call, await call.managing.domain(domain.name), verdicts)


async def rotate_dkim(call: Call[None, None]) -> ShownDomain:
    """Make new keys."""
    domain = await call.domain_of_path()
    await call.management.registration.rotate_dkim(call.managing.actor, domain.name)
    return await _shown(call, domain)


async def _shown(
    call: Call[Any, Any],
    domain: SendingDomain,
    verdicts: list[RecordVerdict] | None = None,
) -> ShownDomain:
    verification = call.management.verification
    keys = await call.management.registration.keys_of(domain)
    records = await verification.expected(domain)
    return documents.shown(domain, keys, records, verdicts or (), stops_at=verification.stops_at(domain))


async def _of_settings(changing: Awaitable[T]) -> T:
    """Return what a change of settings comes to; what is wrong is named as the body has it."""
    try:
        return await changing
    except RefusedError as error:
        if type(error) is RefusedError and error.field in DomainSettings.__struct_fields__:
            raise RefusedError(str(error), field=f"settings.{error.field}") from error
        raise


SERVED = (
    served(documents.LIST_DOMAINS, list_domains),
    served(documents.ADD_DOMAIN, add),
    served(documents.SHOW_DOMAIN, show),
    served(documents.CHANGE_DOMAIN, change),
    served(documents.REMOVE_DOMAIN, remove),
    served(documents.VERIFY_DOMAIN, verify),
    served(documents.ROTATE_DKIM, rotate_dkim),
)
