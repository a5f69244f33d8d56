"""Checking one address: whether mail to it is likely to arrive."""

from starlette.responses import Response
from starlette.routing import BaseRoute

from postroad.httpd.console.forms import Form
from postroad.httpd.console.route import Access, page
from postroad.httpd.console.view import View
from postroad.model.address_check import AddressCheck, AddressReason, AddressResult
from postroad.model.refused import RefusedError
from postroad.policy.address_check import LONGEST

_PATH = "/suppressions/check"
_RESULTS = {
    AddressResult.DELIVERABLE: "Deliverable",
    AddressResult.RISKY: "Risky",
    AddressResult.UNDELIVERABLE: "Undeliverable",
    AddressResult.UNKNOWN: "Unknown",
}
_BADGES = {
    AddressResult.DELIVERABLE: "good",
    AddressResult.RISKY: "warn",
    AddressResult.UNDELIVERABLE: "bad",
}
_REASONS = {
    AddressReason.SYNTAX: "It is no address.",
    AddressReason.NO_SUCH_DOMAIN: "Its domain does not exist.",
    AddressReason.NULL_MX: "Its domain takes no mail.",
    AddressReason.NO_MAIL_HOST: "Its domain has no mail host that can be reached.",
    AddressReason.BOUNCED: "It bounced, and no mail has reached it since.",
    AddressReason.DISPOSABLE: "It is a disposable one, which is gone soon.",
    AddressReason.TYPO: "Its domain looks like a misspelt one.",
    AddressReason.FAILING: "The last mail to it came back: its mailbox may be full.",
    AddressReason.ROLE: "It is of a role or a team, not of a person.",
    AddressReason.DNS_AWAY: "DNS gives no answer at the moment: try again later.",
}
_EXPLAINED = frozenset({AddressReason.SYNTAX, AddressReason.NO_MAIL_HOST, AddressReason.DNS_AWAY})
"""Those that the detail says more about."""


def routes() -> list[BaseRoute]:
    """Return the routes of the check."""
    return [
        page(_PATH, ask, access=Access.ACCOUNT),
        page(_PATH, check, access=Access.ACCOUNT, methods=("POST",)),
    ]


async def ask(view: View) -> Response:
    """Ask for an address."""
    return _shown(view, Form.of(address=""))


async def check(view: View) -> Response:
    """Say what is known of an address, by the mail of the chosen sending domain or of all of the account's."""
    form = view.form
    address = form.text("address").strip()
    try:
        if not address:
            raise RefusedError("Write the address to check.", field="address")
        if len(address) > LONGEST:
            raise RefusedError(f"An address to check has at most {LONGEST} characters.", field="address")
        domain_id = view.domain.id if view.domain else None
        found = await view.console.address_checks.check(view.actor, address, domain_id)
    except RefusedError as error:
        return _shown(view, form.refuse(error), status=422)
    return _shown(view, form, found)


def _shown(view: View, form: Form, found: AddressCheck | None = None, status: int = 200) -> Response:
    return view.page(
        "address_check.html",
        status=status,
        form=form,
        found=found,
        results=_RESULTS,
        badges=_BADGES,
        reasons=_REASONS,
        explained=_EXPLAINED,
    )
