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
        "swaks", "--server", f"{place.host}:{place.port}", "--tls", "--auth-user", username, "--auth-password", password,
        "--from", sender, "--to", recipient,
    ]  # fmt: skip
    curl = [
        "curl", "--url", f"smtp://{place.host}:{place.port}", "--ssl-reqd", *(["--insecure"] if place.is_local else []),
        "--user", f"{username}:{password}", "--mail-from", sender, "--mail-rcpt", recipient, "--crlf",
        "--upload-file", "-",
    ]  # fmt: skip
    return (
        Example("swaks", shlex.join(swaks)),
        Example(
            "curl",
            f"printf 'From: %s\\nTo: %s\\nSubject: Hello\\n\\nHello.\\n' {sender} {recipient} |\n  {shlex.join(curl)}",
        ),
        Example("Python", _python(place, username, password, sender, recipient)),
    )


def _python(place: SubmissionPlace, username: str, password: str, sender: str, recipient: str) -> str:
    return "\n".join(
        (
            "import smtplib",
            "from email.message import EmailMessage",
            "",
            "message = EmailMessage()",
            f'message["From"], message["To"] = {sender!r}, {recipient!r}',
            'message["Subject"] = "Hello"',
            'message.set_content("Hello.")',
            f"with smtplib.SMTP({place.host!r}, {place.port}) as client:",
            "    client.starttls()",
            f"    client.login({username!r}, {str(password)!r})",
            "    client.send_message(message)",
        )
    )
