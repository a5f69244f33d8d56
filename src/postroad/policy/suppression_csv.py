"""Lists of addresses as CSV: what other platforms export, what people keep in spreadsheets, and what we write."""

import csv
import email.utils
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

import msgspec

from postroad.model.options import MAX_TAG_LENGTH
from postroad.model.suppression import Fault, Suppression, SuppressionKind, Way
from postroad.policy.suppression import MOST_REASON, understood
from postroad.protocol.smtp.address import AddressError

MOST_OCTETS = 10 * 1024 * 1024
MOST_LINES = 200_000
HEADINGS = ("address", "kind", "tag", "way", "reason", "created_at", "created_by")
"""The columns that we write; a file needs the first one only."""
_ADDRESS = ("address", "email", "recipient", "value", "domain")
_REASON = ("reason", "error", "description", "note")
_TAG = ("tag", "tags")
_AT = ("created_at", "created", "createdat", "date")
_MOST_FIELD = 10_000
_SEPARATORS = ",;\t"
_FORMULA = frozenset("=+-\t\r")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_DIGITS = re.compile(r"\d{9,13}")


class ListFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for all lines of a list."""

    account_id: int
    domain_id: int
    kind: SuppressionKind
    """Of the lines that name none."""
    now: int
    by: str


class Columns(msgspec.Struct, frozen=True):
    """Where each thing stands in a line; None where the file has no such column."""

    address: int = 0
    domain: int | None = None
    """What an entry without an address is for: Mailgun's allow list has a column for each."""
    kind: int | None = None
    tag: int | None = None
    reason: int | None = None
    created_at: int | None = None


class ListError(ValueError):
    """A file that cannot be read as a list; its text is one sentence."""


def lines_in(octets: bytes) -> int:
    """Return how many lines a file has; raises ListError where it is too large."""
    if len(octets) > MOST_OCTETS:
        raise ListError(f"A list has at most {MOST_OCTETS // 1024 // 1024} MB; cut it in parts.")
    count = octets.count(b"\n") + (not octets.endswith(b"\n") and bool(octets))
    if count > MOST_LINES:
        raise ListError(f"A list has at most {MOST_LINES:,} lines; cut it in parts.")
    return count


def read(octets: bytes, facts: ListFacts) -> Iterator[tuple[int, Suppression | Fault | None]]:
    """Read a list line by line: how many lines were read so far, and an entry, a fault, or None for no content.

    Raises:
        ListError: the file is no text, or has no column of addresses.
    """
    try:
        text = octets.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ListError("The list is not UTF-8 text; save it as CSV in UTF-8.") from error
    separator = separator_of(text)
    reader = csv.reader(bounded(io.StringIO(text, newline="")), delimiter=separator)
    columns: Columns | None = None
    while True:
        before = reader.line_num
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield reader.line_num, Fault(before + 1, f"The line is no CSV: {error}.")
            continue
        if not any(cell.strip() for cell in row):
            yield reader.line_num, None
            continue
        if columns is None:
            columns, is_heading = _columns(row)
            if is_heading:
                yield reader.line_num, None
                continue
        yield reader.line_num, _entry(row, columns, facts, before + 1)


def separator_of(text: str) -> str:
    """Return what stands between the columns of a list, by its first line."""
    return max(_SEPARATORS, key=text.partition("\n")[0].count)


def bounded(lines: Iterable[str]) -> Iterator[str]:
    """Cut lines that are too long."""
    # The reader gives up a field of more than 128 KB; a line cut here is a fault of that line alone.
    return (line[:_MOST_FIELD] for line in lines)


def _columns(row: Sequence[str]) -> tuple[Columns, bool]:
    """Return the columns that the first line names, or the usual order where it is an entry already."""
    names = [cell.strip().lower().replace(" ", "_") for cell in row]
    if not any(name in names for name in _ADDRESS):
        if not any("@" in name or "." in name for name in names[:1]):
            raise ListError("The list has no column of addresses: name one `address` in its first line.")
        return Columns(), False
    return Columns(
        address=_first(names, _ADDRESS) or 0,
        domain=_first(names, ("domain",)),
        kind=_first(names, ("kind", "type")),
        tag=_first(names, _TAG),
        reason=_first(names, _REASON),
        created_at=_first(names, _AT),
    ), True


def _first(names: Sequence[str], wanted: Sequence[str]) -> int | None:
    return next((names.index(name) for name in wanted if name in names), None)


def _entry(row: Sequence[str], columns: Columns, facts: ListFacts, line: int) -> Suppression | Fault:
    def cell(column: int | None) -> str:
        return _without_quote(row[column].strip()) if column is not None and column < len(row) else ""

    try:
        kind = kind_of(cell(columns.kind)) if cell(columns.kind) else facts.kind
        tag = tag_of(cell(columns.tag), kind)
        return Suppression(
            account_id=facts.account_id,
            domain_id=facts.domain_id,
            kind=kind,
            address=understood(cell(columns.address) or _all_at(cell(columns.domain)), kind),
            tag=tag,
            way=Way.IMPORT,
            reason=cell(columns.reason)[:MOST_REASON],
            created_at=instant_of(cell(columns.created_at), facts.now),
            created_by=facts.by,
        )
    except (AddressError, ListError) as error:
        return Fault(line, f"{str(error).rstrip('.')}.")


def _all_at(domain: str) -> str:
    return f"@{domain.removeprefix('@')}" if domain else ""


def kind_of(text: str) -> SuppressionKind:
    """Return the kind that a word stands for; raises ListError."""
    try:
        return SuppressionKind(text.lower())
    except ValueError:
        known = ", ".join(kind.value for kind in SuppressionKind)
        raise ListError(f"{text[:80]!r} is no kind: it is one of {known}") from None


def tag_of(text: str, kind: SuppressionKind) -> str:
    """Return the tag that an entry is about, as tags are compared; raises ListError."""
    text = text.strip()
    # Mailgun writes a star for all mail.
    if not text or text == "*":
        return ""
    if kind is not SuppressionKind.UNSUBSCRIBE:
        raise ListError("Only an unsubscribe can be about one tag")
    if len(text) > MAX_TAG_LENGTH:
        raise ListError(f"A tag has at most {MAX_TAG_LENGTH} characters")
    # No message has such a tag, and PostgreSQL can hold no NUL.
    if _CONTROL.search(text):
        raise ListError("A tag has no control characters")
    return text.casefold()


def instant_of(text: str, now: int) -> int:
    """Return when an entry came to be, in milliseconds; now where nothing is said of it. Raises ListError."""
    if not text:
        return now
    at = _understood_time(text)
    # A day ahead is a clock in another zone; beyond that the column means something else.
    if at is None or not 0 < at <= now + 86_400_000:
        raise ListError(f"{text[:80]!r} is no time: write 2026-11-21T14:00:00Z")
    return min(at, now)


def _understood_time(text: str) -> int | None:
    if _DIGITS.fullmatch(text):
        return int(text) if len(text) > 10 else int(text) * 1000
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        try:
            at = email.utils.parsedate_to_datetime(text)
        except (TypeError, ValueError):
            return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    try:
        return int(at.timestamp() * 1000)
    except (OverflowError, ValueError):
        return None


def written(entries: Iterable[Suppression], *, is_first: bool) -> str:
    """Return entries as lines of CSV, under their headings where they are the first ones."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    if is_first:
        writer.writerow(HEADINGS)
    for one in entries:
        at = datetime.fromtimestamp(one.created_at / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        row = (one.address, one.kind.value, one.tag, one.way.value, one.reason, at, one.created_by)
        writer.writerow([harmless(cell) for cell in row])
    return out.getvalue()


def harmless(cell: str) -> str:
    """Return a cell as a spreadsheet shows it and does nothing else."""
    # A spreadsheet takes what begins so for a formula, and texts of strangers are among the cells. The ``@`` of an entry
    # for a whole domain stays: nothing can be called behind it.
    return f"'{cell}" if cell[:1] in _FORMULA else cell


def _without_quote(cell: str) -> str:
    return cell[1:] if cell[:1] == "'" and cell[1:2] in _FORMULA else cell
