"""The overview: what happened lately, and what needs attention."""

from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from postroad.events.overview import SHOWN, Overview
from postroad.events.rates import rates_in
from postroad.httpd.console.route import Access, page
from postroad.httpd.console.view import View
from postroad.policy.attention import Place, Severity

_PATHS = {
    Place.DOMAINS: "/domains",
    Place.DOMAIN: "/domains/{}",
    Place.VETTING: "/vetting",
    Place.SMTP_USERS: "/credentials/smtp-users",
    Place.LOCKOUTS: "/credentials/lockouts",
    Place.BOUNCES: "/messages?state=bounced&span=24h",
    Place.DEFERRED: "/messages?state=deferred",
    Place.WEBHOOK: "/webhooks/{}",
    Place.WEBHOOKS: "/webhooks",
}
_KINDS = {Severity.BAD: "bad", Severity.WARN: "warn", Severity.HINT: "info"}


def routes() -> list[BaseRoute]:
    """Return the routes of the overview."""
    return [page("/", overview, access=Access.ACCOUNT)]


async def overview(view: View) -> Response:
    """Show the account, or the chosen domain, at a glance."""
    shown = await view.console.overviews.of(view.actor, domain_id=view.domain.id if view.domain else None)
    return view.page(
        "overview.html",
        overview=shown,
        types=[kind.value for kind in SHOWN],
        rates=[rate for rate in rates_in(shown.totals) if rate.whole_of(shown.totals)],
        chart=_chart(shown),
        path_of=_path_of,
        kinds=_KINDS,
    )


def _path_of(place: Place, subject: str = "") -> str:
    """Return where something can be done, empty where no page of the console does."""
    return _PATHS.get(place, "").format(subject)


def _chart(shown: Overview) -> dict[str, Any]:
    """Return what the chart's script draws."""
    return {
        "hours": [hour.begins_at // 1000 for hour in shown.hours],
        "series": [(kind.value, [hour.by_type.get(kind.value, 0) for hour in shown.hours]) for kind in SHOWN],
    }
