"""Somebody has forgotten the password: a link comes by mail, sent through Postroad itself, and works once."""

import re
import subprocess
import sys
from pathlib import Path

import httpx2

from .dev import running_dev

ADA = "ada@acme.example"


def test_a_mailed_link_sets_the_password_once(tmp_path: Path) -> None:
    with running_dev(tmp_path / "data") as dev:
        command = [
            sys.executable,
            "-m",
            "postroad",
            "user",
            "add",
            ADA,
            "--role",
            "admin",
            "--data",
            dev.facts["data_dir"],
        ]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
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

            found = re.search(rf"{re.escape(base)}(/set-password/\S+)", shown["text"])
            assert found is not None
            assert browser.get(found[1]).status_code == 200
            done = browser.post(found[1], data={"password": "seven quiet lanterns"})
            assert (done.status_code, done.headers["location"]) == (303, "/")
            assert browser.get("/").status_code == 200
            assert browser.get(found[1]).status_code == 404
