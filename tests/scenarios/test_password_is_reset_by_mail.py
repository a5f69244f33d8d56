"""Somebody has forgotten the password: a link comes by mail, sent through Postroad itself, and works once, for nobody else."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import httpx2

from tests.waiting import PROMISED_S

from .dev import running_dev

ADA = "ada@acme.example"


def test_a_mailed_link_sets_the_password_once(tmp_path: Path) -> None:
    with running_dev(tmp_path / "data") as dev:

        def run(*arguments: str, expect: int = 0) -> str:
            command = [sys.executable, "-m", "postroad", *arguments, "--data", dev.facts["data_dir"]]
            done = subprocess.run(command, check=False, capture_output=True, timeout=60, text=True)
            assert done.returncode == expect, done.stderr
            return done.stdout or done.stderr

        run("user", "add", ADA, "--role", "admin")
        # None of this may reach a link that is worth a password: it would stand in a story that others read.
        followed = ("tracks_clicks=on", "tracks_text_clicks=on", "tracks_opens=on", "offers_unsubscribe=on")
        run("domain", "set", "demo.example", "keep_content_days=7", "deduplicate=content", *followed)
        time.sleep(PROMISED_S)
        base = dev.facts["inbox"].removesuffix("/inbox")
        with httpx2.Client(base_url=base, headers={"Sec-Fetch-Site": "same-origin", "Accept": "text/html"}) as browser:
            answers = [browser.post("/forgot-password", data={"email": email}) for email in ("no@acme.example", ADA)]
            assert {(one.status_code, one.headers["location"]) for one in answers} == {
                (303, "/sign-in?said=password-link")
            }
            (mail,) = dev.wait_for_mail(1)
            assert (mail["recipients"], mail["subject"]) == ([ADA], "Choose a new password")
            assert mail["reverse_path"]
            shown = dev.get(f"/inbox/{mail['id']}")
            assert shown["dkim_valid"]
            assert ["Auto-Submitted", "auto-generated"] in shown["headers"]
            assert "List-Unsubscribe" not in dict(shown["headers"])
            [message] = json.loads(run("message", "search", "--recipient", ADA, "--json"))
            assert "no content" in run("message", "content", message["id"], expect=1)

            found = re.search(rf"{re.escape(base)}(/set-password/\S+)", shown["text"])
            assert found is not None
            assert browser.get(found[1]).status_code == 200
            done = browser.post(found[1], data={"password": "seven quiet lanterns"})
            assert (done.status_code, done.headers["location"]) == (303, "/")
            assert browser.get("/").status_code == 200
            assert browser.get(found[1]).status_code == 404
