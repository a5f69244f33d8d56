"""Sends mail with Django and django-anymail, as an application does: ``python -m tests.peers.anymail_sender '{…}'``.

The facts are ``{"settings": …, "backend": …, "messages": […]}``; each message is given by the arguments of
``EmailMultiAlternatives`` and by anymail's own attributes under ``"anymail"``. Prints for each what anymail knows of it
afterwards, or what it raised. It runs on its own, as Django's settings hold for a whole process.
"""

import json
import sys
from typing import Any


def main(facts: dict[str, Any]) -> list[dict[str, Any]]:
    """Send the messages."""
    import django
    from django.conf import settings

    settings.configure(
        EMAIL_BACKEND=facts["backend"], ANYMAIL=facts["settings"], INSTALLED_APPS=["anymail"], USE_TZ=True
    )
    django.setup()
    return [_send(one) for one in facts["messages"]]


def _send(given: dict[str, Any]) -> dict[str, Any]:
    from anymail.exceptions import AnymailError
    from django.core.mail import EmailMultiAlternatives

    given = dict(given)
    own, html, attachments = given.pop("anymail", {}), given.pop("html", None), given.pop("attachments", [])
    message = EmailMultiAlternatives(**given)
    if html is not None:
        message.attach_alternative(html, "text/html")
    for name, text, kind in attachments:
        message.attach(name, text, kind)
    for name, value in own.items():
        setattr(message, name, value)
    try:
        message.send()
    except AnymailError as error:
        return {"error": type(error).__name__, "text": str(error)}
    status = message.anymail_status
    return {
        # Several where the messages of a batch have ids of their own.
        "message_id": sorted(status.message_id) if isinstance(status.message_id, set) else status.message_id,
        "status": sorted(status.status or ()),
        "recipients": {address: one.status for address, one in status.recipients.items()},
    }


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))
