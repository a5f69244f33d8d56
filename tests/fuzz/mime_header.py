"""Fuzz target: header blocks, addresses, encoded words and parts; the standard library is the oracle for fields.

``python -m tests.fuzz mime_header`` runs it.
"""

import email.parser
import email.policy

from postroad.protocol.mime import encoded_word
from postroad.protocol.mime.header import HeaderBlock, apply, remove, split
from postroad.protocol.mime.long_line import repair
from postroad.protocol.mime.mailbox import parse_address_list, without_comments
from postroad.protocol.mime.structure import parse
from postroad.protocol.smtp.data import Fault, content_faults

_PARSER = email.parser.BytesHeaderParser(policy=email.policy.compat32)


def run_one(data: bytes) -> None:
    """Read ``data`` as a message; any exception or broken promise is a finding."""
    block = split(data)
    if not isinstance(block, HeaderBlock):
        assert block.rule
        assert block.text.endswith(".")
        return
    assert b"".join(block.raw(field) for field in block.fields) == data[: block.end]
    assert apply(block, []) == data
    assert apply(block, [remove(field) for field in block.fields]) == data[block.end :]
    names = [field.name.decode() for field in block.fields]
    assert names == [name.lower() for name in _PARSER.parsebytes(data)]
    for field in block.fields:
        parse_address_list(block.value(field))
        without_comments(encoded_word.decode(block.value(field)))
    _parts(data)


def _parts(data: bytes) -> None:
    parse(data)
    faults = content_faults(data)
    if faults is Fault.LONG_LINE:
        mended = repair(data)
        assert mended is None or content_faults(mended) is Fault.NONE
