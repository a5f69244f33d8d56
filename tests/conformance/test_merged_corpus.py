"""Messages shaped as real ones are, merged: every byte outside of what must change is as it was."""

import email
import email.policy
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

from postroad.protocol.mime.header import HeaderBlock, split
from postroad.protocol.mime.structure import Part, parse
from postroad.rendering.merge import plan
from postroad.rendering.merge_values import Filling
from postroad.rendering.placeholder import PLACEHOLDER, Addressee

HERE = Path(__file__).parent
CORPUS = sorted((HERE / "merge_corpus").glob("*.eml"))
OLD_CORPUS = sorted((HERE / "corpus").glob("*.eml"))
VARIABLES: dict[str, Any] = {
    "first": "Ada",
    "id": "x-17",
    "preheader": "For you, Ada: 10 = ten",
    "japanese": "山田",
    "x": "",
}
READ = {"text/plain", "text/html"}
ARMOUR = (b"-----BEGIN PGP SIGNED MESSAGE", b"-----BEGIN PGP MESSAGE")


def merged(content: bytes) -> bytes:
    addressee = Addressee(address="ada@dest.example", variables=VARIABLES)
    return plan(content).filled(Filling(addressee=addressee)).content


def filled(text: str) -> str:
    """Replace as the merging is to, in the simplest way."""
    for name, value in VARIABLES.items():
        text = text.replace(f"%recipient.{name}%", value)
    return text.replace("%recipient_email%", "ada@dest.example").replace("%recipient%", "ada@dest.example")


def leaves(content: bytes) -> list[Part]:
    def walk(part: Part) -> list[Part]:
        return [leaf for child in part.children for leaf in walk(child)] if part.children else [part]

    root = parse(content)
    assert isinstance(root, Part)
    return walk(root)


def is_closed(part: Message, within: tuple[Message, ...]) -> bool:
    return any(one.get_content_type() in {"multipart/signed", "message/rfc822"} for one in within)


def messages_with_ways(message: Message, within: tuple[Message, ...] = ()) -> list[tuple[Message, bool]]:
    if not message.is_multipart():
        return [(message, is_closed(message, within))]
    parts = message.get_payload()
    assert isinstance(parts, list)
    return [
        found for part in parts if isinstance(part, Message) for found in messages_with_ways(part, (*within, message))
    ]


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_only_text_to_read_changes_and_only_where_placeholders_stood(path: Path) -> None:
    content = path.read_bytes()
    found = merged(content)
    assert found != content
    before = messages_with_ways(email.message_from_bytes(content, policy=email.policy.compat32))
    after = messages_with_ways(email.message_from_bytes(found, policy=email.policy.compat32))
    assert [one.get_content_type() for one, _ in before] == [one.get_content_type() for one, _ in after]
    for (old, closed), (new, _), old_span, new_span in zip(before, after, leaves(content), leaves(found), strict=True):
        octets = content[old_span.body_start : old_span.end]
        given, made = old.get_payload(decode=True), new.get_payload(decode=True)
        assert isinstance(given, bytes)
        assert isinstance(made, bytes)
        is_open = not closed and old.get_filename() is None and not any(one in given for one in ARMOUR)
        is_text = old.get_content_type() in READ and is_open
        if not is_text or not PLACEHOLDER.search(given):
            assert found[new_span.body_start : new_span.end] == octets
        charset = old.get_content_charset("us-ascii")
        assert made.decode(charset) == (filled(given.decode(charset)) if is_text else given.decode(charset))
        if len(before) > 1:
            assert (
                old_span.block.content[: old_span.block.body_offset]
                == new_span.block.content[: new_span.block.body_offset]
            )


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_lines_without_placeholders_travel_as_they_were(path: Path) -> None:
    content = path.read_bytes()
    found = set(merged(content).split(b"\r\n"))
    coded = [content[one.body_start : one.end] for one in leaves(content) if one.transfer_encoding == "base64"]
    lines = content.split(b"\r\n")
    for number, line in enumerate(lines):
        around = b"".join(lines[max(number - 1, 0) : number + 2]).replace(b"=", b"")
        if b"%" not in around and b"25" not in around and b"?" not in around and not any(line in one for one in coded):
            assert line in found


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_fields_without_placeholders_are_the_same_octets(path: Path) -> None:
    old, new = split(path.read_bytes()), split(merged(path.read_bytes()))
    assert isinstance(old, HeaderBlock)
    assert isinstance(new, HeaderBlock)
    assert [field.name for field in old.fields] == [field.name for field in new.fields]
    for before, after in zip(old.fields, new.fields, strict=True):
        if b"recipient" not in old.raw(before) and b"=?" not in old.raw(before):
            assert old.raw(before) == new.raw(after)


@pytest.mark.parametrize("path", OLD_CORPUS, ids=lambda path: path.stem)
def test_messages_without_placeholders_stay_byte_for_byte(path: Path) -> None:
    content = path.read_bytes()
    assert merged(content) == content
