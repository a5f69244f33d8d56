"""The options that a message's own header asks for.

``X-OV-*`` come first; a header of another platform with the same meaning holds where ours is not there, so that an
application moves over by changing the host it sends to.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import msgspec

from postroad.dialects.headers import values
from postroad.dialects.headers.values import OptionValueError
from postroad.model.options import NO_OPTIONS, NO_SOURCES, OnMissing, OptionFault, Options, TlsDemand, merged_tags
from postroad.policy.header_rules import OPTION_DOCUMENTS, is_option
from postroad.protocol.mime.encoded_word import decode
from postroad.protocol.mime.header import Field, HeaderBlock


class Read(msgspec.Struct, frozen=True):
    """The options of a message, and what its story should say of its headers."""

    options: Options
    notes: tuple[str, ...] = ()
    sources: Mapping[str, str] = NO_SOURCES
    """By option, the header that gave it, as it is written."""


def read_options(block: HeaderBlock) -> Read | OptionFault:
    """Return what the header asks for, or the first value that is not understood."""
    fields = [field for field in block.fields if is_option(field.name)]
    if not fields:
        return _NOTHING
    reading = _Reading()
    try:
        for known in (_OURS, _MAILGUN):
            _apply(block, fields, known, reading)
        _read_whole(block, fields, reading)
        _note_idle(reading)
    except _HeaderError as fault:
        return OptionFault(fault.header, fault.text)
    return Read(_options_of(reading.given), tuple(reading.notes), reading.sources)


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


class _Reading:
    """What was read so far, family by family: what an earlier family gave stays."""

    def __init__(self) -> None:
        self.given: dict[str, Any] = {}
        self.sources: dict[str, str] = {}
        self.notes: list[str] = []
        self.earlier: frozenset[str] = frozenset()
        """Options that an earlier family gave."""

    def begin_family(self) -> None:
        self.earlier = frozenset(self.given)

    def put(self, source: str, option: str, value: Any, *, is_repeatable: bool = False) -> bool:
        """Take a value, unless an earlier family gave the option; returns whether it was taken."""
        if option in self.earlier:
            self.note_overruled(source, [option])
            return False
        if option not in self.given:
            self.given[option] = value
            self.sources[option] = source
        elif not is_repeatable:
            raise OptionValueError("is there more than once; keep one")
        elif isinstance(value, dict):
            self.given[option] = self.given[option] | value
        else:
            self.given[option] = [*self.given[option], *value]
        if option == "tags":
            self.given["tags"] = list(merged_tags(self.given["tags"]))
            values.check_tag_count(len(self.given["tags"]))
        return True

    def take(self, option: str) -> tuple[Any, str]:
        """Take an option of this family out again, with the header that gave it."""
        return self.given.pop(option, None), self.sources.pop(option, "")

    def note_overruled(self, source: str, options: Iterable[str], what: str = "") -> None:
        """Note that a header, or what of it is named, does not hold because of those that gave the options."""
        above = " and ".join(dict.fromkeys(self.sources[option] for option in options))
        self.notes.append(f"ignored {source}{what}: {above} {'stand' if ' and ' in above else 'stands'} above it")


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
    b"x-mailgun-track": _Option("tracks", values.read_html_switch),
    b"x-mailgun-track-clicks": _Option("tracks_clicks", values.read_html_switch),
    b"x-mailgun-track-opens": _Option("tracks_opens", values.read_switch),
    b"x-mailgun-require-tls": _Option("tls", values.read_tls_demand),
    b"x-mailgun-skip-verification": _Option("skips_verification", values.read_switch),
    b"x-mailgun-recipient-variables": _Option(
        "recipient_variables", values.read_recipient_variables, on_missing=OnMissing.KEEP
    ),
    b"x-mailgun-variables": _Option("variables", values.read_json_object, is_repeatable=True),
    b"x-mailgun-template-name": _Option("template", values.read_template),
    b"x-mailgun-template-version": _Option("template_version", values.read_version),
    b"x-mailgun-template-variables": _Option("template_variables", values.read_json_object),
    b"x-mailgun-deliver-by": _Option("deliver_at", values.read_instant),
}


def known_headers() -> frozenset[str]:
    """Return the names, in lower case, of every header that gives an option."""
    return frozenset(name.decode() for name in (*_OURS, *_MAILGUN, *OPTION_DOCUMENTS))


def _apply(block: HeaderBlock, fields: list[Field], known: Mapping[bytes, _Option], reading: _Reading) -> None:
    """Read the fields of one family."""
    reading.begin_family()
    prefix = next(iter(known))[: next(iter(known)).index(b"-", 2) + 1]
    for field in fields:
        if not field.name.startswith(prefix):
            continue
        option = known.get(field.name)
        header = name_of(block, field)
        if option is None:
            reading.notes.append(f"ignored {header}: {_UNKNOWN if known is _OURS else _MEANINGLESS}")
            continue
        try:
            value = option.read(_text_of(block, field))
            is_taken = reading.put(header, option.option, value, is_repeatable=option.is_repeatable)
        except OptionValueError as fault:
            raise _HeaderError(header, str(fault)) from fault
        if is_taken and option.on_missing is not None:
            reading.given.setdefault("on_missing", option.on_missing)
    _settle_tags(reading)
    _settle_tracking(reading)
    _settle_template(reading)
    _settle_verification(reading)


_UNKNOWN = "there is no such option"
_MEANINGLESS = "it has no meaning here"


def _settle_tags(reading: _Reading) -> None:
    if reading.given.get("tags") == []:
        raise _HeaderError(reading.sources["tags"], "is empty; write a tag, or leave the header out")


def _settle_tracking(reading: _Reading) -> None:
    """Let the specific headers of a family beat its general one, before the next family is read."""
    tracks, source = reading.take("tracks")
    if tracks is None:
        return
    overruled = {}
    for option, what in {"tracks_clicks": "clicks", "tracks_opens": "opens"}.items():
        if option in reading.earlier:
            overruled[option] = what
        elif option not in reading.given:
            reading.put(source, option, tracks)
    if overruled:
        what = f" for {next(iter(overruled.values()))}" if len(overruled) == 1 else ""
        reading.note_overruled(source, overruled, what)


def _settle_template(reading: _Reading) -> None:
    version, source = reading.take("template_version")
    if version is None:
        return
    template = reading.given.get("template")
    if template is None:
        reading.notes.append(f"ignored {source}: no header names a template")
    elif "template" in reading.earlier or template.version is not None:
        # A version says nothing of another family's template.
        reading.note_overruled(source, ["template"])
    else:
        reading.given["template"] = msgspec.structs.replace(template, version=version)


def _settle_verification(reading: _Reading) -> None:
    skips, source = reading.take("skips_verification")
    if not skips:
        return
    if "tls" in reading.earlier:
        reading.note_overruled(source, ["tls"])
    elif reading.given.get("tls") is TlsDemand.VERIFY:
        reading.given["tls"] = TlsDemand.ENCRYPT
    else:
        reading.notes.append(f"ignored {source}: no header demands a verified connection")


_IDLE_WITHOUT = {"template_variables": ("template", "a template"), "callback_format": ("callback_url", "an address")}


def _note_idle(reading: _Reading) -> None:
    """Note what does nothing, as what it belongs to is not there."""
    for option, (wanted, what) in _IDLE_WITHOUT.items():
        if option in reading.given and wanted not in reading.given:
            reading.notes.append(f"{reading.sources[option]} does nothing: no header names {what}")


def _text_of(block: HeaderBlock, field: Field) -> str:
    # A TAB that only folds a line (RFC 5322 §2.2.3) stands for a space: JSON has no TAB inside a text.
    return decode(block.value(field).replace(b"\r\n\t", b"\r\n "))


def _options_of(given: dict[str, Any]) -> Options:
    return Options(**given | {"tags": tuple(given.get("tags", ()))})


def name_of(block: HeaderBlock, field: Field) -> str:
    """Return a field's name as it is written."""
    return block.content[field.start : field.colon].decode("ascii")


def _read_whole(block: HeaderBlock, fields: list[Field], reading: _Reading) -> None:
    """Read the headers that hold a whole request as JSON, each a family of its own."""
    seen: set[bytes] = set()
    for field in fields:
        if field.name not in OPTION_DOCUMENTS:
            continue
        header = name_of(block, field)
        if field.name in seen:
            raise _HeaderError(header, "is there more than once; keep one")
        seen.add(field.name)
        reading.begin_family()
        try:
            document = values.read_json_object(_text_of(block, field))
            pairs = _msys(document) if field.name == b"x-msys-api" else _smtpapi(document)
            for name, option, value in pairs:
                source = f"{name} of {header}"
                if option is None:
                    reading.notes.append(f"ignored {source}: {_MEANINGLESS}")
                else:
                    # Two keys of one document may both name tags.
                    reading.put(source, option, value, is_repeatable=option == "tags")
        except OptionValueError as fault:
            raise _HeaderError(header, str(fault)) from fault


Pair = tuple[str, str | None, Any]


def _msys(document: dict[str, Any]) -> Iterator[Pair]:
    """Read SparkPost's ``X-MSYS-API``: each key with the option it gives, or None."""
    for name, given in document.items():
        value = _of_kind(given, _MSYS_KINDS.get(name))
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


_OBJECT = "an object"
_MSYS_KINDS = {"campaign_id": "a text", "tags": "a list", "metadata": _OBJECT, "options": _OBJECT}
_SMTPAPI_KINDS = {
    "category": "a text or a list",
    "unique_args": _OBJECT,
    "send_at": "whole seconds since 1970",
    "filters": _OBJECT,
}


def _of_kind(value: Any, kind: str | None) -> Any:
    return values.as_object(value) if kind == _OBJECT else value


def _msys_options(options: dict[str, Any]) -> Iterator[Pair]:
    known = {"click_tracking": "tracks_clicks", "open_tracking": "tracks_opens"}
    for name, value in options.items():
        path = f"options.{name}"
        yield path, known.get(name), _switch_of(value, path) if name in known else None


def _smtpapi(document: dict[str, Any]) -> Iterator[Pair]:
    """Read SendGrid's ``X-SMTPAPI``: each key with the option it gives, or None."""
    for name, given in document.items():
        value = _of_kind(given, _SMTPAPI_KINDS.get(name))
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
    known = {"clicktrack": "tracks_clicks", "opentrack": "tracks_opens", "subscriptiontrack": "offers_unsubscribe"}
    for name, value in filters.items():
        path = f"filters.{name}"
        yield path, known.get(name), _enabled(value, path) if name in known else None


def _enabled(value: Any, path: str) -> bool:
    """Read the switch of a filter, which stands two objects within."""
    whole = f"{path}.settings.enable"
    for key in ("settings", "enable"):
        if not isinstance(value, dict):
            raise OptionValueError(f"must hold an object in {path}, with {whole}, not {values.kind_of(value)}")
        if key not in value:
            raise OptionValueError(f"must hold true or false in {whole}, which is missing")
        path, value = f"{path}.{key}", value[key]
    return _switch_of(value, path)


def _tags_of(listed: list[Any], name: str) -> list[str]:
    for one in listed:
        if not isinstance(one, str):
            raise OptionValueError(f"must hold nothing but texts in {name}, not {values.kind_of(one)}")
    tags = values.listed_tags(listed)
    if listed and not tags:
        raise OptionValueError(f"holds {name}, which is empty; write a tag, or leave it out")
    return tags


def _switch_of(value: object, path: str) -> bool:
    if value in (True, False, 0, 1):
        return bool(value)
    if isinstance(value, str) and values.is_switch(value):
        return values.read_switch(value)
    found = values.shown(value) if isinstance(value, str) else values.kind_of(value)
    raise OptionValueError(f"must hold true or false in {path}, not {found}")
