"""Mending lines of more than 998 octets by encoding the one part that has them (RFC 5322 §2.1.1, RFC 2045 §6)."""

from postroad.protocol.mime import transfer_encoding
from postroad.protocol.mime.header import Edit, HeaderFault, apply, insert_at_end, replace
from postroad.protocol.mime.structure import Part, parse
from postroad.protocol.smtp.data import Fault, content_faults


def repair(content: bytes) -> bytes | None:
    """Return the content with its long lines encoded away; None where that cannot be done.

    It cannot be done for lines outside any part's body (header fields, what stands before or behind the parts of a
    multipart) nor within a signed multipart, whose signature would break.
    """
    root = parse(content)
    if isinstance(root, HeaderFault) or _has_long_line(content[: root.body_start]):
        return None
    pieces: list[tuple[int, int, bytes]] = []
    if not _repair_part(content, root, pieces):
        return None
    mended: list[bytes] = []
    position = 0
    for start, end, octets in pieces:
        mended += (content[position:start], octets)
        position = end
    return b"".join([*mended, content[position:]])


def _has_long_line(octets: bytes) -> bool:
    return Fault.LONG_LINE in content_faults(octets)


def _repair_part(content: bytes, part: Part, pieces: list[tuple[int, int, bytes]]) -> bool:
    """Collect the spans to put in place of the parts with long lines; False where one cannot be mended."""
    if not _has_long_line(content[part.start : part.end]):
        return True
    if not part.children:
        return part.content_type.type != "multipart" and _recode(content, part, pieces)
    if part.is_signed or _has_long_line(_around(content, part)):
        return False
    return all(_repair_part(content, child, pieces) for child in part.children)


def _around(content: bytes, part: Part) -> bytes:
    """Return the octets of a part that belong to none of its children."""
    position = part.start
    rest: list[bytes] = []
    for child in part.children:
        rest.append(content[position : child.start])
        position = child.end
    return b"\r\n".join([*rest, content[position : part.end]])


def _recode(content: bytes, part: Part, pieces: list[tuple[int, int, bytes]]) -> bool:
    header, body = content[part.start : part.body_start], content[part.body_start : part.end]
    if _has_long_line(header):
        return False
    octets = _decoded(body, part.transfer_encoding)
    if octets is None:
        return False
    # What was decoded may hold octets that stand in no text: they are kept exactly, which quoted-printable lines are not.
    is_text = part.content_type.type == "text" and content_faults(octets) in {Fault.NONE, Fault.LONG_LINE}
    name = b"quoted-printable" if is_text else b"base64"
    encoded = transfer_encoding.quoted_printable_part(octets) if is_text else transfer_encoding.base64(octets)
    pieces.append((part.start, part.body_start, _with_encoding(part, name)))
    pieces.append((part.body_start, part.end, encoded))
    return True


def _decoded(body: bytes, encoding: str) -> bytes | None:
    match encoding:
        case "7bit" | "8bit" | "binary":
            return body
        case "quoted-printable":
            return transfer_encoding.decode_quoted_printable(body)
        case "base64":
            try:
                return transfer_encoding.decode_base64(body)
            except ValueError:
                return None
        case _:
            return None


def _with_encoding(part: Part, name: bytes) -> bytes:
    """Return the part's header block, empty line included, naming the new encoding."""
    block = part.block
    field = b"Content-Transfer-Encoding: " + name + b"\r\n"
    found = block.named(b"content-transfer-encoding")
    edits: list[Edit] = [replace(found[0], field)] if found else [insert_at_end(block, field)]
    edited = apply(block, edits)
    grown = len(edited) - len(block.content)
    return edited[: block.body_offset + grown]
