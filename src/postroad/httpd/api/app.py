"""The HTTP APIs as one application: whose a call is, by its path."""

from starlette.types import ASGIApp, Receive, Scope, Send

from postroad.httpd.api.mailgun.app import mailgun_app
from postroad.httpd.api.postroad.app import postroad_app
from postroad.httpd.api.sendgrid.app import sendgrid_app
from postroad.httpd.api.services import ApiServices
from postroad.httpd.api.sparkpost.app import sparkpost_app

_OWN, _SPARKPOST = "/api/", "/api/v1/"
_MAILGUN = ("/v1/", "/v2/", "/v3/", "/v4/")
_PREFIXES = (_OWN, *_MAILGUN)
_SENDGRID = frozenset(
    {
        "api_keys", "asm", "categories", "mail", "scopes", "stats", "suppression", "templates", "user", "validations",
        "whitelabel",
    }
)  # fmt: skip
"""What SendGrid has under ``/v3/``, where Mailgun has names of domains, which have a dot in them, and a few words."""
_MAILGUN_STATS = ("/v3/stats/total", "/v3/stats/filter")


def is_asked_of_apis(path: str) -> bool:
    """Whether a path belongs to one of the APIs."""
    return path.startswith(_PREFIXES)


def api_app(services: ApiServices) -> ASGIApp:
    """Return the application of the APIs, which finds the dialect of a call by its path."""
    own, mailgun = postroad_app(services), mailgun_app(services)
    sendgrid, sparkpost = sendgrid_app(services), sparkpost_app(services)

    def application(path: str) -> ASGIApp:
        if _is_of_sendgrid(path):
            return sendgrid
        if path.startswith(_SPARKPOST):
            return sparkpost
        return mailgun if path.startswith(_MAILGUN) else own

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        await application(scope["path"])(scope, receive, send)

    return serve


def _is_of_sendgrid(path: str) -> bool:
    version, _, rest = path[1:].partition("/")
    return version == "v3" and rest.partition("/")[0] in _SENDGRID and not path.startswith(_MAILGUN_STATS)
