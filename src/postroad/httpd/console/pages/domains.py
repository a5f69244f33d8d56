"""Sending domains: the list, a new one, and each with its records, keys and settings."""

from collections.abc import Sequence
from typing import Any

import msgspec
from starlette.responses import Response
from starlette.routing import BaseRoute

from postroad.httpd.console.forms import Form
from postroad.httpd.console.route import Access, page
from postroad.httpd.console.settings_form import fields_of, filled_in
from postroad.httpd.console.view import Flash, View
from postroad.model.domain import DomainSettings, DomainState, SendingDomain
from postroad.model.refused import MissingError, RefusedError
from postroad.policy.quota import Period
from postroad.policy.record_comparison import RecordVerdict
from postroad.policy.records import as_zone_line

_CHECK_PAUSE_S = 10
_POST = ("POST",)
_QUOTAS = {Period.HOUR: "hourly_quota", Period.DAY: "daily_quota"}
"""The setting of each quota."""


def routes() -> list[BaseRoute]:
    """Return the routes of the domains."""
    return [
        page("/domains", list_domains, access=Access.ACCOUNT),
        page("/domains/new", new_domain, access=Access.ADMIN),
        page("/domains/new", add_domain, access=Access.ADMIN, methods=_POST),
        page("/domains/{domain}", show_domain, access=Access.ACCOUNT),
        page("/domains/{domain}/check", check_domain, access=Access.ADMIN, methods=_POST),
        page("/domains/{domain}/settings", change_settings, access=Access.ADMIN, methods=_POST),
        page("/domains/{domain}/rotate-dkim", ask_rotate, access=Access.ADMIN),
        page("/domains/{domain}/rotate-dkim", rotate_dkim, access=Access.ADMIN, methods=_POST),
        page("/domains/{domain}/disable", ask_disable, access=Access.ADMIN),
        page("/domains/{domain}/disable", disable, access=Access.ADMIN, methods=_POST),
        page("/domains/{domain}/enable", enable, access=Access.ADMIN, methods=_POST),
        page("/domains/{domain}/pause", ask_pause, access=Access.ADMIN),
        page("/domains/{domain}/pause", pause, access=Access.ADMIN, methods=_POST),
        page("/domains/{domain}/resume", resume, access=Access.ADMIN, methods=_POST),
        page("/domains/{domain}/remove", ask_remove, access=Access.ADMIN),
        page("/domains/{domain}/remove", remove, access=Access.ADMIN, methods=_POST),
    ]


async def list_domains(view: View) -> Response:
    """Show the account's domains with their states."""
    return view.page("domains.html", domains=view.domains)


async def new_domain(view: View) -> Response:
    """Ask for the name of a new domain, with advice on choosing it."""
    return view.page("domain_new.html", form=Form())


async def add_domain(view: View) -> Response:
    """Add a domain and show what is to be done next."""
    try:
        added = await view.console.registration.add(view.actor, view.account_id, view.form.text("name"))
    except RefusedError as error:
        return view.page("domain_new.html", status=422, form=view.form.refuse(error))
    if added.state is DomainState.VETTING:
        said = f"{added.name} was added. The operator looks at it; publish its DNS records meanwhile."
    elif added.state is DomainState.ACTIVE:
        said = f"{added.name} was added and may send."
    else:
        said = f"{added.name} was added. Publish its DNS records, then check them here."
    return view.go(_path(added), said)


async def show_domain(view: View) -> Response:
    """Show one domain."""
    return await _domain_page(view, await _domain(view))


async def check_domain(view: View) -> Response:
    """Compare the domain's records with live DNS, and show what was found record by record."""
    domain = await _domain(view)
    verdicts: Sequence[RecordVerdict] = ()
    problem = ""
    try:
        verdicts = await view.console.verification.verify(view.actor, domain.id, at_most_every_s=_CHECK_PAUSE_S)
    except RefusedError as error:
        problem = view.form.refuse(error).errors[error.field]
    else:
        await view.console.tracking_hosts.look_again(domain)
    domain = await _domain(view)
    if not view.is_fragment:
        return await _domain_page(view, domain, verdicts=verdicts, problem=problem)
    return view.page("domain_check.html", **await _facts(view, domain, verdicts, problem))


async def change_settings(view: View) -> Response:
    """Give the domain other settings."""
    domain = await _domain(view)
    try:
        touched = view.form.touched(_filled_in(domain), DomainSettings.__struct_fields__)
        typed = msgspec.structs.asdict(filled_in(domain.settings, view.form))
        settings = msgspec.structs.replace(domain.settings, **{name: typed[name] for name in touched})
        await view.console.registration.change_settings(view.actor, domain.name, settings, seen=domain.settings)
    except RefusedError as error:
        return await _domain_page(view, domain, status=422, form=view.form.refuse(error))
    return view.go(_path(domain), "The settings were saved; they hold within five seconds.")


async def ask_rotate(view: View) -> Response:
    """Ask before a new DKIM key is made."""
    return view.page("domain_rotate.html", domain=await _domain(view))


async def rotate_dkim(view: View) -> Response:
    """Make a new DKIM key; the old one signs until the new one is seen in DNS."""
    domain = await _domain(view)
    keys = await view.console.registration.rotate_dkim(view.actor, domain.name)
    said = f"A new key was made: publish its record {keys[-1].selector}._domainkey.{domain.name}, then check."
    return view.go(_path(domain), said)


async def ask_disable(view: View) -> Response:
    """Ask before a domain's mail is stopped."""
    return view.page("domain_disable.html", domain=await _domain(view))


async def disable(view: View) -> Response:
    """Stop the domain's mail."""
    domain = await view.console.registration.disable(view.actor, _name(view))
    return view.go(_path(domain), Flash(f"{domain.name} is disabled: it accepts no mail.", "warn"))


async def enable(view: View) -> Response:
    """Let a disabled domain go on."""
    domain = await view.console.registration.enable(view.actor, _name(view))
    is_active = domain.state is DomainState.ACTIVE
    return view.go(
        _path(domain), f"{domain.name} {'may send again' if is_active else 'sends again once it is checked'}."
    )


async def ask_pause(view: View) -> Response:
    """Ask why a domain's new mail is to be put off."""
    return view.page("domain_pause.html", domain=await _domain(view), form=Form())


async def pause(view: View) -> Response:
    """Put off the domain's new mail."""
    domain = await _domain(view)
    try:
        await view.console.registration.pause(view.actor, domain.name, view.form.text("reason"))
    except RefusedError as error:
        return view.page("domain_pause.html", status=422, domain=domain, form=view.form.refuse(error))
    return view.go(_path(domain), Flash(f"{domain.name} is paused: its new mail is put off.", "warn"))


async def resume(view: View) -> Response:
    """Accept the domain's mail again."""
    domain = await view.console.registration.resume(view.actor, _name(view))
    return view.go(_path(domain), f"{domain.name} is resumed; its bounces are counted anew.")


async def ask_remove(view: View) -> Response:
    """Ask before a domain is removed."""
    return view.page("domain_remove.html", domain=await _domain(view))


async def remove(view: View) -> Response:
    """Remove a domain that nothing is bound to."""
    domain = await _domain(view)
    try:
        await view.console.registration.remove(view.actor, domain.name)
    except RefusedError as error:
        return view.page("domain_remove.html", status=422, domain=domain, form=view.form.refuse(error))
    return view.go("/domains", f"{domain.name} was removed.")


def _name(view: View) -> str:
    return str(view.request.path_params["domain"])


async def _domain(view: View) -> SendingDomain:
    try:
        return await view.console.registration.find(view.actor, _name(view))
    except MissingError:
        raise
    except RefusedError as error:
        # What is no domain name at all names no domain either.
        raise MissingError(f"There is no sending domain {_name(view)}.") from error


def _path(domain: SendingDomain) -> str:
    return f"/domains/{domain.name}"


def _filled_in(domain: SendingDomain) -> Form:
    return Form.of(**msgspec.to_builtins(domain.settings))


async def _domain_page(
    view: View,
    domain: SendingDomain,
    *,
    status: int = 200,
    form: Form | None = None,
    verdicts: Sequence[RecordVerdict] = (),
    problem: str = "",
) -> Response:
    settings = msgspec.to_builtins(domain.settings)
    usage = await view.console.registration.usage_of(domain)
    values = await _facts(view, domain, verdicts, problem) | {
        "form": form or _filled_in(domain),
        "fields": fields_of(DomainSettings),
        "usage": {_QUOTAS[demand.period]: (demand, used) for demand, used in usage},
        "settings": settings,
    }
    return view.page("domain.html", status=status, **values)


async def _facts(view: View, domain: SendingDomain, verdicts: Sequence[RecordVerdict], problem: str) -> dict[str, Any]:
    records = await view.console.verification.expected(domain)
    judged = {(one.expected.name, one.expected.value): one for one in verdicts}
    return {
        "domain": domain,
        "keys": await view.console.registration.keys_of(domain),
        "records": [(record, judged.get((record.name, record.value))) for record in records],
        "zone": "\n".join(as_zone_line(record) for record in records),
        "stops_at": view.console.verification.stops_at(domain),
        "has_checked": bool(verdicts),
        "problem": problem,
        "tracking_host": await view.console.tracking_hosts.standing(domain),
    }
