"""The references name every call that manages, and no others."""

import re

import pytest

from postroad.dialects.mailgun import event_reference
from postroad.dialects.sendgrid import reference as sendgrid_reference
from postroad.dialects.sparkpost import managing_reference
from postroad.httpd.api.mailgun import events, stored
from postroad.httpd.api.routes import Served
from postroad.httpd.api.sendgrid import app as sendgrid
from postroad.httpd.api.sparkpost import events as sparkpost_events
from postroad.httpd.api.sparkpost import sending_domains, suppression_list, templates, webhooks

MAILGUN = (*events.SERVED, *stored.SERVED)
SPARKPOST = (
    *sending_domains.SERVED,
    *suppression_list.SERVED,
    *templates.SERVED,
    *sparkpost_events.SERVED,
    *webhooks.SERVED,
)


@pytest.mark.parametrize(("calls", "served"), [(event_reference.CALLS, MAILGUN), (managing_reference.CALLS, SPARKPOST)])
def test_every_call_is_in_the_reference(calls: dict[str, str], served: tuple[Served, ...]) -> None:
    assert sorted(calls) == sorted(f"{one.method} {one.path}" for one in served)


def test_every_call_of_sendgrid_is_in_the_reference() -> None:
    paths = {f"{one.method} {one.path}".replace("{email}", "EMAIL") for one in sendgrid._SERVED}
    lists = re.compile("/suppression/(bounces|blocks|invalid_emails|spam_reports|unsubscribes)")
    told = {lists.sub("/suppression/LIST", re.sub(r"\{\w+\}", "ID", path)) for path in paths}
    assert told - {"POST /v3/mail/send", "POST /v3/validations/email"} == sendgrid_reference.CALLS
