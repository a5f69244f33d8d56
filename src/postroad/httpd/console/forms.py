"""What a form brought: texts by name, and what is wrong with them, field by field."""

import re
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from urllib.parse import parse_qsl, urlencode

import msgspec
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from postroad.httpd.bodies import bounded
from postroad.model.credential import Secret
from postroad.model.refused import ForbiddenError, MissingError, RefusedError

MOST_OCTETS = 256 * 1024
_MOST_FIELDS = 500
SHOWN = "shown"
"""A field that people do not see: what the others held when the page was made."""
_MOST_DIGITS = 12
_DECIMAL = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,6})?")


class File(msgspec.Struct, frozen=True):
    """A file that came with a form."""

    name: str
    octets: bytes


class Form:
    """The fields of a form that was sent, and the errors that are found in them; both are shown when it comes again."""

    def __init__(self, pairs: Sequence[tuple[str, str]] = (), errors: Mapping[str, str] | None = None) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            # No browser sends NUL, and PostgreSQL has no text with it.
            self._values.setdefault(name, []).append(value.replace("\0", "\N{REPLACEMENT CHARACTER}"))
        self.errors: dict[str, str] = dict(errors or {})
        self.file: File | None = None
        """The file that came with it."""

    @classmethod
    def of(cls, **values: object) -> "Form":
        """Return a form as it is first shown, filled with what is stored."""
        pairs: list[tuple[str, str]] = []
        for name, value in values.items():
            if isinstance(value, bool):
                pairs += [(name, "on")] if value else []
            elif isinstance(value, tuple | list):
                pairs.append((name, "\n".join(str(one) for one in value)))
            elif isinstance(value, float):
                pairs.append((name, f"{value:g}"))
            elif value is not None:
                pairs.append((name, str(value)))
        return cls([*pairs, (SHOWN, urlencode(pairs))])

    def text(self, name: str) -> str:
        """Return a field's text without blanks around it; empty where it is missing."""
        return self._values.get(name, [""])[-1].strip()

    def prose(self, name: str) -> str:
        """Return what was written into a large field as it was, with line ends of one character."""
        return self._values.get(name, [""])[-1].replace("\r\n", "\n")

    def secret(self, name: str) -> Secret:
        """Return a password as it was typed."""
        return Secret(self._values.get(name, [""])[-1])

    def put(self, name: str, value: str) -> None:
        """Have a field show another value than the one that came."""
        self._values[name] = [value]

    def has(self, name: str) -> bool:
        """Whether a field came at all, if only empty."""
        return name in self._values

    def flag(self, name: str) -> bool:
        """Whether a box is ticked."""
        return bool(self._values.get(name))

    def all(self, name: str) -> list[str]:
        """Return every value of a field that can be there more than once."""
        return self._values.get(name, [])

    def held(self, name: str) -> list[str]:
        """Return what a field holds as it is compared: browsers change line ends, and send empty fields too."""
        values = (value.replace("\r\n", "\n").strip() for value in self.all(name))
        return [value for value in values if value]

    def lines(self, name: str) -> list[str]:
        """Return the entries of a list that is written with commas, blanks or line ends between them."""
        return self.text(name).replace(",", " ").split()

    def number(self, name: str) -> int | None:
        """Return a whole number, or None for an empty field; raises RefusedError for anything else."""
        text = self.text(name)
        if not text:
            return None
        if not text.isascii() or not text.isdigit():
            raise RefusedError(f"{text!r} does not fit: use a whole number from 0.", field=name)
        if len(text) > _MOST_DIGITS:
            raise RefusedError("The number is too large.", field=name)
        return int(text)

    def decimal(self, name: str) -> float | None:
        """Return a number with or without decimals, or None for an empty field; raises RefusedError for anything else."""
        text = self.text(name)
        if not text:
            return None
        # A decimal comma is what half of the world writes.
        if not _DECIMAL.fullmatch(text.replace(",", ".")):
            raise RefusedError(f"{text!r} is not a number such as 0.3.", field=name)
        return float(text.replace(",", "."))

    def touched(self, stored: "Form", names: Iterable[str]) -> frozenset[str]:
        """Return which fields were changed on the page; what others have changed elsewhere meanwhile stays with that.

        Without word of what was shown that is each of them. Raises RefusedError that names a field which was changed here
        and elsewhere; what is stored now counts as shown from then on.
        """
        if not self.has(SHOWN):
            return frozenset(names)
        shown = Form(parse_qsl(self.text(SHOWN)))
        touched = frozenset(name for name in names if self.held(name) != shown.held(name))
        for name in sorted(touched):
            now = stored.held(name)
            if now not in (shown.held(name), self.held(name)):
                shown._values[name] = now
                self.put(SHOWN, urlencode(shown._values, doseq=True))
                text = ", ".join(now).replace("\n", ", ") or "empty"
                raise RefusedError(
                    f"It was changed meanwhile and is now: {text}. Save again to replace that.", field=name
                )
        return touched

    def refuse(self, error: RefusedError) -> "Form":
        """Take note of what a service refused: at its field, or above the form.

        Raises it again where no other entry would help: what is asked for does not exist, or is not allowed.
        """
        if isinstance(error, MissingError | ForbiddenError) and not error.field:
            raise error
        self.errors[error.field] = str(error)
        return self


async def read_form(request: Request, most_octets: int = MOST_OCTETS) -> Form:
    """Read the fields of a form; raises HTTPException where there are too many or too large ones."""
    if request.headers.get("content-type", "").startswith("multipart/form-data"):
        return await _read_with_file(request, most_octets)
    body = b"".join([chunk async for chunk in _pieces(request, most_octets)])
    try:
        pairs = parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError as error:
        raise HTTPException(400, "The form could not be read.") from error
    return Form(pairs)


async def _read_with_file(request: Request, most_octets: int) -> Form:
    parser = MultiPartParser(
        request.headers, _pieces(request, most_octets), max_files=1, max_fields=_MOST_FIELDS, max_part_size=MOST_OCTETS
    )
    try:
        found = await parser.parse()
    except MultiPartException as error:
        raise HTTPException(400, "The form could not be read.") from error
    try:
        form = Form([(name, value) for name, value in found.multi_items() if isinstance(value, str)])
        for value in found.values():
            # A browser sends a file without a name where none was chosen.
            if isinstance(value, UploadFile) and value.filename:
                form.file = File(value.filename, await value.read())
    finally:
        await found.close()
    return form


def _pieces(request: Request, most_octets: int) -> AsyncGenerator[bytes, None]:
    return bounded(request, most_octets, f"A form has at most {most_octets // 1024:,} KB.")
