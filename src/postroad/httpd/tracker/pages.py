"""The few pages that recipients see: without script, pictures or anything from elsewhere."""

from html import escape

from postroad.tracking.token import Leaving

_STYLE = (
    "body{font:1.1rem/1.5 system-ui,sans-serif;max-width:34rem;margin:4rem auto;padding:0 1.5rem;color:#1b1f24;background:#fff}"
    "h1{font-size:1.5rem;line-height:1.25}button{font:inherit;padding:.6rem 1.4rem;border:0;border-radius:.4rem;"
    "background:#1f5fbf;color:#fff;cursor:pointer}button:focus-visible{outline:3px solid #8ab4f8;outline-offset:2px}"
    "@media (prefers-color-scheme:dark){body{color:#e6e8eb;background:#14171a}}"
)
HEADERS = (
    (b"content-type", b"text/html; charset=utf-8"),
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)


def question(leaving: Leaving, sender: str) -> bytes:
    """Return the page that asks whether somebody wants to unsubscribe."""
    return _page(
        "Unsubscribe?",
        f"<p>{escape(leaving.address)} will get {_what(leaving, sender)} no more.</p>"
        '<form method="post"><button name="leave" value="yes">Unsubscribe</button></form>',
    )


def done(leaving: Leaving, sender: str) -> bytes:
    """Return the page that says that somebody is unsubscribed."""
    return _page(
        "You are unsubscribed",
        f"<p>{escape(leaving.address)} gets {_what(leaving, sender)} no more. What is on its way already may still arrive.</p>",
    )


def _what(leaving: Leaving, sender: str) -> str:
    named = leaving.title or ", ".join(leaving.tags)
    about = f"mail about {escape(named)}" if named else "mail of this kind"
    return f"{about} from {escape(sender) or 'this sender'}"


def _page(title: str, content: str) -> bytes:
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{title}</title><style>{_STYLE}</style><main><h1>{title}</h1>{content}</main></html>"
    ).encode()


UNKNOWN = _page(
    "This link leads nowhere",
    "<p>It is incomplete or was changed on its way. Open it from the message again, or copy it as a whole.</p>",
)
BLOCKED = _page("This link was taken down", "<p>The page that it led to is not safe, or was reported as such.</p>")
NOTHING = _page("Nothing is here", "<p>This address is of no use to people.</p>")
NOT_NOW = _page(
    "That did not work",
    "<p>You are not unsubscribed yet: it cannot be stored at the moment. Please try again in some minutes.</p>",
)
