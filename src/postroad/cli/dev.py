"""``postroad dev``: everything on this machine, with a demo domain and a capture inbox instead of the Internet."""

import json
import os
import shlex
import sys
from pathlib import Path

import click

from postroad.cli.invocation import refuse
from postroad.cli.serve import START_ERRORS
from postroad.config import ConfigError, Settings, load
from postroad.net.listen import Endpoint, parse_endpoint
from postroad.node.demo import DOMAIN, Demo, prepare_demo
from postroad.node.run import run_node
from postroad.storage.errors import StorageError

DEFAULTS = {
    "POSTROAD_WORKERS": "1",
    "POSTROAD_SMTP__LISTEN": "127.0.0.1:2587",
    "POSTROAD_SMTP__LISTEN_TLS": "127.0.0.1:2465",
    "POSTROAD_SMTP__HOSTNAME": "localhost",
    "POSTROAD_INBOUND__LISTEN": "127.0.0.1:2525",
    "POSTROAD_HTTP__LISTEN": "127.0.0.1:8025",
    "POSTROAD_ADMIN__LISTEN": "127.0.0.1:8026",
    "POSTROAD_DOMAINS__VERIFICATION": "off",
    "POSTROAD_WEBHOOKS__ALLOW_PRIVATE_ADDRESSES": "true",
    "POSTROAD_ACCOUNTS__NOTICES_FROM": f"noreply@{DOMAIN}",
    "POSTROAD_LOG__FORMAT": "console",
    "POSTROAD_LOG__LEVEL": "warning",
}
"""How dev differs from serve; the environment still wins."""

_RECIPIENT = "you@example.net"


@click.command()
@click.option(
    "--data",
    "data_dir",
    type=click.Path(path_type=Path, file_okay=False),
    default="postroad-data",
    show_default=True,
    help="Data folder.",
)
@click.option("--json", "is_json", is_flag=True, help="Print one JSON document.")
def dev(data_dir: Path, *, is_json: bool) -> None:
    """Run Postroad on this machine: mail is captured, nothing leaves."""
    try:
        settings = load(None, DEFAULTS | dict(os.environ) | {"POSTROAD_DATA_DIR": str(data_dir)})
        demos: list[Demo] = []

        def announce() -> None:
            facts = facts_of(settings, demos[0])
            click.echo(json.dumps(facts) if is_json else in_words(facts))

        run_node(
            settings,
            is_dev=True,
            prepare=lambda settings: demos.append(prepare_demo(settings)),
            when_serving=announce,
        )
    except (*START_ERRORS, ConfigError, StorageError) as error:
        refuse(str(error))


def facts_of(settings: Settings, demo: Demo) -> dict[str, object]:
    """Return what a newcomer needs to send a first message, as ``--json`` prints it."""
    plain = parse_endpoint(settings.smtp.listen[0])
    tls_port = parse_endpoint(settings.smtp.listen_tls[0]).port if settings.smtp.listen_tls else None
    http = parse_endpoint(settings.http.listen[0])
    return {
        "smtp": {
            "host": plain.host,
            "port": plain.port,
            "tls_port": tls_port,
            "username": demo.username,
            "password": str(demo.password),
            "domain": demo.domain,
            "sender": demo.sender,
        },
        "api": {
            "url": f"http://{http}/v3/{demo.domain}/messages",
            "key": str(demo.api_key),
            "curl": _api_line(http, demo),
        },
        "inbox": f"http://{http}/inbox",
        "console": str(demo.console),
        "data_dir": str(Path(settings.data_dir).resolve()),
        "curl": _curl_line(plain.host, plain.port, demo),
        "python": _python_line(plain.host, plain.port, demo),
    }


def in_words(facts: dict[str, object]) -> str:
    """Return the same for people."""
    smtp = facts["smtp"]
    api = facts["api"]
    assert isinstance(smtp, dict)
    assert isinstance(api, dict)
    return f"""
Postroad is running. Mail is captured on this machine; nothing leaves it.

  SMTP server   {smtp["host"]}, port {smtp["port"]} (STARTTLS) or {smtp["tls_port"]} (TLS)
  user          {smtp["username"]}
  password      {smtp["password"]}
  API key       {api["key"]}
  inbox         {facts["inbox"]}
  console       {facts["console"]}
                (signs you in as the operator, once; every start prints another)
  data          {facts["data_dir"]}

Send a first message, with curl:

  {facts["curl"]}

or with Python:

  {facts["python"]}

or by HTTP, as Mailgun's clients do:

  {api["curl"]}

Ctrl-C stops it. Commands reach it from another terminal: {sys.argv[0]} message search --data {facts["data_dir"]}
"""


def _curl_line(host: str, port: int, demo: Demo) -> str:
    content = _content(demo, "Hello from curl").replace("\r\n", "\\r\\n")
    login = shlex.quote(f"{demo.username}:{demo.password}")
    return (
        f"printf {shlex.quote(content)} | curl --silent --show-error --url smtp://{host}:{port} --user {login} "
        f"--mail-from {demo.sender} --mail-rcpt {_RECIPIENT} --upload-file -"
    )


def _api_line(http: Endpoint, demo: Demo) -> str:
    fields = {
        "from": f"Demo <{demo.sender}>",
        "to": _RECIPIENT,
        "subject": "Hello by HTTP",
        "text": "The first one.",
    }
    form = " ".join(f"-F {shlex.quote(f'{name}={value}')}" for name, value in fields.items())
    return f"curl --silent --show-error --user api:{demo.api_key!s} {form} http://{http}/v3/{demo.domain}/messages"


def _python_line(host: str, port: int, demo: Demo) -> str:
    # JSON's strings are Python's as well, and their double quotes need no escape within the shell's single ones.
    server, username, password, sender, recipient, content = map(
        json.dumps,
        (host, demo.username, str(demo.password), demo.sender, _RECIPIENT, _content(demo, "Hello from python")),
    )
    program = (
        f"import smtplib; s = smtplib.SMTP({server}, {port}); s.login({username}, {password}); "
        f"s.sendmail({sender}, {recipient}, {content}); s.quit()"
    )
    return f"python3 -c {shlex.quote(program)}"


def _content(demo: Demo, subject: str) -> str:
    return f"From: Demo <{demo.sender}>\r\nTo: {_RECIPIENT}\r\nSubject: {subject}\r\n\r\nThe first one.\r\n"
