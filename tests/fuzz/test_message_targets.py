"""The targets about messages, run for a moment on changed messages of the corpus, the same ones each time."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fuzz import arf, dkim_verify, dsn, mailgun_route, merge, mime_header, sendgrid_call, sparkpost_call, track
from tests.fuzz.seeds import (
    HTML_PIECES,
    MESSAGE_PIECES,
    PLACED,
    PLACEHOLDER_PIECES,
    REPORT_PIECES,
    REPORTS,
    RETURNED,
    RETURNED_PIECES,
    TARGETS,
    TRACKED,
)

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


@pytest.mark.parametrize("number", range(len(RETURNED)))
def test_changed_returned_mail_breaks_no_promise(number: int) -> None:
    chance = random.Random(number)
    dsn.run_one(RETURNED[number])
    for _ in range(60):
        dsn.run_one(changed(RETURNED[number], chance, MESSAGE_PIECES + RETURNED_PIECES))


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_tracked_messages_of_the_corpus_break_no_promise(path: Path) -> None:
    track.run_one(path.read_bytes())


@pytest.mark.parametrize("number", range(len(TRACKED)))
def test_changed_messages_with_links_break_no_promise(number: int) -> None:
    chance = random.Random(number)
    track.run_one(TRACKED[number])
    for _ in range(300):
        track.run_one(changed(TRACKED[number], chance, MESSAGE_PIECES + HTML_PIECES))


@pytest.mark.parametrize("number", range(len(TARGETS["sendgrid_call"].inputs())))
def test_changed_calls_break_no_promise(number: int) -> None:
    chance = random.Random(number)
    whole = TARGETS["sendgrid_call"].inputs()[number]
    sendgrid_call.run_one(whole)
    for _ in range(300):
        sendgrid_call.run_one(changed(whole, chance, TARGETS["sendgrid_call"].pieces))


@pytest.mark.parametrize("number", range(3))
def test_changed_transmissions_break_no_promise(number: int) -> None:
    chance = random.Random(number)
    [whole] = TARGETS["sparkpost_call"].inputs()
    sparkpost_call.run_one(whole)
    for _ in range(300):
        sparkpost_call.run_one(changed(whole, chance, TARGETS["sparkpost_call"].pieces))


@pytest.mark.parametrize("number", range(len(TARGETS["mailgun_route"].inputs())))
def test_changed_routes_break_no_promise(number: int) -> None:
    chance = random.Random(number)
    whole = TARGETS["mailgun_route"].inputs()[number]
    mailgun_route.run_one(whole)
    for _ in range(300):
        mailgun_route.run_one(changed(whole, chance, TARGETS["mailgun_route"].pieces))
