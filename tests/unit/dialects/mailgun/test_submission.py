"""What a call of Mailgun's asks for, parameter by parameter, and every fault at once."""

import email
import email.policy
import json
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroad.dialects.call import Call
from postroad.dialects.mailgun.errors import Refusal
from postroad.dialects.mailgun.options import IGNORED, PARAMETERS, REFUSED
from postroad.dialects.mailgun.submission import read_message, read_mime
from postroad.model.options import CallbackFormat, OnMissing, TemplateName, TlsDemand
from postroad.protocol.form import Form, Upload
from postroad.protocol.smtp.data import Fault, content_faults

DOMAIN = "news.example.com"
NOW = 1_780_000_000_000
MINUTE_MS = 60_000
WHOLE = {"from": f"Shop <hello@{DOMAIN}>", "to": "ann@x.example", "subject": "Hi", "text": "Hello."}
MIME = f"From: hello@{DOMAIN}\r\nTo: ann@x.example\r\nSubject: Hi\r\n\r\nHello.\r\n"


def form(given: dict[str, Any], *files: Upload) -> Form:
    listed = {name: value if isinstance(value, list) else [value] for name, value in given.items()}
    return Form({name: [str(one).encode() for one in values] for name, values in listed.items()}, files)


def call(*files: Upload, without: tuple[str, ...] = (), **given: Any) -> Call | Refusal:
    """Read a whole call with some parameters changed; ``o__tag`` stands for ``o:tag``."""
    named = {name.replace("__", ":").replace("_", "-"): value for name, value in given.items()}
    wanted = {name: value for name, value in (WHOLE | named).items() if name not in without}
    return read_message(form(wanted, *files), DOMAIN, NOW)


def taken(found: Call | Refusal) -> Call:
    assert isinstance(found, Call), found
    return found


def refused(found: Call | Refusal) -> list[str]:
    assert isinstance(found, Refusal), found
    return found.text.split("; ")


def opened(found: Call | Refusal) -> EmailMessage:
    content = taken(found).content
    assert content_faults(content) is Fault.NONE
    return email.message_from_bytes(content, policy=email.policy.default)


@pytest.mark.parametrize(
    ("name", "value", "option", "expected"),
    [
        ("o:testmode", "yes", "is_test", True),
        ("o:testmode", "True", "is_test", True),
        ("o:testmode", "no", "is_test", False),
        ("o:tracking-clicks", "htmlonly", "tracks_clicks", True),
        ("o:tracking-clicks", "false", "tracks_clicks", False),
        ("o:tracking-opens", "yes", "tracks_opens", True),
        ("o:tracking", "yes", "tracks_clicks", True),
        ("o:tracking", "False", "tracks_opens", False),
        ("o:require-tls", "true", "tls", TlsDemand.VERIFY),
        ("o:require-tls", "encrypt", "tls", TlsDemand.ENCRYPT),
        ("o:require-tls", "no", "tls", TlsDemand.NOTHING),
        ("o:tag", ["one", "Two", "one", "ONE", "drei ü"], "tags", ("one", "Two", "drei ü")),
        ("o:tag", "a, with comma", "tags", ("a, with comma",)),
        ("o:tag", "", "tags", ()),
        ("o:deliverytime", "Fri, 29 May 2026 08:00:00 +0200", "deliver_at", 1_780_034_400_000),
        ("o:deliverytime", "1780034400", "deliver_at", 1_780_034_400_000),
        ("o:deliver-within", "1h30m", "expires_at", NOW + 90 * MINUTE_MS),
        ("o:deliver-within", "5m", "expires_at", NOW + 5 * MINUTE_MS),
        ("o:deliver-within", "24h", "expires_at", NOW + 24 * 60 * MINUTE_MS),
        ("o:callback-url", "https://a.example/x", "callback_url", "https://a.example/x"),
        ("callback_url", "https://a.example/x", "callback_url", "https://a.example/x"),
        ("o:callback-format", "sparkpost", "callback_format", CallbackFormat.SPARKPOST),
        ("callback_format", "Bloomreach", "callback_format", CallbackFormat.BLOOMREACH),
        ("o:idempotency-key", "order-17", "idempotency_key", "order-17"),
        ("recipient-variables", '{"Ann@X.example": {"a": 1}}', "recipient_variables", {"ann@x.example": {"a": 1}}),
        (
            "recipient-variables",
            '{"ann@x.example": {"a": "1\\r\\n2"}}',
            "recipient_variables",
            {"ann@x.example": {"a": "1\r\n2"}},
        ),
        ("recipient-variables", "{}", "recipient_variables", {}),
        ("recipient-variables", "{}", "on_missing", OnMissing.KEEP),
        ("recipient-variables", "", "recipient_variables", None),
        ("recipient-variables", "[]", "recipient_variables", {}),
        ("recipient-variables", '{"ann@x.example": []}', "recipient_variables", {"ann@x.example": {}}),
        (
            "recipient-variables",
            '{"ann@x.example": {"a": 1.5, "b": true, "c": null, "d": [{}]}}',
            "recipient_variables",
            {"ann@x.example": {"a": 1.5, "b": True, "c": None, "d": [{}]}},
        ),
        ("h:X-Mailgun-Variables", "[]", "variables", {}),
        ("t:variables", "[]", "template_variables", {}),
        ("template", "welcome", "template", TemplateName("welcome")),
        ("v:order", "17", "variables", {"order": "17"}),
        ("v:order", '{"id": 1}', "variables", {"order": '{"id": 1}'}),
        ("h:X-Mailgun-Variables", '{"order": {"id": 1}}', "variables", {"order": {"id": 1}}),
        ("X-Mailgun-Variables", '{"order": {"id": 1}}', "variables", {"order": {"id": 1}}),
        ("h:X-OV-Tag", "one, two", "tags", ("one", "two")),
    ],
)
def test_each_parameter_gives_its_option(name: str, value: Any, option: str, expected: object) -> None:
    found = taken(read_message(form(WHOLE | {name: value}), DOMAIN, NOW))

    assert getattr(found.options, option) == expected


def test_parameters_stand_above_headers_and_specific_ones_above_general_ones() -> None:
    found = taken(
        read_message(
            form(
                WHOLE
                | {
                    "o:tracking": "no",
                    "o:tracking-opens": "yes",
                    "v:a": "form",
                    "h:X-Mailgun-Variables": '{"a": "header", "b": 2}',
                    "o:require-tls": "yes",
                    "o:skip-verification": "true",
                    "o:deliverytime": "1780034400",
                    "o:deliver-within": "10m",
                }
            ),
            DOMAIN,
            NOW,
        )
    )

    options = found.options
    assert (options.tracks_clicks, options.tracks_opens) == (False, True)
    assert options.variables == {"a": "form", "b": 2}
    assert options.tls is TlsDemand.ENCRYPT
    assert options.expires_at == 1_780_034_400_000 + 10 * MINUTE_MS
    assert found.option_sources["deliver_at"] == "o:deliverytime"
    assert found.option_sources["expires_at"] == "o:deliver-within"


def test_a_template_takes_its_version_and_data() -> None:
    given = {
        "from": f"a@{DOMAIN}",
        "to": "ann@x.example",
        "template": "welcome",
        "t:version": "spring",
        "t:variables": '{"a": 1}',
        "t:text": "yes",
        "substitutions": '{"a": 0, "b": 2}',
    }
    options = taken(read_message(form(given), DOMAIN, NOW)).options

    assert options.template == TemplateName("welcome", "spring")
    assert options.template_variables == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("o:testmode", "perhaps", 'o:testmode must be yes or no (also true, false, on, off, 1, 0), not "perhaps"'),
        ("o:deliverytime", "tomorrow", '"tomorrow" is not an RFC-2822 compliant date'),
        ("o:deliver-within", "4m", 'o:deliver-within must be a time from 5m to 24h, such as 1h30m, not "4m"'),
        ("o:deliver-within", "25h", 'o:deliver-within must be a time from 5m to 24h, such as 1h30m, not "25h"'),
        ("o:require-tls", "maybe", 'o:require-tls must be yes, encrypt or no, not "maybe"'),
        ("o:tag", [str(number) for number in range(11)], "o:tag makes 11 tags; a message has at most 10"),
        ("o:tag", "x" * 129, "o:tag holds a tag of 129 characters; at most 128 are allowed"),
        ("o:testmode", ["yes", "yes"], "o:testmode is there more than once; keep one"),
        ("o:archive-to", "https://a.example", "o:archive-to is not offered here: copies of what was sent cannot be posted to an address; leave it out"),
        ("o:time-zone-localize", "02:00pm", "o:time-zone-localize is not offered here: the time to send at cannot follow the recipient's time zone; leave it out"),
        ("o:callback-url", "ftp://a.example", 'o:callback-url must be an http or https address such as https://example.com/events, not "ftp://a.example"'),
        ("recipient-variables", "{", "'recipient-variables' parameter is not a valid JSON: it is not JSON: it breaks off before its end; a quotation mark or a bracket is missing"),
        ("recipient-variables", "[1]", "'recipient-variables' parameter is not a valid JSON: it must be a JSON object such as {\"name\": \"value\"}, not a list"),
        ("recipient-variables", '{"x": {}}', 'recipient-variables must have addresses such as ada@example.net as its keys, not "x"'),
        ("recipient-variables", '{"a@x.example": {"a": "' + "x" * 4_194_304 + '"}}', "recipient-variables has 4194330 characters; at most 4194304 are allowed"),
        ("t:variables", '{"a": "' + "x" * 262_144 + '"}', "t:variables has 262153 characters; at most 262144 are allowed"),
        ("t:variables", "[1]", 't:variables must be a JSON object such as {"name": "value"}, not a list'),
        ("h:Ünicode", "x", "Header name must be pure ASCII: Ünicode"),
        ("h:X Y", "x", "h:X Y is no header name: at most 76 printable characters without space and colon"),
        ("h:X-A", "one\r\nBcc: x@y.example", "h:X-A holds a line end or NUL; a header field is one line"),
        ("h:X-A", "one\nBcc: x@y.example", "h:X-A holds a line end or NUL; a header field is one line"),
        ("h:X-Mailgun-Variables", "[", "h:X-Mailgun-Variables is not JSON: it breaks off before its end; a quotation mark or a bracket is missing"),
        ("subject", "one\r\nBcc: x@y.example", "subject parameter holds a line end or NUL; a subject is one line"),
        ("subject", "x" * 16_385, "subject parameter is too long; at most 16384 characters are allowed"),
        ("reply_to", "x" * 16_385, "h:Reply-To has 16385 characters; at most 16384 are allowed"),
        ("cc", ["a@x.example, " * 10_000] * 5, "Too many recipients, max is 1000"),
        ("v:", "x", "v: has no name behind its colon"),
        ("v:x", ["1", "2"], "v:x is there more than once; keep one"),
        ("v:x", "x" * 17_000, "Send options (parameters starting with o:, h:, or v:) are limited to 16 kB total"),
        ("template", "welcome", None),
        ("text", ["a", "b"], "text parameter is there more than once; keep one"),
        ("to", [f"a{number}@x.example" for number in range(1001)], "Too many recipients, max is 1000"),
        ("cc", ", ".join(f"a{number}@x.example" for number in range(1000)), "Too many recipients, max is 1000"),
        ("from", f"a@{DOMAIN}, b@{DOMAIN}", "from parameter has 2 addresses; a message is from one"),
        ("o:callback-url", "https://a.example", None),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_the_words_that_clients_know(name: str, value: Any, fault: str | None) -> None:
    found = read_message(form(WHOLE | {name: value}), DOMAIN, NOW)

    if fault is None:
        taken(found)
        return
    assert isinstance(found, Refusal)
    assert (found.status, found.text) == (400, fault)


TOKENS = {"{name}": "Ann\r\nÄ", "{name|you}": "Ann", "{leave}": "https://a.example/?u=1&s=2", "{n}": 7, "{none}": None}


def test_substitutions_without_a_template_take_the_place_of_their_names() -> None:
    message = opened(
        read_message(
            form(
                WHOLE
                | {
                    "subject": "For {name}",
                    "text": "{name|you}, {n}, {none}, {other}",
                    "html": '<a href="{leave}">{name}</a>',
                    "amp-html": "<p>{n}</p>",
                    "h:List-Unsubscribe": "<{leave}>",
                    "h:X-Name": "{name}",
                    "h:X-None": "{none}",
                    "substitutions": json.dumps(TOKENS),
                }
            ),
            DOMAIN,
            NOW,
        )
    )

    assert (message["Subject"], message["X-Name"]) == ("For Ann Ä", "Ann Ä")
    assert message["List-Unsubscribe"] == "<https://a.example/?u=1&s=2>"
    assert "X-None" not in message
    texts = {
        one.get_content_type(): one.get_content().replace("\r\n", "\n")
        for one in message.walk()
        if not one.is_multipart()
    }
    assert texts == {
        "text/plain": "Ann, 7, , {other}\n",
        "text/x-amp-html": "<p>7</p>\n",
        "text/html": '<a href="https://a.example/?u=1&s=2">Ann\nÄ</a>\n',
    }


def test_substitutions_of_a_batch_are_made_before_placeholders() -> None:
    variables = '{"ann@x.example": {"a": "1"}}'
    given = {"subject": "{x}%recipient.b%", "substitutions": '{"{x}": "%recipient.a%", "%recipient.b%": "b"}'}
    found = taken(read_message(form(WHOLE | given | {"recipient-variables": variables}), DOMAIN, NOW))

    assert opened(found)["Subject"] == "%recipient.a%b"
    assert found.options.recipient_variables == {"ann@x.example": {"a": "1"}}


@pytest.mark.parametrize("value", ["[]", "{}", "null", " null "])
def test_substitutions_may_be_empty_or_null(value: str) -> None:
    assert taken(call(substitutions=value)) == taken(call())


def test_what_is_put_in_is_never_looked_at_again() -> None:
    found = opened(call(subject="{a}{b}", substitutions='{"{a}": "{b}", "{b}": "{a}"}'))
    assert found["Subject"] == "{b}{a}"


def test_a_template_named_by_a_header_has_substitutions_as_its_data() -> None:
    named = {"h:X-Mailgun-Template-Name": "welcome", "substitutions": '{"Hi": [1]}'}
    found = taken(read_message(form(WHOLE | named), DOMAIN, NOW))

    assert found.options.template_variables == {"Hi": [1]}
    assert found.option_sources["template_variables"] == "substitutions"
    assert not [note for note in found.option_notes if "does nothing" in note]
    assert opened(found)["Subject"] == "Hi"


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ('{"": "x"}', "substitutions holds a value without a name"),
        ('{"a": [1]}', 'substitutions must hold a text for "a", not a list'),
        ('{"a": "\\u0000"}', 'substitutions holds a NUL for "a", which no message may hold'),
        ("[1]", 'substitutions must be a JSON object such as {"name": "value"}, not a list'),
        (json.dumps({str(number): "" for number in range(501)}), "substitutions holds 501 names; at most 500 are possible without a template"),
        (json.dumps({"X": "x" * 16_385}), "h:X-A has 16385 characters; at most 16384 are allowed"),
        (json.dumps({"from": "x"}), None),
    ],
)  # fmt: skip
def test_what_is_wrong_with_substitutions_is_said(value: str, fault: str | None) -> None:
    found = read_message(form(WHOLE | {"h:X-A": "X", "substitutions": value}), DOMAIN, NOW)

    assert fault == (None if isinstance(found, Call) else found.text)


@pytest.mark.parametrize("name", ["text", "h:X-A"])
def test_substitutions_that_make_too_much_of_a_message_are_refused(name: str) -> None:
    given = {name: "a" * 10_000, "substitutions": json.dumps({"a": "x" * 200_000})}
    found = read_message(form(WHOLE | given), DOMAIN, NOW)

    assert isinstance(found, Refusal)
    assert (found.status, found.text) == (
        413,
        "substitutions take too much; use fewer or shorter names, and use them less often",
    )


@given(st.dictionaries(st.text(min_size=1, max_size=3), st.text(max_size=8)), st.text(max_size=20))
def test_no_substitution_begins_a_header_field(values: dict[str, str], written: str) -> None:
    given = {"subject": written, "h:X-A": written, "h:Reply-To": written, "substitutions": json.dumps(values)}
    found = read_message(form(WHOLE | given), DOMAIN, NOW)
    if isinstance(found, Call):
        assert {name.lower() for name in opened(found)} <= {
            "from", "to", "subject", "x-a", "reply-to", "mime-version", "content-type", "content-transfer-encoding",
        }  # fmt: skip


def test_a_whole_message_stays_as_it_is() -> None:
    found = taken(
        read_mime(form({"to": "ann@x.example", "message": MIME, "substitutions": '{"Hi": "x"}'}), DOMAIN, NOW)
    )

    assert found.content == MIME.encode()
    assert "ignored substitutions: no template is named, and the message stays as it is" in found.option_notes


@pytest.mark.parametrize("name", ["from", "to", "cc", "bcc"])
@pytest.mark.parametrize(
    "value",
    [
        "nobody",
        "a@",
        "a b <c@d.example",
        "Doe, John <j@d.example>",
        "a@b.example; c@d.example",
        "@@",
        "a\u202eb@c.example",
    ],
)
def test_an_address_that_is_none_is_named(name: str, value: str) -> None:
    faults = refused(read_message(form(WHOLE | {name: value}), DOMAIN, NOW))

    assert faults[0].startswith(f"{name} parameter is not a valid address. please check documentation: ")


def test_everything_that_is_wrong_is_told_at_once() -> None:
    wrong = {"o:testmode": "perhaps", "o:deliverytime": "x", "h:ü": "1", "cc": "nobody"}
    found = read_message(form(wrong), DOMAIN, NOW)

    assert isinstance(found, Refusal)
    for fault in (
        "Header name must be pure ASCII: ü",
        "cc parameter is not a valid address",
        "o:testmode must be yes or no",
        '"x" is not an RFC-2822 compliant date',
        "from parameter is missing",
        "to parameter is missing",
        "Need at least one of 'text'",
    ):
        assert fault in found.text


def test_an_address_of_the_sender_that_is_not_owned_is_forbidden() -> None:
    found = call(o__sending_ip="192.0.2.1")

    assert isinstance(found, Refusal)
    assert (found.status, found.text) == (403, 'Rejected: IP "192.0.2.1" can\'t be used to send the message')


def test_html_and_template_exclude_each_other() -> None:
    assert refused(call(html="<p>", template="welcome")) == ["Only one parameters 'html' or 'template' is allowed"]


def test_a_template_needs_neither_text_nor_sender() -> None:
    found = call(template="welcome", without=("text", "from"))

    assert opened(found)["From"] == f"postmaster@{DOMAIN}"
    assert taken(found).envelope.reverse_path == f"postmaster@{DOMAIN}"


def test_everybody_gets_the_message_and_bcc_is_seen_by_nobody() -> None:
    found = call(
        to=["Ann <ann@x.example>, bob@x.example", "Zoë <zoe@bücher.example>,"],
        cc="cc@x.example",
        bcc=["bcc@x.example", ""],
        subject="Für Zoë",
    )
    message = opened(found)

    assert [one.forward_path for one in taken(found).envelope.recipients] == [
        "ann@x.example", "bob@x.example", "zoe@xn--bcher-kva.example", "cc@x.example", "bcc@x.example",
    ]  # fmt: skip
    assert [one.display_name for one in message["To"].addresses] == ["Ann", "", "Zoë"]
    assert [one.addr_spec for one in message["Cc"].addresses] == ["cc@x.example"]
    assert message["Bcc"] is None
    assert message["Subject"] == "Für Zoë"
    assert b"bcc@x.example" not in taken(found).content
    assert taken(found).envelope.reverse_path == f"hello@{DOMAIN}"


def test_a_thousand_long_addresses_fit_into_one_list() -> None:
    listed = ", ".join(f"Somebody Or Other {number} <recipient-number-{number}@x.example>" for number in range(1000))
    found = call(to=listed)

    assert len(taken(found).envelope.recipients) == 1000
    assert len(opened(found)["To"].addresses) == 1000


def test_empty_parameters_are_as_good_as_none() -> None:
    found = call(cc="", bcc="", html="", o__deliverytime="", template="")

    assert taken(found).options.deliver_at is None
    assert [part.get_content_type() for part in opened(found).walk()] == ["text/plain"]


def test_in_a_batch_each_recipient_is_alone_in_to() -> None:
    found = taken(call(to=["Ann <ann@x.example>", "bob@x.example"], cc="cc@x.example", recipient_variables="{}"))

    assert b"To: %recipient%\r\n" in found.content
    assert b"Cc: cc@x.example\r\n" in found.content
    assert [(one.forward_path, one.display_name) for one in found.envelope.recipients] == [
        ("ann@x.example", "Ann"), ("bob@x.example", ""), ("cc@x.example", ""),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("to", "variables", "expected"),
    [
        ("Ann@X.example", {"ann@x.example": {"n": 1}}, {"ann@x.example": {"n": 1}, "cc@x.example": {"n": 1}, "bcc@x.example": {"n": 1}}),
        ("ann@x.example", {"ann@x.example": {"n": 1}, "CC@x.example": {}}, {"ann@x.example": {"n": 1}, "cc@x.example": {}, "bcc@x.example": {"n": 1}}),
        ("ann@x.example, bob@x.example", {"ann@x.example": {"n": 1}}, {"ann@x.example": {"n": 1}}),
        ("ann@x.example", {"cc@x.example": {"n": 1}}, {"cc@x.example": {"n": 1}}),
        ("ann@x.example", {}, {}),
        ("ann@x.example", {"ann@x.example": {"n": "x" * 1_500_000}}, {"ann@x.example": {"n": "x" * 1_500_000}}),
    ],
)  # fmt: skip
def test_cc_and_bcc_have_the_values_of_the_only_recipient_of_to(
    to: str, variables: dict[str, Any], expected: dict[str, Any]
) -> None:
    found = taken(call(to=to, cc="cc@x.example", bcc="bcc@x.example", recipient_variables=json.dumps(variables)))

    assert found.options.recipient_variables == expected


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("h:X-Custom", "as given", ("X-Custom", "as given")),
        ("h:x-lower", "Zoë", ("x-lower", "Zoë")),
        ("h:X-Encoded", "=?utf-8?q?Zo=C3=AB?=", ("X-Encoded", "Zoë")),
        ("h:X-Folded", "one\r\n two", ("X-Folded", "one two")),
        ("h:Reply-To", "Zoë <r@x.example>", ("Reply-To", "Zoë <r@x.example>")),
        ("reply_to", "r@x.example", ("Reply-To", "r@x.example")),
        ("h:Message-Id", "a.b@x.example", ("Message-Id", "<a.b@x.example>")),
        ("h:Message-Id", "<a.b@x.example>", ("Message-Id", "<a.b@x.example>")),
        ("h:To", "Everybody <list@x.example>", ("To", "Everybody <list@x.example>")),
        ("h:Subject", "Another", ("Subject", "Another")),
        ("h:sender", f"Zoë <s@{DOMAIN}>", ("sender", f"Zoë <s@{DOMAIN}>")),
        ("h:List-Unsubscribe", "<https://a.example/?" + "x" * 300 + ">", ("List-Unsubscribe", "<https://a.example/?" + "x" * 300 + ">")),
    ],
)  # fmt: skip
def test_header_parameters_become_fields(name: str, value: str, expected: tuple[str, str]) -> None:
    message = opened(read_message(form(WHOLE | {name: value}), DOMAIN, NOW))

    assert [str(one) for one in message.get_all(expected[0], [])] == [expected[1]]


@pytest.mark.parametrize("name", ["Content-Type", "MIME-Version", "Bcc", "Return-Path", "Received", "DKIM-Signature"])
def test_fields_that_are_written_here_are_noted(name: str) -> None:
    found = taken(read_message(form(WHOLE | {f"h:{name}": "x"}), DOMAIN, NOW))

    assert f"ignored h:{name}: this field is written here" in found.option_notes


def test_what_has_no_meaning_is_named_in_the_story() -> None:
    found = taken(
        read_message(
            form(
                WHOLE
                | {
                    "o:campaign": "x", "zork": "1", "o:dkim": "no", "o:tracking-pixel-location-top": "yes",
                    "t:variables": "{}", "o:skip-verification": "yes",
                },
                Upload("foto", "a.png", "image/png", b"x"),
            ),
            DOMAIN,
            NOW,
        )
    )  # fmt: skip

    assert found.option_notes == (
        "ignored the file foto: there is no such parameter",
        "ignored o:campaign: there is no such parameter",
        "ignored zork: there is no such parameter",
        "ignored o:tracking-pixel-location-top: the pixel stands at the end",
        "ignored o:dkim: every message is signed",
        "ignored o:skip-verification: o:require-tls does not demand a verified connection",
        "t:variables does nothing: no template is named",
    )


def test_files_are_typed_by_their_names_where_the_client_does_not_say() -> None:
    found = call(
        Upload("attachment", "a.pdf", "", b"1"),
        Upload("attachment", "b.PNG", "application/octet-stream", b"2"),
        Upload("attachment", "c.xyz", "text/csv", b"3"),
        Upload("attachment", "", "", b"4"),
        Upload("inline", "logo.png", "", b"5"),
        html="<p>",
    )
    message = opened(found)

    assert [(part.get_filename(), part.get_content_type()) for part in message.iter_attachments()] == [
        ("a.pdf", "application/pdf"), ("b.PNG", "image/png"), ("c.xyz", "text/csv"), ("attachment", "application/octet-stream"),
    ]  # fmt: skip
    assert [part["Content-ID"] for part in message.walk() if part["Content-ID"]] == ["<logo.png>"]


@pytest.mark.parametrize("as_file", [True, False])
@pytest.mark.parametrize("line_end", ["\r\n", "\n"])
def test_a_whole_message_is_taken_as_it_is(line_end: str, *, as_file: bool) -> None:
    content = MIME.replace("\r\n", line_end).encode()
    given: dict[str, Any] = {"to": ["ann@x.example", "hidden@x.example"], "o:tag": "x"}
    files = [Upload("message", "message.mime", "", content)] if as_file else []
    wanted = form(given if as_file else given | {"message": content.decode()}, *files)

    found = taken(read_mime(wanted, DOMAIN, NOW))

    assert found.content == MIME.encode()
    assert [one.forward_path for one in found.envelope.recipients] == ["ann@x.example", "hidden@x.example"]
    assert (found.envelope.reverse_path, found.options.tags) == (f"hello@{DOMAIN}", ("x",))


def test_a_whole_message_gets_the_fields_and_options_of_parameters() -> None:
    content = MIME.replace("Subject", "X-Mailgun-Tag: inner\r\nX-OV-Testmode: yes\r\nX-Old: 1\r\nSubject")
    given = {"to": "a@x.example", "message": content, "h:X-Old": "2", "h:X-New": "3", "v:a": "1", "o:tag": "outer"}

    found = taken(read_mime(form(given), DOMAIN, NOW))

    message = email.message_from_bytes(found.content)
    assert (message.get_all("X-Old"), message["X-New"]) == (["2"], "3")
    assert (found.options.tags, found.options.is_test, found.options.variables) == (("outer",), True, {"a": "1"})


@pytest.mark.parametrize(
    ("given", "faults"),
    [
        ({"to": "a@x.example"}, ["message parameter is missing"]),
        ({"message": MIME}, ["to parameter is missing"]),
        ({"to": "a@x.example", "message": "X-OV-Testmode: perhaps\r\n\r\n"}, [
            'X-OV-Testmode must be yes or no (also true, false, on, off, 1, 0), not "perhaps"']),
    ],
)  # fmt: skip
def test_a_whole_message_needs_itself_and_recipients(given: dict[str, str], faults: list[str]) -> None:
    assert refused(read_mime(form(given), DOMAIN, NOW)) == faults


NAMES = st.sampled_from(
    [*PARAMETERS, *REFUSED, *IGNORED, *WHOLE, "html", "cc", "bcc", "v:x", "h:X-Y", "h:Reply-To", "o:tag", "message"]
)
VALUES = st.sampled_from(
    ["yes", "no", "{}", "[", "a@x.example", "Ä <b@y.example>", "x\r\ny", "", "1h", "%recipient.a%"]
) | st.text(max_size=40)


@given(st.dictionaries(NAMES, st.lists(VALUES, min_size=1, max_size=2), max_size=8), st.booleans())
def test_whatever_comes_makes_a_sound_message_or_a_refusal(given: dict[str, list[str]], whole: bool) -> None:
    wanted = form((WHOLE if whole else {}) | given)
    for read in (read_message, read_mime):
        found = read(wanted, DOMAIN, NOW)
        if isinstance(found, Refusal):
            assert found.status in {400, 403}
            assert found.text
            assert json.dumps(found.document)
        elif read is read_message:
            assert content_faults(found.content) is Fault.NONE
