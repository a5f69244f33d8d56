"""The whole corpus passes admission, and what was admitted keeps its body byte for byte."""

import email
import email.policy
from pathlib import Path

import pytest

from postroad.model.submission import Admitted
from postroad.policy.admission import admit
from postroad.protocol.mime.encoded_word import decode
from postroad.protocol.mime.header import HeaderBlock, split
from postroad.protocol.mime.structure import Part, parse
from tests.unit.policy.submissions import facts, submission

CORPUS = sorted((Path(__file__).parent / "corpus").glob("*.eml"))


def block_of(content: bytes) -> HeaderBlock:
    block = split(content)
    assert isinstance(block, HeaderBlock), block
    return block


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_admission_keeps_the_body(path: Path) -> None:
    content = path.read_bytes()
    verdict = admit(submission(content, is_utf8=True, is_eight_bit=True), facts())

    assert isinstance(verdict, Admitted), verdict
    given, stored = block_of(content), block_of(verdict.content)
    assert stored.body == given.body + (b"" if content.endswith(b"\r\n") else b"\r\n")
    assert [stored.raw(field) for field in stored.fields if field.name in {b"from", b"to", b"subject"}] == [
        given.raw(field) for field in given.fields if field.name in {b"from", b"to", b"subject"}
    ]


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_header_fields_agree_with_the_standard_library(path: Path) -> None:
    block = block_of(path.read_bytes())
    parsed = email.message_from_bytes(path.read_bytes(), policy=email.policy.compat32)

    assert [field.name.decode() for field in block.fields] == [name.lower() for name in parsed]


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_subjects_agree_with_the_standard_library(path: Path) -> None:
    block = block_of(path.read_bytes())
    subject = block.first(b"subject")
    parsed = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    assert subject is not None

    assert decode(block.value(subject)).split() == str(parsed["Subject"]).split()


def leaf_types(part: Part) -> list[str]:
    if not part.children:
        return [f"{part.content_type.type}/{part.content_type.subtype}"]
    return [kind for child in part.children for kind in leaf_types(child)]


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_parts_agree_with_the_standard_library(path: Path) -> None:
    root = parse(path.read_bytes())
    parsed = email.message_from_bytes(path.read_bytes(), policy=email.policy.compat32)
    assert isinstance(root, Part)

    assert leaf_types(root) == [part.get_content_type() for part in parsed.walk() if not part.is_multipart()]
