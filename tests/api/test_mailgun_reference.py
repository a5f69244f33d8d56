"""The reference names every call of Mailgun's API that manages, and no others."""

from collections.abc import Iterable

from postroad.dialects.mailgun.managing_reference import CALLS
from postroad.httpd.api.mailgun import (
    credentials,
    dkim_keys,
    domains,
    inbound_routes,
    keys,
    list_checks,
    settings,
    stats,
    suppressions,
    tags,
    templates,
    webhooks,
)
from postroad.httpd.api.routes import Served

SERVED: Iterable[Served] = (
    *domains.SERVED,
    *settings.SERVED,
    *credentials.SERVED,
    *dkim_keys.SERVED,
    *keys.SERVED,
    *webhooks.SERVED,
    *inbound_routes.SERVED,
    *suppressions.SERVED,
    *templates.SERVED,
    *stats.SERVED,
    *tags.SERVED,
    *list_checks.SERVED,
)


def test_every_call_is_in_the_reference() -> None:
    named = [one for calls in CALLS.values() for names in calls for one in names.split(", ")]
    assert sorted(named) == sorted(f"{one.method} {one.path}" for one in SERVED)
