"""The code that the guide shows to receivers believes our calls, and none that was changed or is old."""

import json
import re
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from postroad.dialects import formats
from postroad.dialects.sendgrid.signature import public_key
from postroad.dialects.standard.signature import secret_of
from postroad.model.options import CallbackFormat
from postroad.model.webhook import Call
from tests.peers.programs import path_of
from tests.unit.dialects.happenings import EVENT_KEY, HAPPENINGS, SEAL

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "webhooks.md"
F = CallbackFormat
SHOWN = [F.STANDARD, F.MAILGUN, F.SENDGRID, F.BLOOMREACH]
KEYS = {chosen: public_key(EVENT_KEY) if chosen is F.SENDGRID else str(SEAL.keys[0]) for chosen in SHOWN}


def code_of(chosen: CallbackFormat, language: str) -> str:
    section = GUIDE.read_text("utf-8").partition(f"\n### Verify `{chosen.value}`")[2].partition("\n### ")[0]
    found = re.search(rf"```{language}\n(.*?)```", section, re.DOTALL)
    assert found is not None, f"the guide has no {language} for {chosen.value}"
    return found[1]


def call_of(chosen: CallbackFormat, *, age_s: int = 0) -> Call:
    now = int(time.time() - age_s) * 1000
    return formats.of(chosen).call(
        [HAPPENINGS["delivered"]], msgspec.structs.replace(SEAL, now=now, event_key=EVENT_KEY)
    )


def lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def cases(chosen: CallbackFormat) -> dict[str, tuple[bytes, dict[str, str], bool]]:
    """Return calls, and whether they are genuine."""
    call, old = call_of(chosen), call_of(chosen, age_s=3_600)
    found = {"genuine": (call.body, lower(call.headers), True)}
    if chosen is not F.SENDGRID:
        found["old"] = (old.body, lower(old.headers), False)
    if chosen in {F.STANDARD, F.SENDGRID}:
        found["changed"] = (call.body.replace(b"ada@", b"eve@"), lower(call.headers), False)
    if chosen is F.MAILGUN:
        body = call.body.replace(SEAL.token.encode(), b"9" + SEAL.token[1:].encode())
        found["changed"] = (body, lower(call.headers), False)
    if chosen is F.BLOOMREACH:
        head, claims, signature = call.headers["Authorization"].split(".")
        changed = f"{head}.{claims}.{signature[::-1]}"
        found["changed"] = (call.body, lower(call.headers) | {"authorization": changed}, False)
    return found


@pytest.mark.parametrize("chosen", SHOWN)
def test_python_of_the_guide_tells_genuine_calls(chosen: CallbackFormat) -> None:
    names: dict[str, Any] = {}
    exec(code_of(chosen, "python"), names)
    is_genuine: Callable[[bytes, dict[str, str], str], bool] = names["is_genuine"]

    for name, (body, headers, expected) in cases(chosen).items():
        assert is_genuine(body, headers, KEYS[chosen]) is expected, name


@pytest.mark.peer("node")
@pytest.mark.parametrize("chosen", SHOWN)
def test_javascript_of_the_guide_tells_genuine_calls(chosen: CallbackFormat) -> None:
    found = cases(chosen)
    facts = [{"body": body.decode(), "headers": headers, "key": KEYS[chosen]} for body, headers, _ in found.values()]
    script = f"""{code_of(chosen, "js")}
        const told = JSON.parse(process.argv[2]).map((one) => isGenuine(one.body, one.headers, one.key));
        console.log(JSON.stringify(told));
    """

    command = [path_of("node"), "--input-type=module", "-", json.dumps(facts)]
    done = subprocess.run(command, input=script, text=True, capture_output=True, timeout=30, check=False)

    assert done.stderr == ""
    assert json.loads(done.stdout) == [expected for _, _, expected in found.values()]


def test_secret_that_the_guide_s_command_makes_is_what_libraries_take() -> None:
    command = code_of(F.STANDARD, "sh")
    done = subprocess.run(["sh", "-c", command], env={"SIGNING_KEY": KEYS[F.STANDARD]}, capture_output=True, check=True)

    assert done.stdout.decode().strip() == secret_of(SEAL.keys[0])
