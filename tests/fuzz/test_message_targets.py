"""The targets about messages, run for a moment on changed messages of the corpus, the same ones each time."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fuzz import dkim_verify, mime_header
from tests.fuzz.seeds import MESSAGE_PIECES

CORPUS = sorted((Path(__file__).parents[1] / "conformance" / "corpus").glob("*.eml"))


def changed(content: bytes, chance: random.Random) -> bytes:
    octets = bytearray(content)
    for _ in range(chance.randint(1, 4)):
        at = chance.randint(0, min(len(octets), 3000))
        octets[at : at + chance.choice((0, 0, 1, 2, 8))] = chance.choice(MESSAGE_PIECES)
    return bytes(octets)


@pytest.mark.parametrize("run_one", [mime_header.run_one, dkim_verify.run_one], ids=["mime_header", "dkim_verify"])
@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_changed_messages_break_no_promise(path: Path, run_one: Callable[[bytes], None]) -> None:
    chance = random.Random(path.stem)
    content = dkim_verify.seed(path.read_bytes())
    run_one(content)
    for _ in range(40):
        run_one(changed(content, chance))
