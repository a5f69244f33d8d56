"""Lists of addresses to be checked, as people and other platforms write them in CSV; and what the checks came to, as CSV."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

from postroad.model.address_check import AddressCheck
from postroad.policy.address_check import LONGEST
from postroad.policy.suppression_csv import ListError, bounded, harmless, separator_of

MOST_OCTETS = 25 * 1024 * 1024
MOST_ADDRESSES = 100_000
MOST_LINES = 2 * MOST_ADDRESSES
"""Empty ones included, which cost time as well."""
HEADINGS = ("address", "result", "confidence", "reasons", "did_you_mean", "role", "disposable", "detail")
_ADDRESS = ("email", "email_address", "address", "recipient", "e-mail")


def addresses_in(octets: bytes) -> list[str]:
    """Return the addresses of a list in their order, those that are none included.

    Raises:
        ListError: the file is no text, has no column of addresses, or is too large.
    """
    if len(octets) > MOST_OCTETS:
        raise ListError(f"A list has at most {MOST_OCTETS // 1024 // 1024} MB; cut it in parts")
    try:
        text = octets.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ListError("The list is not UTF-8 text; save it as CSV in UTF-8") from error
    found: list[str] = []
    for address in _column(_rows(text)):
        if len(found) == MOST_ADDRESSES:
            raise ListError(f"A list has at most {MOST_ADDRESSES:,} addresses; cut it in parts")
        found.append(address)
    if not found:
        raise ListError("The list is empty")
    return found


def _rows(text: str) -> Iterator[Sequence[str]]:
    reader = csv.reader(bounded(io.StringIO(text, newline="")), delimiter=separator_of(text))
    try:
        for row in reader:
            if reader.line_num > MOST_LINES:
                raise ListError(f"A list has at most {MOST_LINES:,} lines, empty ones included; cut it in parts")
            # What a quotation mark without an end has swallowed may be addresses.
            if any("\n" in cell or "\r" in cell for cell in row):
                raise ListError(
                    f"A cell that ends at line {reader.line_num} has several lines: "
                    "end its quotation mark, or take out the line breaks"
                )
            yield row
    except csv.Error as error:
        raise ListError(f"Line {reader.line_num} is no CSV: {error}") from error


def _column(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    column: int | None = None
    for row in rows:
        if not any(cell.strip() for cell in row):
            continue
        if column is None:
            column, is_heading = _place_in(row)
            if is_heading:
                continue
        address = row[column].strip() if column < len(row) else ""
        if address:
            # What is longer is no address in any case.
            yield address[: LONGEST + 1]


def _place_in(row: Sequence[str]) -> tuple[int, bool]:
    """Return where the addresses stand, and whether the first line only says so."""
    names = [cell.strip().lower().replace(" ", "_") for cell in row]
    for name in _ADDRESS:
        if name in names:
            return names.index(name), True
    column = next((number for number, name in enumerate(names) if "@" in name), None)
    if column is None:
        raise ListError("The list has no column of addresses: name one `email` in its first line")
    return column, False


def written(checks: Iterable[AddressCheck], *, is_first: bool) -> str:
    """Return checks as lines of CSV, under their headings where they are the first ones."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    if is_first:
        writer.writerow(HEADINGS)
    for one in checks:
        row = (
            one.address,
            one.result.value,
            str(one.confidence),
            " ".join(reason.value for reason in one.reasons),
            one.suggestion or "",
            "yes" if one.is_role else "no",
            "yes" if one.is_disposable else "no",
            one.detail,
        )
        writer.writerow([harmless(cell) for cell in row])
    return out.getvalue()
