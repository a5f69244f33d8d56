"""The commands that the console shows to try an SMTP user with, run as they are written."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from postroad.httpd.console.submission_examples import SubmissionPlace, examples
from postroad.model.credential import Secret
from tests.scenarios.dev import Dev, running_dev

DOMAIN = "demo.example"
USERS = {
    "plain@demo.example": "Correct-Horse-7",
    "beyond@demo.example": "Größe-Ω-Battery-7",
    "bücher@demo.example": "Correct-Horse-7",
    "dash@demo.example": "-Correct-Horse-7",
    "dashes@demo.example": "--data=It's \\ $HOME 7A",
}
pytestmark = [pytest.mark.peer("curl"), pytest.mark.peer("swaks")]


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dev]:
    with running_dev(tmp_path_factory.mktemp("examples") / "data") as running:
        for username, password in USERS.items():
            command = [sys.executable, "-m", "postroad", "smtp-user", "add", username, "--password-stdin"]
            command += ["--domain", DOMAIN, "--data", running.facts["data_dir"]]
            subprocess.run(command, input=password, text=True, check=True, capture_output=True)
        yield running


@pytest.mark.parametrize("name", ["swaks", "curl", "Python"])
@pytest.mark.parametrize("username", USERS)
def test_each_example_sends(dev: Dev, username: str, name: str) -> None:
    place = SubmissionPlace(dev.facts["smtp"]["host"], dev.facts["smtp"]["port"], is_local=True)
    [example] = [one for one in examples(place, username, Secret(USERS[username]), DOMAIN) if one.name == name]
    command = [sys.executable, "-c"] if name == "Python" else ["sh", "-ec"]
    before = len(dev.get("/inbox.json"))
    done = subprocess.run([*command, example.text], capture_output=True, text=True, timeout=30, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    dev.wait_for_mail(before + 1)
