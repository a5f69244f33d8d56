"""Commands to try an SMTP user with, as somebody types or pastes them."""

import shlex

import msgspec


class SubmissionPlace(msgspec.Struct, frozen=True):
    """Where this installation takes mail by SMTP."""

    host: str
    port: int
    is_local: bool = False
    """Only this machine reaches it, and its certificate is nobody's: as in ``postroad dev``."""


class Example(msgspec.Struct, frozen=True):
    """One command with its name."""

    name: str
    text: str


def examples(place: SubmissionPlace, username: str, password: str, sending_domain: str) -> tuple[Example, ...]:
    """Return the commands that send one message as a user."""
    sender, recipient = f"hello@{sending_domain}", "you@example.net"
    swaks = [
        "swaks", "--server", f"{place.host}:{place.port}", "--tls", "--auth-user", username,
        "--from", sender, "--to", recipient,
    ]  # fmt: skip
    curl = [
        "curl", "--url", f"smtp://{place.host}:{place.port}", "--ssl-reqd", *(["--insecure"] if place.is_local else []),
        "--user", f"{username}:{password}", "--mail-from", sender, "--mail-rcpt", recipient, "--crlf",
        "--upload-file", "-",
    ]  # fmt: skip
    return (
        Example("swaks", _with_password(swaks, str(password))),
        Example(
            "curl",
            f"printf 'From: %s\\nTo: %s\\nSubject: Hello\\n\\nHello.\\n' {sender} {recipient} |\n  {shlex.join(curl)}",
        ),
        Example("Python", _python(place, username, password, sender, recipient)),
    )


def _with_password(swaks: list[str], password: str) -> str:
    """Return the command with its password, or with what answers when it asks: a password can look like an option."""
    if password.startswith("-"):
        return f"printf '%s\\n' {shlex.quote(password)} |\n  {shlex.join(swaks)}"
    at = swaks.index("--from")
    return shlex.join([*swaks[:at], "--auth-password", password, *swaks[at:]])


def _python(place: SubmissionPlace, username: str, password: str, sender: str, recipient: str) -> str:
    is_ascii = username.isascii() and password.isascii()
    return "\n".join(
        (
            *(() if is_ascii else ("import base64",)),
            "import smtplib",
            "from email.message import EmailMessage",
            "",
            "message = EmailMessage()",
            f'message["From"], message["To"] = {sender!r}, {recipient!r}',
            'message["Subject"] = "Hello"',
            'message.set_content("Hello.")',
            f"with smtplib.SMTP({place.host!r}, {place.port}) as client:",
            "    client.starttls()",
            *(_login if is_ascii else _login_beyond_ascii)(username, str(password)),
            "    client.send_message(message)",
        )
    )


def _login(username: str, password: str) -> tuple[str, ...]:
    return (f"    client.login({username!r}, {password!r})",)


def _login_beyond_ascii(username: str, password: str) -> tuple[str, ...]:
    """Return what says AUTH PLAIN (RFC 4616) in UTF-8: the client's own login takes ASCII alone."""
    proof = f"\0{username}\0{password}"
    return (
        "    client.ehlo()",
        f"    proof = base64.b64encode({proof!r}.encode()).decode()",
        '    client.docmd("AUTH", f"PLAIN {proof}")',
    )
