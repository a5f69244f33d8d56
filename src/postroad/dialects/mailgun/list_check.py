"""Checks of whole lists of addresses in Mailgun's words."""

import csv
import io
from collections.abc import Iterable
from typing import Any

import msgspec

from postroad.dialects.mailgun.address_check import document
from postroad.dialects.mailgun.parameters import gmt
from postroad.model.address_check import AddressCheck
from postroad.model.list_check import ListCheck
from postroad.policy.suppression_csv import harmless

MISSING = "validation job not found"
SUBMITTED = "The validation job was submitted."
CANCELLED = "Validation job canceled."
STATES = {
    "created": "no address has been checked yet",
    "processing": "some have",
    "uploaded": "all have, and the results can be fetched",
    "failed": "something of ours broke it off",
}
"""The words for how far a list is, for people."""
_COLUMNS = (
    "address", "is_disposable_address", "is_role_address", "reason", "result", "risk", "did_you_mean",
)  # fmt: skip


def job(one: ListCheck, url: str) -> dict[str, Any]:
    """Return what is told of a list; ``url`` is its own."""
    counts = one.counts
    told = {
        "id": one.name,
        "created_at": gmt(one.created_at),
        "quantity": one.total,
        "records_processed": counts.checked,
        "status": _status(one),
        "summary": {
            "result": {
                "catch_all": 0,
                "deliverable": counts.deliverable + counts.risky - counts.disposable,
                "do_not_send": counts.disposable,
                "undeliverable": counts.undeliverable,
                "unknown": counts.unknown,
            },
            "risk": {
                "high": counts.undeliverable + counts.disposable,
                "low": counts.deliverable,
                "medium": counts.risky - counts.disposable,
                "unknown": counts.unknown,
            },
        },
    }
    if has_results(one):
        told["download_url"] = {shape: f"{url}/results.{shape}" for shape in ("csv", "json")}
    return told


def has_results(one: ListCheck) -> bool:
    """Whether all of a list has been checked."""
    return one.finished_at is not None and not one.failure


def _status(one: ListCheck) -> str:
    if one.failure:
        return "failed"
    if one.finished_at is not None:
        return "uploaded"
    return "processing" if one.parts_done else "created"


def csv_lines(checks: Iterable[AddressCheck], *, is_first: bool) -> str:
    """Return results as lines of CSV, under their headings where they are the first ones."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    if is_first:
        writer.writerow(_COLUMNS)
    for one in map(document, checks):
        cells = one | {"reason": ",".join(one["reason"]), "did_you_mean": one.get("did_you_mean", "")}
        writer.writerow([harmless(_cell(cells[name])) for name in _COLUMNS])
    return out.getvalue()


def json_items(checks: Iterable[AddressCheck], *, is_first: bool) -> str:
    """Return results as items of an array of JSON, after a comma where they are not the first ones."""
    items = ",".join(msgspec.json.encode(document(one)).decode() for one in checks)
    return items if is_first or not items else f",{items}"


def _cell(value: bool | str) -> str:
    return str(value).lower() if isinstance(value, bool) else value
