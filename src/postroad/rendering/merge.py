"""One recipient's copy of a message: placeholders in its header and text parts replaced, all other bytes as they are.

A message is looked at once (:func:`plan`): what stays is kept as it was written, and of each text part only what holds
placeholders is taken apart. Filling a plan for one recipient joins these pieces. A part keeps its character set and
transfer encoding unless they cannot hold the result; then that part alone becomes UTF-8 in quoted-printable, or stays as it
was written where its octets are not of its character set. Attachments, parts covered by a signature, texts that PGP signed or encrypted within themselves, encrypted parts and messages within
the message are never touched.
"""

from collections.abc import Iterator

import msgspec

from postroad.protocol.mime.header import Edit, Field, HeaderBlock, HeaderFault, apply
from postroad.protocol.mime.structure import Part, parse
from postroad.rendering.merge_body import TEXTS, Body, UnfitError, body_of, is_file
from postroad.rendering.merge_header import display_names, filled_field, may_change, recoding
from postroad.rendering.merge_values import Filling, Values


class Merged(msgspec.Struct, frozen=True):
    """A recipient's copy, and the placeholders that had no value."""

    content: bytes
    missing: frozenset[str]


class _Node(msgspec.Struct, frozen=True, kw_only=True):
    """A part whose header or body changes."""

    start: int
    end: int
    is_root: bool
    block: HeaderBlock
    """The part's header alone."""
    fields: tuple[Field, ...]
    body: Body | None

    def filled(self, values: Values) -> bytes:
        edits = [edit for field in self.fields if (edit := filled_field(self.block, field, values)) is not None]
        if self.body is None:
            return self._header(edits)
        try:
            body = self.body.filled(values)
        except UnfitError:
            try:
                body, is_utf8 = self.body.recoded(values)
            except UnfitError:
                return self._header(edits) + self.body.octets
            edits += recoding(self.block, is_html=self.body.is_html, is_root=self.is_root, is_utf8=is_utf8)
        return self._header(edits) + body

    def _header(self, edits: list[Edit]) -> bytes:
        return apply(self.block, edits) if edits else self.block.content


class MergePlan(msgspec.Struct, frozen=True):
    """A message ready to be filled for any number of recipients."""

    content: bytes
    """The message as it was stored."""
    pieces: tuple[bytes | _Node, ...]
    display_names: dict[str, str]
    """The names that To and Cc give to addresses, by address in lower case."""

    @property
    def is_fixed(self) -> bool:
        """Whether it holds no placeholder."""
        return all(isinstance(piece, bytes) for piece in self.pieces)

    @property
    def text_octets(self) -> int:
        """How long the texts are that may be read, and are kept then."""
        nodes = (piece for piece in self.pieces if isinstance(piece, _Node))
        return sum(len(node.body.octets) for node in nodes if node.body is not None)

    def filled(self, filling: Filling) -> Merged:
        """Return one recipient's copy; raises TooMuchError where its values are out of all proportion."""
        values = Values(filling)
        content = b"".join([piece if isinstance(piece, bytes) else piece.filled(values) for piece in self.pieces])
        return Merged(content, frozenset(values.missing))


def plan(content: bytes) -> MergePlan:
    """Look at a message once; one that cannot be read as MIME is a plan that changes nothing."""
    root = parse(content, is_lenient=True)
    if isinstance(root, HeaderFault):
        return MergePlan(content, (content,), {})
    pieces: list[bytes | _Node] = []
    position = 0
    for node in _nodes(content, root, set(), is_root=True):
        pieces += (content[position : node.start], node)
        position = node.end
    return MergePlan(content, (*pieces, content[position:]), display_names(root.block))


def _nodes(content: bytes, part: Part, read: set[str], *, is_root: bool = False) -> Iterator[_Node]:
    fields = tuple(field for field in part.block.fields if may_change(part.block, field)) if is_root else ()
    body = None
    if part.content_type.type == "text" and part.content_type.subtype in TEXTS and not is_file(part, read):
        body = body_of(part, content[part.body_start : part.end])
    if fields or body is not None:
        yield _Node(
            start=part.start,
            end=part.body_start if body is None else part.end,
            is_root=is_root,
            block=_header_alone(part.block),
            fields=fields,
            body=body,
        )
    is_closed = part.is_signed or part.content_type.type == "message" or part.content_type.subtype == "encrypted"
    if not is_closed:
        for child in part.children:
            yield from _nodes(content, child, read)


def _header_alone(block: HeaderBlock) -> HeaderBlock:
    """Return a header without the body behind it, so that an edit does not copy that."""
    return msgspec.structs.replace(block, content=block.content[: block.body_offset])
