"""The examples of the guides on sending by HTTP, run as they are written but for host, domain and key."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.scenarios.dev import Dev, running_dev

GUIDES = Path(__file__).parents[2] / "docs" / "guides"
pytestmark = pytest.mark.peer("curl")


def blocks(guide: str, language: str, naming: str = "mail.example.net") -> list[str]:
    text = (GUIDES / guide).read_text("utf-8")
    found = re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
    return [one for one in found if naming in one]


SENDING = [one for one in blocks("sending-by-http.md", "sh") if " -d " in one or " -F " in one]


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dev]:
    with running_dev(tmp_path_factory.mktemp("guide") / "data") as running:
        command = [sys.executable, "-m", "postroad", "template", "add", "welcome", "--domain", "demo.example"]
        command += ["--html", "-", "--data", running.facts["data_dir"]]
        subprocess.run(command, input="<p>Hello {{name}}</p>", text=True, check=True, capture_output=True)
        yield running


def made_ours(example: str, dev: Dev) -> str:
    url = dev.facts["api"]["url"].partition("/v3/")[0]
    ours = example.replace("https://mail.example.net", url).replace("news.example.com", "demo.example")
    return ours.replace("KEY", dev.facts["api"]["key"])


@pytest.mark.parametrize("number", range(len(SENDING)))
def test_each_command_of_the_guide_sends(number: int, dev: Dev, tmp_path: Path) -> None:
    example = SENDING[number].replace("curl ", "curl --silent --show-error ")
    done = subprocess.run(
        ["sh", "-ec", made_ours(example, dev)], cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False
    )

    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    # Ours says under which id a message is stored, Mailgun's that it is, and a dry run what it would be answered with.
    assert answer.get("message") == "Queued. Thank you." or answer.get("id") or answer["status"] == 202, done.stdout


def test_the_commands_that_look_and_take_back_are_answered(dev: Dev) -> None:
    sending, looking = (
        next(one for one in blocks("sending-by-http.md", "sh") if words in one)
        for words in ("Idempotency-Key", "messages/ID")
    )
    at = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    later = sending.replace('"to"', f'"deliver_at": "{at}", "to"').replace("order-17", "later")
    sent = json.loads(run(made_ours(later, dev)))
    answers = run(made_ours(looking.replace("/ID", f"/{sent['id']}"), dev).replace("curl ", "curl --write-out '\\n' "))
    shown, cancelled = map(json.loads, answers.splitlines())
    assert [one["state"] for one in shown["deliveries"]] == ["scheduled"]
    assert cancelled == {"cancelled": 1}


def run(command: str) -> str:
    command = command.replace("curl ", "curl --silent --show-error ")
    return subprocess.run(["sh", "-ec", command], check=True, capture_output=True, text=True, timeout=30).stdout


def test_the_python_lines_of_the_moving_guide_send(dev: Dev) -> None:
    example = next(one for one in blocks("moving-from-mailgun.md", "python") if "client.messages" in one)
    before = len(dev.get("/inbox.json"))
    subprocess.run([sys.executable, "-c", made_ours(example, dev)], check=True, capture_output=True, timeout=30)

    assert dev.wait_for_mail(before + 1)[0]["subject"] == "Hello"


@pytest.mark.parametrize("call", ["/v4/domains", "/bounces/import"])
def test_the_commands_of_the_moving_guide_manage(dev: Dev, tmp_path: Path, call: str) -> None:
    example = next(one for one in blocks("moving-from-mailgun.md", "sh") if "ACCOUNT_KEY" in one and call in one)
    (tmp_path / "bounces.csv").write_text("address,code,error,created_at\nann@example.org,550,gone,\n")
    managing = made_ours(example.replace("ACCOUNT_KEY", account_key(dev)), dev)
    managing = managing.replace("curl ", "curl --silent --show-error --fail-with-body ")
    subprocess.run(["sh", "-ec", managing], check=True, capture_output=True, timeout=30, cwd=tmp_path)


def account_key(dev: Dev) -> str:
    command = [sys.executable, "-m", "postroad", "api-key", "add", "--account", "default", "--json"]
    command += ["--data", dev.facts["data_dir"]]
    made = subprocess.run(command, check=True, capture_output=True, text=True)
    return str(json.loads(made.stdout)["key"])


def test_the_python_lines_of_the_guide_for_sendgrid_send(dev: Dev) -> None:
    example = next(one for one in blocks("moving-from-sendgrid.md", "python") if "client.send" in one)
    before = len(dev.get("/inbox.json"))
    subprocess.run([sys.executable, "-c", made_ours(example, dev)], check=True, capture_output=True, timeout=30)

    assert dev.wait_for_mail(before + 1)[0]["subject"] == "Hello"


def test_the_command_of_the_guide_for_sendgrid_sends(dev: Dev) -> None:
    example = blocks("moving-from-sendgrid.md", "sh")[0]
    before = len(dev.get("/inbox.json"))
    command = made_ours(example, dev).replace("curl ", "curl --silent --show-error --fail-with-body ")
    subprocess.run(["sh", "-ec", command], check=True, capture_output=True, timeout=30)

    assert {one["subject"] for one in dev.wait_for_mail(before + 2)[:2]} == {"For Ada", "For Bo"}


def test_the_guide_for_sendgrid_manages(dev: Dev) -> None:
    key = account_key(dev)
    library, shell = (
        next(one for one in blocks("moving-from-sendgrid.md", language) if "ACCOUNT_KEY" in one)
        for language in ("python", "sh")
    )
    [groups] = blocks("moving-from-sendgrid.md", "python", naming="asm.groups")
    lines = "import json\nfrom sendgrid import SendGridAPIClient\n"
    lines += made_ours(library.replace("ACCOUNT_KEY", key) + groups, dev)
    subprocess.run([sys.executable, "-c", lines], check=True, capture_output=True, timeout=30)
    curl = made_ours(shell.replace("ACCOUNT_KEY", key), dev).replace("curl ", "curl --silent --fail-with-body ")
    added = subprocess.run(["sh", "-ec", curl], check=True, capture_output=True, timeout=30)

    assert json.loads(added.stdout)["public_key"]


def test_the_command_of_the_guide_for_sparkpost_sends(dev: Dev) -> None:
    example = blocks("moving-from-sparkpost.md", "sh")[0]
    before = len(dev.get("/inbox.json"))
    command = made_ours(example, dev).replace("curl ", "curl --silent --show-error --fail-with-body ")
    done = subprocess.run(["sh", "-ec", command], check=True, capture_output=True, timeout=30)

    assert json.loads(done.stdout)["results"]["total_accepted_recipients"] == 2
    assert {one["subject"] for one in dev.wait_for_mail(before + 2)[:2]} == {"For Ada", "For Bo"}


@pytest.mark.parametrize(
    ("guide", "call", "told"),
    [
        ("moving-from-sparkpost.md", "suppression-list", ["results", "results"]),
        ("moving-from-mailgun.md", "news.example.com/events", ["items"]),
    ],
)
def test_the_commands_of_the_guides_that_look_are_answered(guide: str, call: str, told: list[str], dev: Dev) -> None:
    example = next(one for one in blocks(guide, "sh") if call in one and "ACCOUNT_KEY" in one)
    ours = made_ours(example.replace("ACCOUNT_KEY", account_key(dev)), dev)
    command = ["sh", "-ec", ours.replace("curl ", "curl --silent --show-error --fail-with-body --write-out '\\n' ")]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=30)

    answers = [json.loads(line) for line in done.stdout.splitlines() if line.strip()]
    assert [name in answer for name, answer in zip(told, answers, strict=True)] == [True] * len(told)


def test_the_line_that_dev_prints_sends(dev: Dev) -> None:
    done = subprocess.run(dev.facts["api"]["curl"], shell=True, capture_output=True, text=True, timeout=30, check=False)

    assert json.loads(done.stdout)["message"] == "Queued. Thank you.", done.stderr
