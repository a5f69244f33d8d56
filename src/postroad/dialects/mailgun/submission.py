"""Mailgun's sending calls, ``messages`` and ``messages.mime``, as the submissions that they ask for."""

import mimetypes
import re
from collections.abc import Iterable, Mapping

import msgspec

from postroad.dialects.call import Call, envelope_for
from postroad.dialects.headers.submission import Read
from postroad.dialects.headers.submission import read_options as read_option_headers
from postroad.dialects.mailgun.addresses import Addressed, read_addresses
from postroad.dialects.mailgun.errors import Refusal, faulty
from postroad.dialects.mailgun.options import LONGEST_VARIABLES, options_of, read_options
from postroad.dialects.mailgun.substitutions import Substituted
from postroad.dialects.substitution import AllowanceError
from postroad.model.options import NO_OPTIONS, OptionFault, Options
from postroad.policy.header_rules import is_option
from postroad.policy.suppression import comparable
from postroad.protocol.form import Form, Upload
from postroad.protocol.mime.compose import address_field, unstructured
from postroad.protocol.mime.header import HeaderBlock, HeaderFault, apply, insert_at_end, remove, split
from postroad.protocol.mime.letter import File, Letter, compose, field, is_field_name
from postroad.protocol.mime.mailbox import AddressList, Mailbox, parse_address_list

_FOLD = re.compile(r"\r?\n(?=[ \t])")
_ADDRESS_FIELDS = frozenset({"reply-to", "sender", "to", "cc", "from"})
_OURS = frozenset({"mime-version", "received", "return-path", "dkim-signature", "bcc", "x-postroad-id"})
"""Header fields that a parameter does not set: this host writes them, or takes them out."""
_BARE_HEADERS = frozenset({"X-Mailgun-Variables"})
"""Header fields that a client sends as parameters without a prefix (nodemailer-mailgun-transport)."""
_SAID_BY_MIME = ("from", "cc", "bcc", "subject", "text", "html", "amp-html")
_TYPES = mimetypes.MimeTypes(filenames=())
_LONGEST_FIELD = 16 * 1024
"""Characters of one header field."""
_UNTYPED = frozenset({"", "application/octet-stream"})
_NO_BODY = "Need at least one of 'text', 'html', 'amp-html' or 'template' parameters specified"
_TOO_MUCH = "substitutions take too much; use fewer or shorter names, and use them less often"
_NOT_IN_MIME = "ignored substitutions: no template is named, and the message stays as it is"


def read_message(form: Form, domain: str, now: int) -> Call | Refusal:
    """Read a call of ``messages``: returns the message that it makes, or all that is wrong with it."""
    headers = _Headers(form)
    base = headers.options()
    addressed = read_addresses(form, "from", "to", "cc", "bcc")
    if addressed.is_unread:
        return faulty(addressed.faults)
    options = read_options(form, base, now)
    faults = [*headers.faults, *addressed.faults, *options.faults]
    if options.substitutions:
        try:
            form = _substituted(form, headers, options.substitutions, faults)
        except AllowanceError:
            return faulty([*faults, _TOO_MUCH], 413)
    author = _author(form, headers, addressed, domain, faults)
    if not addressed.lists.get("to") and not _is_named(addressed.faults, "to"):
        faults.append("to parameter is missing")
    _check_bodies(form, faults)
    if options.forbidden or faults:
        return faulty([*options.forbidden, *faults], 403 if options.forbidden and not faults else 400)
    is_batch = options.given.get("recipient_variables") is not None or base.options.recipient_variables is not None
    letter = Letter(
        fields=_fields(form, headers, addressed, author, is_batch=is_batch),
        text=_last(form, "text"),
        amp=_last(form, "amp-html"),
        html=_last(form, "html"),
        inline=[_file(one) for one in form.files_of("inline")],
        attachments=[_file(one) for one in form.files_of("attachment")],
    )
    return Call(
        envelope=envelope_for(addressed.recipients, author.address, domain),
        content=compose(letter),
        options=_with_values_for_copies(options_of(options, base.options), addressed),
        option_sources={**base.sources, **options.sources},
        option_notes=(*base.notes, *headers.notes, *_stray_files(form, "attachment", "inline"), *options.notes),
    )


def read_mime(form: Form, domain: str, now: int) -> Call | Refusal:
    """Read a call of ``messages.mime``: the message as it is, with the header fields that parameters add."""
    headers = _Headers(form)
    addressed = read_addresses(form, "to")
    if addressed.is_unread:
        return faulty(addressed.faults)
    content = _mime_content(form)
    faults = [*headers.faults, *addressed.faults]
    if not addressed.lists.get("to") and not _is_named(addressed.faults, "to"):
        faults.append("to parameter is missing")
    if not content:
        faults.append("message parameter is missing")
    content = _with_fields(content, headers)
    block = split(content)
    asked = Read(NO_OPTIONS) if isinstance(block, HeaderFault) else read_option_headers(block)
    if isinstance(asked, OptionFault):
        faults.append(f"{asked.name} {asked.text}")
        asked = Read(NO_OPTIONS)
    options = read_options(form, asked, now)
    faults += options.faults
    if options.forbidden or faults:
        return faulty([*options.forbidden, *faults], 403 if options.forbidden and not faults else 400)
    return Call(
        envelope=envelope_for(addressed.recipients, _author_of(block), domain),
        content=content,
        options=options_of(options, asked.options),
        option_sources={**asked.sources, **options.sources},
        option_notes=(
            *asked.notes,
            *headers.notes,
            *(f"ignored {name}: the message says that itself" for name in _SAID_BY_MIME if name in form.fields),
            *([_NOT_IN_MIME] if options.substitutions else ()),
            *_stray_files(form, "message"),
            *options.notes,
        ),
    )


class _Headers:
    """The ``h:`` parameters: fields of the message, and those that are options like ``X-Mailgun-Variables``."""

    def __init__(self, form: Form) -> None:
        self.faults: list[str] = []
        self.notes: list[str] = []
        self.fields: list[tuple[str, str]] = []
        self._options: list[bytes] = []
        for parameter in form.fields:
            if parameter.startswith("h:") or parameter in _BARE_HEADERS:
                for text in form.texts(parameter):
                    self._take(parameter.removeprefix("h:"), text)
        for text in form.texts("reply_to"):
            if text.strip() and not self.has("reply-to"):
                self._take("Reply-To", text)

    def has(self, name: str) -> bool:
        """Whether a field is set, its name in lower case."""
        return any(given.lower() == name for given, _ in self.fields)

    def substitute(self, texts: Substituted) -> None:
        """Replace names in the fields of the message; raises AllowanceError."""
        fields = [(name, texts.line(value).strip()) for name, value in self.fields]
        for name, value in fields:
            if len(value) > _LONGEST_FIELD:
                self.faults.append(f"h:{name} {_too_long(value)}")
        self.fields = [(name, value) for name, value in fields if value]

    def options(self) -> Read:
        """Return the options among them; what is not understood is a fault."""
        block = split(b"".join(self._options) + b"\r\n")
        asked = Read(NO_OPTIONS) if isinstance(block, HeaderFault) else read_option_headers(block)
        if isinstance(asked, OptionFault):
            self.faults.append(f"h:{asked.name} {asked.text}")
            return Read(NO_OPTIONS)
        return asked

    def written(self) -> Iterable[bytes]:
        """Yield the fields of the message as they stand in it."""
        return (_written(name, value) for name, value in self.fields)

    def options_written(self) -> Iterable[bytes]:
        """Yield the fields that are options."""
        return self._options

    def _take(self, name: str, text: str) -> None:
        value = _FOLD.sub("", text).strip()
        if len(value) > _LONGEST_FIELD:
            self.faults.append(f"h:{name[:76]} {_too_long(value)}")
        elif not name.isascii():
            self.faults.append(f"Header name must be pure ASCII: {name}")
        elif not is_field_name(name):
            self.faults.append(f"h:{name} is no header name: at most 76 printable characters without space and colon")
        elif any(one in value for one in "\r\n\0"):
            self.faults.append(f"h:{name} holds a line end or NUL; a header field is one line")
        elif is_option(name.lower().encode()):
            self._options.append(f"{name}: {value}\r\n".encode())
        elif name.lower() in _OURS or name.lower().startswith("content-"):
            self.notes.append(f"ignored h:{name}: this field is written here")
        elif value:
            self.fields.append((name, value))


def _with_values_for_copies(options: Options, addressed: Addressed) -> Options:
    """Give the recipients of Cc and Bcc the values of the one of To, whose message they see, where they have none."""
    variables = options.recipient_variables
    to = {comparable(one.address) for one in addressed.lists.get("to", ())}
    own = variables.get(to.pop()) if variables and len(to) == 1 else None
    shared = dict.fromkeys((comparable(one.address) for one in addressed.recipients), own)
    # Each recipient's are kept by themselves.
    if not variables or own is None or len(msgspec.json.encode(own)) * len(shared) > LONGEST_VARIABLES:
        return options
    return msgspec.structs.replace(options, recipient_variables=shared | variables)


def _too_long(value: str) -> str:
    return f"has {len(value)} characters; at most {_LONGEST_FIELD} are allowed"


def _substituted(form: Form, headers: _Headers, substitutions: Mapping[str, str], faults: list[str]) -> Form:
    """Replace names in the fields of ``h:``, and return the form with them replaced; raises AllowanceError."""
    texts = Substituted(substitutions)
    told = len(headers.faults)
    headers.substitute(texts)
    faults += headers.faults[told:]
    return texts.form(form)


def _written(name: str, value: str) -> bytes:
    if name.lower() in _ADDRESS_FIELDS and not value.isascii():
        parsed = parse_address_list(value.encode())
        if isinstance(parsed, AddressList) and not parsed.groups:
            return address_field(name, parsed.mailboxes)
    if name.lower() == "message-id" and "@" in value and not value.startswith("<"):
        value = f"<{value}>"
    return field(name, value)


def _author(form: Form, headers: _Headers, addressed: Addressed, domain: str, faults: list[str]) -> Mailbox:
    """Return who a message is from; whatever is wrong there becomes a fault."""
    nobody = Mailbox("", "postmaster", domain)
    authors = addressed.lists.get("from", [])
    given = next((value for name, value in headers.fields if name.lower() == "from"), None)
    if given is not None:
        parsed = parse_address_list(given.encode())
        authors = list(parsed.mailboxes) if isinstance(parsed, AddressList) else []
    if len(authors) > 1:
        faults.append(f"from parameter has {len(authors)} addresses; a message is from one")
    elif not authors and not _is_named(addressed.faults, "from") and not _last(form, "template"):
        faults.append("from parameter is missing")
    return authors[0] if authors else nobody


def _is_named(faults: list[str], name: str) -> bool:
    return any(fault.startswith(f"{name} parameter") for fault in faults)


def _check_bodies(form: Form, faults: list[str]) -> None:
    if _last(form, "template") and _last(form, "html"):
        faults.append("Only one parameters 'html' or 'template' is allowed")
    if not any(_last(form, name) for name in ("text", "html", "amp-html", "template")):
        faults.append(_NO_BODY)
    if any(len(text) > _LONGEST_FIELD for text in form.texts("subject")):
        faults.append(f"subject parameter is too long; at most {_LONGEST_FIELD} characters are allowed")
    if any(one in text.strip() for text in form.texts("subject") for one in "\r\n\0"):
        faults.append("subject parameter holds a line end or NUL; a subject is one line")
    faults += [
        f"{name} parameter is there more than once; keep one"
        for name in ("text", "html", "amp-html", "subject")
        if len(form.fields.get(name, ())) > 1
    ]


def _last(form: Form, name: str) -> str | None:
    texts = form.texts(name)
    return texts[-1] or None if texts else None


def _fields(form: Form, headers: _Headers, addressed: Addressed, author: Mailbox, *, is_batch: bool) -> list[bytes]:
    """Return the header: what parameters say, and below it the fields of ``h:``, which stand above parameters."""
    fields: list[bytes] = []
    if not headers.has("from"):
        fields.append(address_field("From", [author]))
    if not headers.has("to"):
        # Each recipient of a batch sees itself alone.
        fields.append(b"To: %recipient%\r\n" if is_batch else address_field("To", addressed.lists["to"]))
    if addressed.lists.get("cc") and not headers.has("cc"):
        fields.append(address_field("Cc", addressed.lists["cc"]))
    subject = _last(form, "subject")
    if subject is not None and not headers.has("subject"):
        fields.append(unstructured("Subject", subject.strip()))
    return [*fields, *headers.written()]


def _file(upload: Upload) -> File:
    name = upload.filename or "attachment"
    content_type = upload.content_type
    if content_type.partition(";")[0].strip().lower() in _UNTYPED:
        content_type = _TYPES.guess_type(name)[0] or "application/octet-stream"
    return File(octets=upload.octets, name=name, content_type=content_type)


def _stray_files(form: Form, *known: str) -> list[str]:
    return [f"ignored the file {one.field}: there is no such parameter" for one in form.files if one.field not in known]


def _mime_content(form: Form) -> bytes:
    files = form.files_of("message")
    given = [one.octets for one in files] or form.fields.get("message", [])
    content = given[-1] if given else b""
    ends = content.count(b"\n")
    if content.count(b"\r\n") == ends == content.count(b"\r"):
        return content
    # Files of mail on disk have the line ends of their system.
    return content.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")


def _with_fields(content: bytes, headers: _Headers) -> bytes:
    """Return a message with the fields of parameters in place of its own."""
    block = split(content)
    if isinstance(block, HeaderFault):
        return content
    names = {name.lower().encode() for name, _ in headers.fields}
    edits = [remove(one) for one in block.fields if one.name in names]
    edits += [insert_at_end(block, raw) for raw in (*headers.written(), *headers.options_written())]
    return apply(block, edits) if edits else content


def _author_of(block: HeaderBlock | HeaderFault) -> str:
    found = None if isinstance(block, HeaderFault) else block.first(b"from")
    if found is None or isinstance(block, HeaderFault):
        return ""
    parsed = parse_address_list(block.value(found))
    return parsed.mailboxes[0].address if isinstance(parsed, AddressList) and parsed.mailboxes else ""
