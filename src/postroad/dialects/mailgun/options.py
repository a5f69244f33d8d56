"""The parameters of Mailgun's sending calls that are options: ``o:``, ``t:``, ``v:``, and a few without a prefix."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from postroad.dialects.headers import values
from postroad.dialects.headers.submission import Read
from postroad.dialects.headers.values import OptionValueError
from postroad.dialects.mailgun.substitutions import read_substitutions, texts_of
from postroad.model.options import OnMissing, Options, TlsDemand, merged_tags
from postroad.protocol.form import Form

MOST_OCTETS = 16 * 1024
"""Of all ``o:``, ``h:`` and ``v:`` parameters, names and values."""
LONGEST_VALUE = 256 * 1024
LONGEST_VARIABLES = 4 * 1024 * 1024
"""Characters of JSON for all recipients together: what it is read into takes many times as much."""
_PREFIXES = ("o:", "h:", "v:")
_WITHIN = re.compile(r"(?:([0-9]{1,3})h)?(?:([0-9]{1,4})m)?")
_SHORTEST_WITHIN_MS, _LONGEST_WITHIN_MS = 300_000, 86_400_000


class OptionsRead(msgspec.Struct):
    """The options of a call as they are read: what is given, by which parameter, what is wrong, what to remark."""

    given: dict[str, Any]
    sources: dict[str, str]
    faults: list[str]
    notes: list[str]
    forbidden: list[str]
    """Faults that the vendor answers with 403."""
    substitutions: Mapping[str, str] = {}
    """By names in the texts of a call without a template, what is sent in their place."""

    def put(self, option: str, name: str, value: Any) -> None:
        """Take a value over what a header gave."""
        self.given[option] = value
        self.sources[option] = name


class Parameter(msgspec.Struct, frozen=True):
    """One parameter: which option it gives, and how its value is read."""

    option: str
    read: Callable[[str], Any]
    meaning: str
    """For people: what its values are and do."""
    wrong: str | None = None
    """The vendor's own words for a value that is not understood; ``{}`` stands for the value."""


def _read_within(text: str) -> int:
    found = _WITHIN.fullmatch(text)
    within = 0 if found is None else (int(found[1] or 0) * 60 + int(found[2] or 0)) * 60_000
    if not _SHORTEST_WITHIN_MS <= within <= _LONGEST_WITHIN_MS:
        raise OptionValueError(f"must be a time from 5m to 24h, such as 1h30m, not {values.shown(text)}")
    return within


_NOT_JSON = "'recipient-variables' parameter is not a valid JSON"
PARAMETERS: Mapping[str, Parameter] = {
    "o:testmode": Parameter("is_test", values.read_switch, "switch: everything is done, and nothing leaves"),
    "o:tracking": Parameter(
        "tracks", values.read_html_switch, "switch or `htmlonly`: clicks and opens, where these are not said themselves"
    ),
    "o:tracking-clicks": Parameter("tracks_clicks", values.read_html_switch, "switch or `htmlonly`"),
    "o:tracking-opens": Parameter("tracks_opens", values.read_switch, "switch"),
    "o:require-tls": Parameter(
        "tls", values.read_tls_demand, "`yes`: only to a host that a public authority vouches for; `encrypt`; `no`"
    ),
    "o:skip-verification": Parameter(
        "skips_verification", values.read_switch, "switch: makes `o:require-tls=yes` an `encrypt`"
    ),
    "o:deliverytime": Parameter(
        "deliver_at",
        values.read_instant,
        "date (RFC 5322), or seconds since 1970; at most 30 days ahead, and at once where it is over",
        wrong="{} is not an RFC-2822 compliant date",
    ),
    "o:deliver-within": Parameter(
        "within", _read_within, "`1h30m`, from `5m` to `24h`: what is not delivered by then bounces"
    ),
    "o:callback-url": Parameter("callback_url", values.read_url, "where this message's events are posted"),
    "callback_url": Parameter("callback_url", values.read_url, "the same"),
    "o:callback-format": Parameter("callback_format", values.read_format, "the shape in which they are posted"),
    "callback_format": Parameter("callback_format", values.read_format, "the same"),
    "o:idempotency-key": Parameter(
        "idempotency_key", values.read_key, "names the message: the same key again is no new message"
    ),
    "recipient-variables": Parameter(
        "recipient_variables",
        values.read_recipient_variables,
        "JSON object of objects by address: each recipient gets a message of its own; so it is with `{}`",
    ),
    "template": Parameter("template", values.read_template, "name of a stored template"),
    "t:version": Parameter("template_version", values.read_version, "the template's version; the active one if left out"),
    "t:variables": Parameter("template_variables", values.read_json_object, "JSON object: data for the template alone"),
    "t:text": Parameter("derives_text", values.read_switch, "taken; a text part is made in every case"),
    "substitutions": Parameter(
        "substitutions",
        read_substitutions,
        "JSON object: data for the template, under `t:variables`; without a template, texts that take the place of their names "
        "in `subject`, the bodies and `h:` fields",
    ),
    "o:dkim": Parameter("signs", values.read_switch, "taken; every message is signed"),
}  # fmt: skip
"""By the name of the parameter, what it gives; of two names for one option one may be used."""

REFUSED: Mapping[str, str] = {
    "o:archive-to": "copies of what was sent cannot be posted to an address",
    "o:deliverytime-optimize-period": "the time to send at cannot be chosen by when somebody reads",
    "o:time-zone-localize": "the time to send at cannot follow the recipient's time zone",
    "o:secondary-dkim": "a message is signed for its own domain only",
    "o:secondary-dkim-public": "a message is signed for its own domain only",
}
"""Parameters whose promise cannot be kept here: a call with one is refused rather than half obeyed."""
IGNORED: Mapping[str, str] = {
    "o:tracking-pixel-location-top": "the pixel stands at the end",
    "o:suppress-headers": "no header of the provider's is added that could be left out",
}
"""Parameters that are taken and do nothing, with why."""
_BEYOND_OPTIONS = frozenset(
    {
        "from",
        "to",
        "cc",
        "bcc",
        "subject",
        "text",
        "html",
        "amp-html",
        "attachment",
        "inline",
        "message",
        "reply_to",
        "X-Mailgun-Variables",
        "o:tag",
    }
)


def read_options(form: Form, base: Read, now: int) -> OptionsRead:
    """Read a call's options; ``base`` is what its headers ask for, over which parameters stand."""
    read = OptionsRead({}, {}, [], [], [])
    _check_size(form, read)
    for name, raw in form.fields.items():
        texts = [text for text in form.texts(name) if text] if raw else []
        parameter = PARAMETERS.get(name)
        if parameter is not None:
            _apply(name, parameter, texts, read)
        elif name in REFUSED and texts:
            read.faults.append(f"{name} is not offered here: {REFUSED[name]}; leave it out")
        elif name in {"o:sending-ip", "o:sending-ip-pool"} and texts:
            read.forbidden.append(f"Rejected: IP {values.shown(texts[0])} can't be used to send the message")
        elif name in IGNORED:
            read.notes.append(f"ignored {name}: {IGNORED[name]}")
        elif not name.startswith(("h:", "v:")) and name not in _BEYOND_OPTIONS:
            read.notes.append(f"ignored {name}: there is no such parameter")
    _read_tags(form, read)
    _read_variables(form, base.options, read)
    _settle(read, base, now)
    return read


def options_of(read: OptionsRead, base: Options) -> Options:
    """Return the options of a call without faults."""
    return msgspec.structs.replace(base, **read.given)


def _check_size(form: Form, read: OptionsRead) -> None:
    octets = sum(len(name) + sum(map(len, found)) for name, found in form.fields.items() if name.startswith(_PREFIXES))
    if octets > MOST_OCTETS:
        read.faults.append("Send options (parameters starting with o:, h:, or v:) are limited to 16 kB total")


def _apply(name: str, parameter: Parameter, texts: list[str], read: OptionsRead) -> None:
    if not texts:
        return
    if len(texts) > 1:
        read.faults.append(f"{name} is there more than once; keep one")
        return
    longest = LONGEST_VARIABLES if name == "recipient-variables" else LONGEST_VALUE
    if len(texts[0]) > longest:
        read.faults.append(f"{name} has {len(texts[0])} characters; at most {longest} are allowed")
        return
    try:
        value = parameter.read(texts[0])
    except OptionValueError as fault:
        text = str(fault)
        if name == "recipient-variables" and text.startswith(("is not JSON", "must be a JSON object")):
            read.faults.append(f"{_NOT_JSON}: it {text}")
        elif parameter.wrong is not None:
            read.faults.append(parameter.wrong.format(values.shown(texts[0])))
        else:
            read.faults.append(f"{name} {text}")
        return
    if parameter.option in read.given:
        read.faults.append(f"{name} says the same as {read.sources[parameter.option]}; keep one")
        return
    read.put(parameter.option, name, value)


def _read_tags(form: Form, read: OptionsRead) -> None:
    texts = form.texts("o:tag")
    try:
        tags = merged_tags(values.listed_tags(texts))
        values.check_tag_count(len(tags))
    except OptionValueError as fault:
        read.faults.append(f"o:tag {fault}")
        return
    if tags:
        read.put("tags", "o:tag", tags)


def _read_variables(form: Form, base: Options, read: OptionsRead) -> None:
    variables: dict[str, Any] = {}
    for name in form.fields:
        if not name.startswith("v:"):
            continue
        texts = form.texts(name)
        if name == "v:":
            read.faults.append("v: has no name behind its colon")
        elif len(texts) > 1:
            read.faults.append(f"{name} is there more than once; keep one")
        else:
            variables[name.removeprefix("v:")] = texts[0]
    if variables:
        read.put("variables", "v:", base.variables | variables)


def _settle(read: OptionsRead, base: Read, now: int) -> None:
    """Turn what depends on something else into options."""
    given = read.given
    for option in ("derives_text", "signs"):
        if given.pop(option, True) is False:
            what = "a text part is made in every case" if option == "derives_text" else "every message is signed"
            read.notes.append(f"ignored {read.sources[option]}: {what}")
        read.sources.pop(option, None)
    tracks = given.pop("tracks", None)
    if tracks is not None:
        for option in ("tracks_clicks", "tracks_opens"):
            given.setdefault(option, tracks)
    within = given.pop("within", None)
    if within is not None:
        read.put("expires_at", read.sources.pop("within"), max(now, given.get("deliver_at", now)) + within)
    skips = given.pop("skips_verification", False)
    if skips and given.get("tls") is TlsDemand.VERIFY:
        given["tls"] = TlsDemand.ENCRYPT
    elif skips:
        read.notes.append("ignored o:skip-verification: o:require-tls does not demand a verified connection")
    if "recipient_variables" in given and "on_missing" not in base.sources:
        given.setdefault("on_missing", OnMissing.KEEP)
    substitutions = given.pop("substitutions", None)
    if substitutions is not None:
        _settle_substitutions(substitutions, read, base.options)
    _settle_template(read, base.options)


def _settle_substitutions(substitutions: dict[str, Any], read: OptionsRead, base: Options) -> None:
    """Let them be data of the template, or texts where there is none."""
    source = read.sources.pop("substitutions")
    if "template" in read.given or base.template is not None:
        read.sources.setdefault("template_variables", source)
        read.given["template_variables"] = substitutions | read.given.get("template_variables", {})
        return
    try:
        read.substitutions = texts_of(substitutions)
    except OptionValueError as fault:
        read.faults.append(f"{source} {fault}")


def _settle_template(read: OptionsRead, base: Options) -> None:
    given = read.given
    version = given.pop("template_version", None)
    template = given.get("template", base.template)
    if template is None:
        for option, name in (("template_version", "t:version"), ("template_variables", "t:variables")):
            if option in read.sources:
                read.notes.append(f"{name} does nothing: no template is named")
    elif version is not None:
        given["template"] = msgspec.structs.replace(template, version=version)
