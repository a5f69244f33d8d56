"""The options that a message's own header asks for.

``X-OV-*`` come first; a header of another platform with the same meaning holds where ours is not there, so that an
application moves over by changing the host it sends to.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from postroad.dialects.headers import values
from postroad.dialects.headers.values import OptionValueError
from postroad.model.options import NO_OPTIONS, OnMissing, OptionFault, Options, merged_tags
from postroad.policy.header_rules import OPTION_DOCUMENTS, OPTION_PREFIXES
from postroad.protocol.mime.encoded_word import decode
from postroad.protocol.mime.header import Field, HeaderBlock


class Read(msgspec.Struct, frozen=True):
    """The options of a message, and what its story should say of its headers."""

    options: Options
    notes: tuple[str, ...] = ()


def is_option(name: bytes) -> bool:
    """Whether a field (its name in lower case) is an instruction to us and not part of the message."""
    return name.startswith(OPTION_PREFIXES) or name in OPTION_DOCUMENTS


def read_options(block: HeaderBlock) -> Read | OptionFault:
    """Return what the header asks for, or the first value that is not understood."""
    fields = [field for field in block.fields if is_option(field.name)]
    if not fields:
        return _NOTHING
    given: dict[str, Any] = {}
    notes: list[str] = []
    try:
        for names, read in ((_OURS, _apply), (_MAILGUN, _apply)):
            read(block, fields, names, given, notes)
        _read_whole(block, fields, given, notes)
    except _HeaderError as fault:
        return OptionFault(fault.header, fault.text)
    return Read(_options_of(given), tuple(notes))


_NOTHING = Read(NO_OPTIONS)


class _HeaderError(Exception):
    def __init__(self, header: str, text: str) -> None:
        super().__init__(text)
        self.header = header
        self.text = text


class _Option(msgspec.Struct, frozen=True):
    """One header: which option it gives, and how its value is read."""

    option: str
    read: Callable[[str], Any]
    is_repeatable: bool = False
    on_missing: OnMissing | None = None
    """What becomes of placeholders without a value where these variables were written for another platform."""


_OURS: Mapping[bytes, _Option] = {
    b"x-ov-tag": _Option("tags", values.read_tags, is_repeatable=True),
    b"x-ov-testmode": _Option("is_test", values.read_switch),
    b"x-ov-track": _Option("tracks", values.read_switch),
    b"x-ov-tracking_click": _Option("tracks_clicks", values.read_switch),
    b"x-ov-tracking_text": _Option("tracks_text_clicks", values.read_switch),
    b"x-ov-tracking_open": _Option("tracks_opens", values.read_switch),
    b"x-ov-unsubscribe": _Option("offers_unsubscribe", values.read_switch),
    b"x-ov-require-tls": _Option("tls", values.read_tls_demand),
    b"x-ov-recipient-variables": _Option("recipient_variables", values.read_recipient_variables),
    b"x-ov-variables": _Option("variables", values.read_json_object),
    b"x-ov-template": _Option("template", values.read_template),
    b"x-ov-template-variables": _Option("template_variables", values.read_json_object),
    b"x-ov-callback-url": _Option("callback_url", values.read_url),
    b"x-ov-callback-format": _Option("callback_format", values.read_format),
    b"x-ov-deliver-at": _Option("deliver_at", values.read_instant),
    b"x-ov-expires": _Option("expires_at", values.read_instant),
    b"x-ov-idempotency-key": _Option("idempotency_key", values.read_key),
    b"x-ov-on-missing": _Option("on_missing", values.read_on_missing),
    b"x-ov-escape-html": _Option("escapes_html", values.read_switch),
}
_MAILGUN: Mapping[bytes, _Option] = {
    b"x-mailgun-tag": _Option("tags", values.read_one_tag, is_repeatable=True),
    b"x-mailgun-drop-message": _Option("is_test", values.read_switch),
    b"x-mailgun-track": _Option("tracks", values.read_switch),
    b"x-mailgun-track-clicks": _Option(
        "tracks_clicks", lambda text: text.lower() == "htmlonly" or values.read_switch(text)
    ),
    b"x-mailgun-track-opens": _Option("tracks_opens", values.read_switch),
    b"x-mailgun-require-tls": _Option("tls", values.read_tls_demand),
    b"x-mailgun-recipient-variables": _Option(
        "recipient_variables", values.read_recipient_variables, on_missing=OnMissing.KEEP
    ),
    b"x-mailgun-variables": _Option("variables", values.read_json_object, is_repeatable=True),
    b"x-mailgun-template-name": _Option("template", values.read_template),
    b"x-mailgun-template-version": _Option("template_version", values.read_key),
    b"x-mailgun-template-variables": _Option("template_variables", values.read_json_object),
    b"x-mailgun-deliver-by": _Option("deliver_at", values.read_instant),
}


_TAGS = _OURS[b"x-ov-tag"]


def known_headers() -> frozenset[str]:
    """Return the names, in lower case, of every header that gives an option."""
    return frozenset(name.decode() for name in (*_OURS, *_MAILGUN, *OPTION_DOCUMENTS))


def _apply(
    block: HeaderBlock, fields: list[Field], known: Mapping[bytes, _Option], given: dict[str, Any], notes: list[str]
) -> None:
    """Read the fields of one family; what an earlier family gave stays."""
    before = frozenset(given)
    prefix = next(iter(known))[: next(iter(known)).index(b"-", 2) + 1]
    for field in fields:
        if not field.name.startswith(prefix):
            continue
        option = known.get(field.name)
        header = name_of(block, field)
        if option is None:
            notes.append(f"ignored {header}: there is no such option")
            continue
        try:
            value = option.read(_text_of(block, field))
            _put(given, option, value, before)
        except OptionValueError as fault:
            raise _HeaderError(header, str(fault)) from fault
    _settle(given, before)


def _settle(given: dict[str, Any], before: frozenset[str]) -> None:
    """Let the specific headers of a family beat its general ones, before the next family is read."""
    tracks = given.pop("tracks", None)
    if tracks is not None:
        given.setdefault("tracks_clicks", tracks)
        given.setdefault("tracks_opens", tracks)
    version = given.pop("template_version", None)
    # A version says nothing of another family's template.
    if version is not None and "template" in given and "template" not in before and given["template"].version is None:
        given["template"] = msgspec.structs.replace(given["template"], version=version)


def _text_of(block: HeaderBlock, field: Field) -> str:
    # A TAB that only folds a line (RFC 5322 §2.2.3) stands for a space: JSON has no TAB inside a text.
    return decode(block.value(field).replace(b"\r\n\t", b"\r\n "))


def _put(given: dict[str, Any], option: _Option, value: Any, before: frozenset[str]) -> None:
    if option.option in before:
        return
    if option.option not in given:
        given[option.option] = value
        if option.on_missing is not None:
            given.setdefault("on_missing", option.on_missing)
    elif not option.is_repeatable:
        raise OptionValueError("is there more than once; keep one")
    elif isinstance(value, dict):
        given[option.option] = given[option.option] | value
    else:
        given[option.option] = [*given[option.option], *value]
    if option.option == "tags":
        given["tags"] = list(merged_tags(given["tags"]))
        values.check_tag_count(len(given["tags"]))


def _options_of(given: dict[str, Any]) -> Options:
    return Options(**given | {"tags": tuple(given.get("tags", ()))})


def name_of(block: HeaderBlock, field: Field) -> str:
    """Return a field's name as it is written."""
    return block.content[field.start : field.colon].decode("ascii")


def _read_whole(block: HeaderBlock, fields: list[Field], given: dict[str, Any], notes: list[str]) -> None:
    """Read the headers that hold a whole request as JSON; what was said before stays."""
    seen: set[bytes] = set()
    for field in fields:
        if field.name not in OPTION_DOCUMENTS:
            continue
        header = name_of(block, field)
        if field.name in seen:
            raise _HeaderError(header, "is there more than once; keep one")
        seen.add(field.name)
        before = frozenset(given)
        try:
            document = values.read_json_object(_text_of(block, field))
            pairs = _msys(document) if field.name == b"x-msys-api" else _smtpapi(document)
            for name, option, value in pairs:
                if option is None:
                    notes.append(f"ignored {name} of {header}: it has no meaning here")
                elif option == "tags":
                    # Two keys of one document may both name tags.
                    _put(given, _TAGS, value, before)
                else:
                    given.setdefault(option, value)
        except OptionValueError as fault:
            raise _HeaderError(header, str(fault)) from fault


Pair = tuple[str, str | None, Any]


def _msys(document: dict[str, Any]) -> Iterator[Pair]:
    """Read SparkPost's ``X-MSYS-API``: each key with the option it gives, or None."""
    for name, value in document.items():
        match name, value:
            case "campaign_id", str():
                yield name, "tags", _tags_of([value], name)
            case "tags", list():
                yield name, "tags", _tags_of(value, name)
            case "metadata", dict():
                yield name, "variables", value
            case "options", dict():
                yield from _msys_options(value)
            case (("campaign_id" | "tags" | "metadata" | "options"), _):
                raise OptionValueError(f"must hold {_MSYS_KINDS[name]} in {name}, not {values.kind_of(value)}")
            case _:
                yield name, None, None


_MSYS_KINDS = {"campaign_id": "a text", "tags": "a list", "metadata": "an object", "options": "an object"}
_SMTPAPI_KINDS = {
    "category": "a text or a list",
    "unique_args": "an object",
    "send_at": "whole seconds since 1970",
    "filters": "an object",
}


def _msys_options(options: dict[str, Any]) -> Iterator[Pair]:
    known = {"click_tracking": "tracks_clicks", "open_tracking": "tracks_opens"}
    for name, value in options.items():
        yield name, known.get(name), _switch_of(value, name) if name in known else None


def _smtpapi(document: dict[str, Any]) -> Iterator[Pair]:
    """Read SendGrid's ``X-SMTPAPI``: each key with the option it gives, or None."""
    for name, value in document.items():
        match name, value:
            case "category", str() | list():
                yield name, "tags", _tags_of([value] if isinstance(value, str) else value, name)
            case "unique_args", dict():
                yield name, "variables", value
            case "send_at", int() if not isinstance(value, bool):
                yield name, "deliver_at", value * 1000
            case "filters", dict():
                yield from _smtpapi_filters(value)
            case (("category" | "unique_args" | "send_at" | "filters"), _):
                raise OptionValueError(f"must hold {_SMTPAPI_KINDS[name]} in {name}, not {values.kind_of(value)}")
            case _:
                yield name, None, None


def _smtpapi_filters(filters: dict[str, Any]) -> Iterator[Pair]:
    known = {
        "clicktrack": "tracks_clicks",
        "opentrack": "tracks_opens",
        "subscriptiontrack": "offers_unsubscribe",
        "bypass_list_management": None,
    }
    for name, value in filters.items():
        settings = value.get("settings") if isinstance(value, dict) else None
        enable = settings.get("enable") if isinstance(settings, dict) else None
        option = known.get(name)
        yield f"filters.{name}", option, _switch_of(enable, name) if option else None


def _tags_of(listed: list[Any], name: str) -> list[str]:
    if not all(isinstance(one, str) for one in listed):
        raise OptionValueError(f"must hold texts in {name}")
    tags = values.listed_tags(listed)
    if listed and not tags:
        raise OptionValueError(f"holds {name}, which is empty; write a tag, or leave it out")
    return tags


def _switch_of(value: object, name: str) -> bool:
    if value in (True, False, 0, 1):
        return bool(value)
    if isinstance(value, str):
        return values.read_switch(value)
    raise OptionValueError(f"must hold true or false for {name}")
