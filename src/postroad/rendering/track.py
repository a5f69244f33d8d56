"""Opens, clicks and unsubscribes in one recipient's copy: links lead over the domain's tracking host, a pixel is put in.

A message is laid out once (:func:`lay_out`). As the heads of all tokens have one length, that is also where the lines of
its text parts break; for a recipient only the heads are filled in. All other octets stay as they are, but for
parts in base64 and those that would get too long lines, which are encoded anew. Attachments, parts covered by a signature,
encrypted parts and messages within the message are never touched.
"""

from collections.abc import Iterator

import msgspec

from postroad.protocol.mime.header import HeaderFault, insert_at_end, replace
from postroad.protocol.mime.structure import Part, parse
from postroad.rendering.merge_body import is_file
from postroad.rendering.track_body import Base64, Piece, Slot, Wishes, body_of, joined
from postroad.tracking import unsubscribe
from postroad.tracking.token import Place, Signer

_Change = tuple[int, int, tuple[Piece | None, ...]]
"""A span and what stands there instead; None is where the header says how to unsubscribe."""


class Layout(msgspec.Struct, frozen=True):
    """A message ready to be filled for any number of recipients."""

    pieces: tuple[Piece | None, ...]

    @property
    def is_fixed(self) -> bool:
        """Whether it is the same for all recipients."""
        return all(isinstance(piece, bytes) for piece in self.pieces)

    def filled(self, signer: Signer, unsubscribe_url: str = "", unsubscribe_address: str = "") -> bytes:
        """Return one recipient's copy."""
        fields = unsubscribe.fields(unsubscribe_url, unsubscribe_address) if unsubscribe_url else b""
        return b"".join([fields if piece is None else _filled(piece, signer) for piece in self.pieces])


def lay_out(content: bytes, place: Place, wishes: Wishes) -> Layout:
    """Look at a message once; one that cannot be read as MIME stays as it is."""
    root = parse(content, is_lenient=True)
    if isinstance(root, HeaderFault):
        return Layout((content,))
    changes = list(_changes(content, root, place, wishes, set()))
    if wishes.unsubscribe and not unsubscribe.has_own(root.block):
        # In the message's own header, so that both fields are signed (RFC 8058 §4).
        changes.append((root.block.end, root.block.end, (None,)))
    pieces: list[Piece | None] = []
    position = 0
    for start, end, replaced in sorted(changes, key=_place_of):
        pieces += (content[position:start], *replaced)
        position = end
    return Layout(tuple(joined((*pieces, content[position:]))))


def _changes(content: bytes, part: Part, place: Place, wishes: Wishes, read: set[str]) -> Iterator[_Change]:
    kind, is_first = part.content_type, part.content_type.subtype not in read
    if part.is_signed or kind.type == "message" or kind.subtype == "encrypted":
        return
    for child in part.children:
        yield from _changes(content, child, place, wishes, read)
    # Without a body there may be no empty line that it would stand behind.
    if kind.type != "text" or part.body_start == part.end or is_file(part, read) or not _wants(kind.subtype, wishes):
        return
    if not is_first:
        # One open of a message is one, however many texts it has.
        wishes = msgspec.structs.replace(wishes, opens=False, trap=False)
    body = body_of(part, content[part.body_start : part.end], place, wishes)
    if body is None:
        return
    if body.is_recoded:
        field = part.block.first(b"content-transfer-encoding")
        raw = b"Content-Transfer-Encoding: quoted-printable\r\n"
        edit = insert_at_end(part.block, raw) if field is None else replace(field, raw)
        yield part.start + edit.start, part.start + edit.end, (edit.replacement,)
    yield part.body_start, part.end, body.pieces


def _wants(subtype: str, wishes: Wishes) -> bool:
    match subtype:
        case "html":
            return wishes.clicks or wishes.opens
        case "plain":
            return wishes.clicks and wishes.text_clicks
    return False


def _place_of(change: _Change) -> tuple[int, int]:
    return change[:2]


def _filled(piece: Piece, signer: Signer) -> bytes:
    match piece:
        case bytes():
            return piece
        case Slot():
            return signer.head(piece.kind, piece.payload)
        case Base64():
            return piece.encoded(b"".join([_filled(one, signer) for one in piece.pieces]))
