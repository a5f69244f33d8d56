"""The guide's commands for managing by HTTP are calls that there are."""

import re
import shlex
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import msgspec
import pytest

from postroad.dialects.postroad.operations import OPERATIONS
from postroad.dialects.postroad.reading import read_body, read_query

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "managing-by-http.md"
_BLOCK = re.compile(r"^```sh\n(.*?)^```", re.DOTALL | re.MULTILINE)
COMMANDS = [
    line
    for block in _BLOCK.findall(GUIDE.read_text())
    for line in block.replace("\\\n", " ").splitlines()
    if line.startswith("curl")
]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_a_call_that_there_is(command: str) -> None:
    words = shlex.split(command)
    address = urlsplit(next(one for one in words if one.startswith("$api")).removeprefix("$api"))
    body = words[words.index("-d") + 1] if "-d" in words else None
    method = words[words.index("-X") + 1] if "-X" in words else "GET" if body is None else "POST"
    [operation] = [
        one
        for one in OPERATIONS
        if one.method == method and re.fullmatch(re.sub(r"\{[a-z_]+\}", "[^/]+", one.path), address.path)
    ]
    items = parse_qsl(address.query, strict_parsing=bool(address.query))
    if operation.query is None:
        assert items == []
    else:
        assert not isinstance(read_query(operation.query, items), list)
    assert (body is None) == (operation.body is None)
    if operation.body is not None:
        assert "Content-Type: application/json" in words
        assert not isinstance(read_body(operation.body, msgspec.json.decode(body or "")), list)
