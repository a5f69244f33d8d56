"""Fuzz target: what is posted as Outlook's question; ElementTree is the oracle of what is XML at all.

``python -m tests.fuzz outlook_question`` runs it.
"""

from xml.etree import ElementTree as ET

from postroad.httpd.autoconfig.outlook import UnreadableError, read_question


def run_one(data: bytes) -> None:
    """Read ``data`` as a posted body."""
    try:
        question = read_question(data)
    except UnreadableError:
        return
    assert b"<!DOCTYPE" not in data
    assert 0 < len(question.address) <= 1024
    assert len(question.schema) <= 1024
    read = [one for one in ET.fromstring(data).iter() if one.tag.rpartition("}")[2] == "EMailAddress"]
    assert question.address[:1] in "".join("".join(one.itertext()) for one in read)
