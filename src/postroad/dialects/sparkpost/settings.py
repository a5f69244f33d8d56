"""What a transmission asks for besides its content: its options, campaign, metadata and return path."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from postroad.dialects.headers.values import OptionValueError, listed_tags, shown
from postroad.dialects.sparkpost.fields import Reading
from postroad.dialects.sparkpost.recipients import MOST_OCTETS_OF_DATA, MOST_OCTETS_OF_METADATA

LONGEST_CAMPAIGN = 64
LONGEST_DESCRIPTION = 1024
_SWITCHES: Mapping[str, str | None] = {
    "open_tracking": "tracks_opens",
    "click_tracking": "tracks_clicks",
    "transactional": "ignores_unsubscribes",
    "sandbox": "is_test",
    "initial_open": None,
    "skip_suppression": None,
    "inline_css": None,
    "perform_substitutions": None,
}
"""The options that are true or false, and the option of ours that they give."""
WITHOUT_EFFECT = {
    "skip_suppression": "who complained, and an address that bounced, get no more mail",
    "inline_css": "the HTML is sent as it is",
}
IGNORED = {
    "ip_pool": "the operator chooses by which address a domain's mail leaves",
    "dkim_key": "every message is signed with the key of its domain",
}
_OPTIONS = frozenset({*_SWITCHES, *IGNORED, "start_time"})
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)")
NAMES = frozenset(
    {
        "options", "override", "recipients", "campaign_id", "description", "metadata", "substitution_data", "return_path",
        "tracking_domain", "content", "name", "num_rcpt_errors",
    }
)  # fmt: skip


class Settings(msgspec.Struct, kw_only=True):
    """What is asked for."""

    given: dict[str, Any] = {}
    """Options by their names in the model."""
    sources: dict[str, str] = {}
    substitutes: bool = True
    campaign: str | None = None
    metadata: Mapping[str, Any] = {}
    data: Mapping[str, Any] = {}
    return_path: str | None = None


def read_settings(document: Mapping[str, Any], reading: Reading) -> Settings:
    """Read what is asked for; what is not understood becomes faults of the reading."""
    settings = Settings()
    reading.unknown_names(document, NAMES)
    options = reading.take(document, "options", dict) or {}
    reading.unknown_names(options, _OPTIONS, "options")
    for name, option in _SWITCHES.items():
        is_on = reading.take(options, name, bool, "options")
        if is_on is None:
            continue
        # Mail is not transactional where nobody says so, and what a domain is for holds.
        if option is not None and (is_on or option != "ignores_unsubscribes"):
            settings.given[option] = is_on
            settings.sources[option] = f"options.{name}"
        if is_on and name in WITHOUT_EFFECT:
            reading.note(f"ignored options.{name}: {WITHOUT_EFFECT[name]}")
    settings.substitutes = options.get("perform_substitutions") is not False
    for name, why in IGNORED.items():
        if options.get(name):
            reading.note(f"ignored options.{name}: {why}")
    if document.get("tracking_domain"):
        reading.note("ignored tracking_domain: links lead to the tracking host of the sending domain")
    _read_start(options, reading, settings)
    _read_campaign(document, reading, settings)
    settings.metadata = reading.document(document, "metadata", MOST_OCTETS_OF_METADATA)
    settings.data = reading.document(document, "substitution_data", MOST_OCTETS_OF_DATA)
    settings.return_path = reading.line(document, "return_path") or None
    description = reading.take(document, "description", str)
    if description is not None and len(description.encode()) > LONGEST_DESCRIPTION:
        reading.wrong(
            f"description has {len(description.encode()):,} bytes; at most {LONGEST_DESCRIPTION:,} are possible"
        )
    return settings


def _read_start(options: Mapping[str, Any], reading: Reading, settings: Settings) -> None:
    text = reading.take(options, "start_time", str, "options")
    # The vendor's own words for at once.
    if text is None or text.strip().lower() == "now":
        return
    try:
        at = datetime.fromisoformat(text.strip()) if _INSTANT.fullmatch(text.strip()) else None
    except ValueError:
        at = None
    if at is None:
        reading.wrong(
            f"options.start_time must be a time with its offset such as 2026-11-27T08:30:00+00:00, not {shown(text)}"
        )
        return
    settings.given["deliver_at"] = int(at.timestamp() * 1000)
    settings.sources["deliver_at"] = "options.start_time"


def _read_campaign(document: Mapping[str, Any], reading: Reading, settings: Settings) -> None:
    campaign = reading.line(document, "campaign_id")
    if not campaign:
        return
    if len(campaign.encode()) > LONGEST_CAMPAIGN:
        reading.wrong(f"campaign_id has {len(campaign.encode())} bytes; at most {LONGEST_CAMPAIGN} are possible")
        return
    try:
        [settings.campaign] = listed_tags([campaign])
    except OptionValueError as error:
        reading.wrong(f"campaign_id {error}")
