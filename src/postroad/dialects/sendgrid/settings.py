"""The settings of a call, ``mail_settings``, ``tracking_settings`` and ``asm``, as the options that they ask for."""

from collections.abc import Mapping
from typing import Any

import msgspec

from postroad.dialects.sendgrid.fields import Reading

UNSUBSCRIBE = "%unsubscribe_url%"
GROUP_UNSUBSCRIBE = "%group_unsubscribe_url%"
_VENDOR_LINKS = ("<%asm_group_unsubscribe_raw_url%>", "<%asm_preferences_raw_url%>")
_OF_ALL_MAIL = "<%asm_global_unsubscribe_raw_url%>"
_SWITCHES: Mapping[str, Mapping[str, str | None]] = {
    "mail_settings": {
        "bypass_list_management": "ignores_unsubscribes",
        "bypass_unsubscribe_management": "ignores_unsubscribes",
        "bypass_spam_management": None,
        "bypass_bounce_management": None,
        "footer": None,
        "sandbox_mode": None,
    },
    "tracking_settings": {
        "click_tracking": "tracks_clicks",
        "open_tracking": "tracks_opens",
        "subscription_tracking": "offers_unsubscribe",
        "ganalytics": None,
    },
}
"""Each setting with the option that its ``enable`` gives."""
_WITHOUT_EFFECT = {
    "bypass_spam_management": "who complained gets no more mail",
    "bypass_bounce_management": "an address that bounced gets no more mail",
    "ganalytics": "links are left as they are written",
}
_BYPASSES = ("bypass_spam_management", "bypass_bounce_management", "bypass_unsubscribe_management")
MOST_GROUPS = 25


class Settings(msgspec.Struct, kw_only=True):
    """What the settings of a call come to."""

    given: dict[str, Any]
    """Options."""
    sources: dict[str, str]
    is_sandboxed: bool = False
    """The call is checked, and nothing of it is kept."""
    text_end: str = ""
    """What the text ends with."""
    html_end: str = ""
    group_id: int | None = None
    """The group that the call's messages are of."""
    bypasses_group: bool = False
    """They go to who left it, too."""
    links: dict[str, str] = {}
    """What stands in the texts for something of the vendor's, with what takes its place."""

    @property
    def unsubscribe(self) -> str:
        """What stands for the link by which a recipient leaves the mail."""
        return UNSUBSCRIBE if self.group_id is None else GROUP_UNSUBSCRIBE


def read_settings(document: Mapping[str, Any], reading: Reading) -> Settings:
    """Read all settings of a call."""
    settings = Settings(given={}, sources={})
    enabled = {group: _enabled(document, group, reading, settings) for group in _SWITCHES}
    mail, tracking = enabled["mail_settings"], enabled["tracking_settings"]
    settings.is_sandboxed = "sandbox_mode" in mail
    if "bypass_list_management" in mail and any(name in mail for name in _BYPASSES):
        reading.fault(
            "mail_settings.bypass_list_management",
            "bypass_list_management cannot be combined with any other bypass setting.",
        )
    if "bypass_list_management" in mail:
        settings.bypasses_group = True
        reading.note(
            "mail_settings.bypass_list_management lets through who unsubscribed; who complained, and an address that bounced, "
            "get no more mail"
        )
    _read_footer(mail.get("footer"), reading, settings)
    _read_group(document, reading, settings)
    _read_tracking(tracking, reading, settings)
    if settings.given.get("offers_unsubscribe"):
        settings.links |= {_OF_ALL_MAIL: UNSUBSCRIBE, **dict.fromkeys(_VENDOR_LINKS, settings.unsubscribe)}
    return settings


def _enabled(
    document: Mapping[str, Any], group: str, reading: Reading, settings: Settings
) -> dict[str, Mapping[str, Any]]:
    """Return the settings of a group that are on; options are given by those that are off, too."""
    found: dict[str, Mapping[str, Any]] = {}
    given = reading.take(document, group, dict) or {}
    for name in given:
        place = f"{group}.{name}"
        if name not in _SWITCHES[group]:
            reading.note(f"ignored {place}: there is no such setting")
            continue
        setting = reading.take(given, name, dict, group)
        is_on = None if setting is None else reading.take(setting, "enable", bool, place)
        if setting is None or is_on is None:
            continue
        option = _SWITCHES[group][name]
        if option is not None and (is_on or option != "ignores_unsubscribes"):
            settings.given[option] = is_on
            settings.sources[option] = place
        if is_on:
            found[name] = setting
            if name in _WITHOUT_EFFECT:
                reading.note(f"ignored {place}: {_WITHOUT_EFFECT[name]}")
    return found


def _read_footer(footer: Mapping[str, Any] | None, reading: Reading, settings: Settings) -> None:
    if footer is not None:
        settings.text_end = reading.take(footer, "text", str, "mail_settings.footer") or ""
        settings.html_end = reading.take(footer, "html", str, "mail_settings.footer") or ""


def _read_tracking(tracking: Mapping[str, Mapping[str, Any]], reading: Reading, settings: Settings) -> None:
    clicks = tracking.get("click_tracking")
    in_text = None if clicks is None else reading.take(clicks, "enable_text", bool, "tracking_settings.click_tracking")
    if in_text is not None:
        settings.given["tracks_text_clicks"] = in_text
        settings.sources["tracks_text_clicks"] = "tracking_settings.click_tracking.enable_text"
    opens = tracking.get("open_tracking")
    if opens is not None:
        tag = reading.take(opens, "substitution_tag", str, "tracking_settings.open_tracking")
        if tag:
            settings.links[tag] = ""
            reading.note("ignored tracking_settings.open_tracking.substitution_tag: the pixel stands at the end")
    leaving = tracking.get("subscription_tracking")
    if leaving is None:
        return
    place = "tracking_settings.subscription_tracking"
    tag = reading.take(leaving, "substitution_tag", str, place)
    text, html = reading.take(leaving, "text", str, place), reading.take(leaving, "html", str, place)
    if tag:
        # The vendor's rule: where the tag is given, text and html are not looked at.
        settings.links[tag] = settings.unsubscribe
        return
    if text:
        settings.text_end = "\n".join(filter(None, [settings.text_end, _with_link(text, settings.unsubscribe)]))
    if html:
        settings.html_end += _with_link(html, f'<a href="{settings.unsubscribe}">{{words}}</a>')


def _with_link(text: str, link: str) -> str:
    """Return a text with an address to unsubscribe at where it has ``<% … %>``."""
    before, begun, rest = text.partition("<%")
    words, ended, after = rest.partition("%>")
    if not begun or not ended:
        return text
    return before + link.replace("{words}", words.strip()) + after


def _read_group(document: Mapping[str, Any], reading: Reading, settings: Settings) -> None:
    group = reading.take(document, "asm", dict)
    if group is None:
        return
    number = reading.take(group, "group_id", int, "asm")
    if number is None and group.get("group_id") is None:
        reading.fault("asm.group_id", "The asm group id is required where asm is given.")
    shown = reading.take(group, "groups_to_display", list, "asm") or []
    if len(shown) > MOST_GROUPS:
        reading.fault(
            "asm.groups_to_display", f"At most {MOST_GROUPS} groups can be displayed; there are {len(shown)}."
        )
    if shown:
        reading.note("ignored asm.groups_to_display: the page to unsubscribe at is about one group")
    settings.group_id = number
    if number is not None and settings.given.get("offers_unsubscribe") is not False:
        settings.given["offers_unsubscribe"] = True
        settings.sources.setdefault("offers_unsubscribe", "asm")
