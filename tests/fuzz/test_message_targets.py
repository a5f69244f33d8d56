"""The targets about messages, run for a moment on changed messages of the corpus, the same ones each time."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fuzz import arf, dkim_verify, merge, mime_header, track
from tests.fuzz.seeds import HTML_PIECES, MESSAGE_PIECES, PLACED, PLACEHOLDER_PIECES, REPORT_PIECES, REPORTS, TRACKED

CORPUS = sorted((Path(__file__).parents[1] / "conformance" / "corpus").glob("*.eml"))


def changed(content: bytes, chance: random.Random, pieces: tuple[bytes, ...] = MESSAGE_PIECES) -> bytes:
    octets = bytearray(content)
    for _ in range(chance.randint(1, 4)):
        at = chance.randint(0, min(len(octets), 3000))
        octets[at : at + chance.choice((0, 0, 1, 2, 8))] = chance.choice(pieces)
    return bytes(octets)


@pytest.mark.parametrize("run_one", [mime_header.run_one, dkim_verify.run_one], ids=["mime_header", "dkim_verify"])
@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_changed_messages_break_no_promise(path: Path, run_one: Callable[[bytes], None]) -> None:
    chance = random.Random(path.stem)
    content = dkim_verify.seed(path.read_bytes())
    run_one(content)
    for _ in range(40):
        run_one(changed(content, chance))


@pytest.mark.parametrize("number", range(len(PLACED)))
def test_changed_messages_with_placeholders_break_no_promise(number: int) -> None:
    chance = random.Random(number)
    merge.run_one(PLACED[number])
    for _ in range(150):
        merge.run_one(changed(PLACED[number], chance, MESSAGE_PIECES + PLACEHOLDER_PIECES))


@pytest.mark.parametrize("number", range(len(REPORTS)))
def test_changed_reports_break_no_promise(number: int) -> None:
    chance = random.Random(number)
    arf.run_one(REPORTS[number])
    for _ in range(150):
        arf.run_one(changed(REPORTS[number], chance, MESSAGE_PIECES + REPORT_PIECES))


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_tracked_messages_of_the_corpus_break_no_promise(path: Path) -> None:
    track.run_one(path.read_bytes())


@pytest.mark.parametrize("number", range(len(TRACKED)))
def test_changed_messages_with_links_break_no_promise(number: int) -> None:
    chance = random.Random(number)
    track.run_one(TRACKED[number])
    for _ in range(300):
        track.run_one(changed(TRACKED[number], chance, MESSAGE_PIECES + HTML_PIECES))
