"""Option headers: every one of the table in its forms, what stands in for it, and what is refused and how."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroad.dialects.headers.submission import Read, read_options
from postroad.model.options import (
    NO_OPTIONS,
    CallbackFormat,
    OnMissing,
    OptionFault,
    Options,
    TemplateName,
    TlsDemand,
)
from postroad.protocol.mime.encoded_word import encode
from postroad.protocol.mime.header import HeaderBlock, fold, split


def block_of(*lines: str) -> HeaderBlock:
    block = split("".join(f"{line}\r\n" for line in ("From: a@news.test", *lines)).encode() + b"\r\n")
    assert isinstance(block, HeaderBlock), block
    return block


def options(*lines: str) -> Options:
    found = read_options(block_of(*lines))
    assert isinstance(found, Read), found
    return found.options


def fault(*lines: str) -> OptionFault:
    found = read_options(block_of(*lines))
    assert isinstance(found, OptionFault), found
    return found


AT = 1_795_769_400_000
VARIABLES = {"bob@dest.test": {"name": "Bob", "n": 1, "deep": {"list": [True, None]}}}


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["X-OV-Tag: news"], {"tags": ("news",)}),
        (["X-OV-Tag: news, offers ,x y"], {"tags": ("news", "offers", "x y")}),
        (["X-OV-Tag: News", "X-OV-Tag: news, Offers", "x-ov-tag: OFFERS"], {"tags": ("News", "Offers")}),
        (["X-OV-Tag: =?utf-8?q?Gr=C3=BC=C3=9Fe?="], {"tags": ("Grüße",)}),
        (["X-OV-Tag: Grüße"], {"tags": ("Grüße",)}),
        (["X-OV-Tag: a,\r\n b"], {"tags": ("a", "b")}),
        (["X-OV-Tag:", "X-OV-Tag: news", "X-OV-Tag: ,"], {"tags": ("news",)}),
        (["X-Mailgun-Tag:", "X-Mailgun-Tag: news"], {"tags": ("news",)}),
        (['X-OV-Variables: {"a": "b\r\n\tc"}'], {"variables": {"a": "b c"}}),
        (['X-MSYS-API: {"metadata": {"a": "b\r\n\tc"}}'], {"variables": {"a": "b c"}}),
        (["X-OV-testmode: yes"], {"is_test": True}),
        (["X-OV-TESTMODE: No"], {"is_test": False}),
        (["X-OV-Track: yes"], {"tracks_clicks": True, "tracks_opens": True}),
        (["X-OV-Track: no", "X-OV-tracking_click: yes"], {"tracks_clicks": True, "tracks_opens": False}),
        (["X-OV-tracking_open: off", "X-OV-Track: on"], {"tracks_clicks": True, "tracks_opens": False}),
        (["X-OV-tracking_text: yes"], {"tracks_text_clicks": True}),
        (["X-OV-Unsubscribe: yes"], {"offers_unsubscribe": True}),
        (
            ['X-SMTPAPI: {"filters": {"subscriptiontrack": {"settings": {"enable": 0}}}}'],
            {"offers_unsubscribe": False},
        ),
        (["X-OV-Require-TLS: yes"], {"tls": TlsDemand.VERIFY}),
        (["X-OV-Require-TLS: verify"], {"tls": TlsDemand.VERIFY}),
        (["X-OV-Require-TLS: Encrypt"], {"tls": TlsDemand.ENCRYPT}),
        (["X-OV-Require-TLS: no"], {"tls": TlsDemand.NOTHING}),
        ([f"X-OV-Recipient-Variables: {json.dumps(VARIABLES)}"], {"recipient_variables": VARIABLES}),
        (
            ['X-OV-Recipient-Variables: {"bob@dest.test": {"x": ["1\\n2"]}}'],
            {"recipient_variables": {"bob@dest.test": {"x": ["1\n2"]}}},
        ),
        (['X-OV-Recipient-Variables: {"BOB@dest.TEST":{}}'], {"recipient_variables": {"bob@dest.test": {}}}),
        (
            ['X-OV-Recipient-Variables: {"Bob@Bücher.example": {}, " <ada@xn--bcher-kva.example> ": {"n": 1}}'],
            {"recipient_variables": {"bob@xn--bcher-kva.example": {}, "ada@xn--bcher-kva.example": {"n": 1}}},
        ),
        (['X-OV-Variables: {"id": 7, "x":\r\n [true, null, 1.5]}'], {"variables": {"id": 7, "x": [True, None, 1.5]}}),
        (['X-OV-Variables: {"name": "Åse"}'], {"variables": {"name": "Åse"}}),
        (["X-OV-Template: welcome"], {"template": TemplateName("welcome")}),
        (["X-OV-Template: welcome.html:v2"], {"template": TemplateName("welcome.html", "v2")}),
        (['X-OV-Template-Variables: {"a": {"b": 1}}'], {"template_variables": {"a": {"b": 1}}}),
        (["X-OV-Callback-URL: https://a.test/x?y=1"], {"callback_url": "https://a.test/x?y=1"}),
        (["X-OV-Callback-Format: SendGrid"], {"callback_format": CallbackFormat.SENDGRID}),
        (["X-OV-Deliver-At: 1795769400"], {"deliver_at": AT}),
        (["X-OV-Deliver-At: Fri, 27 Nov 2026 08:50:00 +0000"], {"deliver_at": AT}),
        (["X-OV-Deliver-At: 27 Nov 2026 09:50 +0100"], {"deliver_at": AT}),
        (["X-OV-Expires: 1795769400"], {"expires_at": AT}),
        (["X-OV-Idempotency-Key: order 17"], {"idempotency_key": "order 17"}),
        (["X-OV-On-Missing: keep"], {"on_missing": OnMissing.KEEP}),
        (["X-OV-Escape-HTML: 1"], {"escapes_html": True}),
    ],
)
def test_each_header_gives_its_option(lines: list[str], expected: dict[str, Any]) -> None:
    assert options(*lines) == Options(**expected)


@pytest.mark.parametrize("word", ["yes", "true", "on", "1", "YES", "True"])
def test_a_switch_is_on_in_every_way_it_is_written(word: str) -> None:
    assert options(f"X-OV-testmode: {word}").is_test is True


@pytest.mark.parametrize("word", ["no", "false", "off", "0", "NO", "False"])
def test_a_switch_is_off_in_every_way_it_is_written(word: str) -> None:
    assert options(f"X-OV-testmode: {word}").is_test is False


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["X-Mailgun-Tag: a, b", "X-Mailgun-Tag: c"], {"tags": ("a, b", "c")}),
        (["X-Mailgun-Drop-Message: yes"], {"is_test": True}),
        (["X-Mailgun-Track: no"], {"tracks_clicks": False, "tracks_opens": False}),
        (["X-Mailgun-Track-Clicks: htmlonly"], {"tracks_clicks": True}),
        (["X-Mailgun-Track-Opens: yes"], {"tracks_opens": True}),
        (["X-Mailgun-Track: htmlonly"], {"tracks_clicks": True, "tracks_opens": True}),
        (["X-Mailgun-Require-TLS: yes", "X-Mailgun-Skip-Verification: yes"], {"tls": TlsDemand.ENCRYPT}),
        (["X-Mailgun-Skip-Verification: no", "X-Mailgun-Require-TLS: yes"], {"tls": TlsDemand.VERIFY}),
        (["X-Mailgun-Skip-Verification: yes", "X-OV-Require-TLS: yes"], {"tls": TlsDemand.VERIFY}),
        (["X-Mailgun-Require-TLS: true"], {"tls": TlsDemand.VERIFY}),
        (["X-Mailgun-Skip-Verification: yes", "X-Mailgun-Require-TLS: yes"], {"tls": TlsDemand.ENCRYPT}),
        (["X-Mailgun-Require-TLS: yes", "X-Mailgun-Skip-Verification: no"], {"tls": TlsDemand.VERIFY}),
        (["X-Mailgun-Require-TLS: no", "X-Mailgun-Skip-Verification: yes"], {"tls": TlsDemand.NOTHING}),
        (['X-Mailgun-Variables: {"a": 1}', 'X-Mailgun-Variables: {"b": 2}'], {"variables": {"a": 1, "b": 2}}),
        (
            ['X-Mailgun-Recipient-Variables: {"b@d.test": {}}'],
            {"recipient_variables": {"b@d.test": {}}, "on_missing": OnMissing.KEEP},
        ),
        (
            ['X-Mailgun-Recipient-Variables: {"b@d.test": {}}', "X-OV-On-Missing: empty"],
            {"recipient_variables": {"b@d.test": {}}},
        ),
        (
            ["X-Mailgun-Template-Name: welcome", "X-Mailgun-Template-Version: 3"],
            {"template": TemplateName("welcome", "3")},
        ),
        (["X-Mailgun-Template-Variables: {}"], {}),
        (["X-Mailgun-Deliver-By: Fri, 27 Nov 2026 08:50:00 +0000"], {"deliver_at": AT}),
        (
            ['X-MSYS-API: {"campaign_id": "c", "metadata": {"a": 1}, "options": {"open_tracking": false}}'],
            {"tags": ("c",), "variables": {"a": 1}, "tracks_opens": False},
        ),
        (['X-MSYS-API: {"tags": ["x", " y "]}'], {"tags": ("x", "y")}),
        (
            [
                'X-SMTPAPI: {"category": "c", "unique_args": {"a": 1}, "send_at": 1795769400, "filters": {"clicktrack": {"settings": {"enable": 1}}}}'
            ],
            {"tags": ("c",), "variables": {"a": 1}, "deliver_at": AT, "tracks_clicks": True},
        ),
        (['X-SMTPAPI: {"category": ["c", "d"]}'], {"tags": ("c", "d")}),
        (['X-SMTPAPI: {"category": ["", "d", " ", "D"]}'], {"tags": ("d",)}),
        (['X-SMTPAPI: {"category": []}'], {}),
        (['X-MSYS-API: {"tags": ["", "x"], "campaign_id": "c"}'], {"tags": ("x", "c")}),
    ],
)
def test_headers_of_other_platforms_with_the_same_meaning_hold(lines: list[str], expected: dict[str, Any]) -> None:
    assert options(*lines) == Options(**expected)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("X-OV-Variables: []", {}),
        ("X-OV-Template-Variables: []", {}),
        ("X-Mailgun-Variables: [ ]", {}),
        ("X-OV-Recipient-Variables: []", {"recipient_variables": {}}),
        ('X-OV-Recipient-Variables: {"b@d.test": []}', {"recipient_variables": {"b@d.test": {}}}),
        ('X-MSYS-API: {"metadata": [], "options": [], "tags": []}', {}),
        ('X-SMTPAPI: {"unique_args": [], "filters": [], "category": []}', {}),
        ("X-MSYS-API: []", {}),
    ],
)
def test_an_empty_list_is_an_empty_object_as_php_writes_it(line: str, expected: dict[str, Any]) -> None:
    assert options(line) == Options(**expected)


def test_our_own_header_stands_above_those_of_others() -> None:
    found = options(
        'X-SMTPAPI: {"category": "their", "unique_args": {"a": 1}}',
        "X-Mailgun-Tag: mailgun",
        "X-Mailgun-Track: no",
        "X-OV-Tag: ours",
        "X-OV-Track: yes",
    )
    assert found == Options(tags=("ours",), variables={"a": 1}, tracks_clicks=True, tracks_opens=True)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["X-Mailgun-Track-Clicks: yes", "X-OV-Track: no"], {"tracks_clicks": False, "tracks_opens": False}),
        (["X-Mailgun-Track: yes", "X-OV-tracking_click: no"], {"tracks_clicks": False, "tracks_opens": True}),
        (["X-Mailgun-Template-Version: 2", "X-OV-Template: a"], {"template": TemplateName("a", None)}),
        (
            ["X-Mailgun-Template-Version: 2", "X-Mailgun-Template-Name: b", "X-OV-Template: a"],
            {"template": TemplateName("a", None)},
        ),
    ],
)
def test_a_specific_header_of_others_does_not_beat_our_general_one(lines: list[str], expected: dict[str, Any]) -> None:
    assert options(*lines) == Options(**expected)


@pytest.mark.parametrize(
    ("lines", "tls"),
    [
        (["X-Mailgun-Skip-Verification: yes"], None),
        (["X-Mailgun-Skip-Verification: yes", "X-OV-Require-TLS: yes"], TlsDemand.VERIFY),
        (
            ["X-Mailgun-Skip-Verification: yes", "X-Mailgun-Require-TLS: yes", "X-OV-Require-TLS: yes"],
            TlsDemand.VERIFY,
        ),
    ],
)
def test_skipping_verification_alone_or_beside_our_own_demand_is_noted(lines: list[str], tls: TlsDemand | None) -> None:
    found = read_options(block_of(*lines))
    assert isinstance(found, Read)
    assert found.options == Options(tls=tls)
    assert found.notes[-1].startswith("ignored X-Mailgun-Skip-Verification")


def test_a_message_without_option_headers_has_the_one_value() -> None:
    assert options("Subject: x", "X-Other: y") is NO_OPTIONS


def test_what_is_not_known_is_noted_and_not_refused() -> None:
    found = read_options(
        block_of("X-OV-Colour: red", "X-Mailgun-Sscore: 1", 'X-SMTPAPI: {"asm_group_id": 4}', "X-OV-Tag: a")
    )
    assert isinstance(found, Read)
    assert found.options == Options(tags=("a",))
    assert found.notes == (
        "ignored X-OV-Colour: there is no such option",
        "ignored X-Mailgun-Sscore: it has no meaning here",
        "ignored asm_group_id of X-SMTPAPI: it has no meaning here",
    )


@pytest.mark.parametrize(
    ("lines", "note"),
    [
        (["X-Mailgun-Tag: a", "x-ov-tag: b"], "X-Mailgun-Tag: x-ov-tag stands above it"),
        (
            ["X-Mailgun-Template-Version: 2", "X-OV-Template: a"],
            "X-Mailgun-Template-Version: X-OV-Template stands above it",
        ),
        (
            ["X-Mailgun-Template-Version: 2", "X-Mailgun-Template-Name: a:3"],
            "X-Mailgun-Template-Version: X-Mailgun-Template-Name stands above it",
        ),
        (["X-Mailgun-Template-Version: 2"], "X-Mailgun-Template-Version: no header names a template"),
        (["X-Mailgun-Track: yes", "X-OV-Track: no"], "X-Mailgun-Track: X-OV-Track stands above it"),
        (
            ["X-Mailgun-Track: yes", "X-OV-tracking_click: no"],
            "X-Mailgun-Track for clicks: X-OV-tracking_click stands above it",
        ),
        (
            ["X-Mailgun-Track: yes", "X-OV-tracking_click: no", "X-OV-tracking_open: no"],
            "X-Mailgun-Track: X-OV-tracking_click and X-OV-tracking_open stand above it",
        ),
        (
            ["X-Mailgun-Skip-Verification: yes", "X-OV-Require-TLS: yes"],
            "X-Mailgun-Skip-Verification: X-OV-Require-TLS stands above it",
        ),
        (["X-Mailgun-Skip-Verification: yes"], "X-Mailgun-Skip-Verification: no header demands a verified connection"),
        (
            ['X-SMTPAPI: {"unique_args": {"a": 1}}', "X-OV-Variables: {}"],
            "unique_args of X-SMTPAPI: X-OV-Variables stands above it",
        ),
        (
            ['X-SMTPAPI: {"category": "a"}', 'X-MSYS-API: {"tags": ["b"]}'],
            "tags of X-MSYS-API: category of X-SMTPAPI stands above it",
        ),
        (['X-MSYS-API: {"options": {"sandbox": true}}'], "options.sandbox of X-MSYS-API: it has no meaning here"),
        (
            ['X-SMTPAPI: {"filters": {"bypass_list_management": {"settings": {"enable": 1}}}}'],
            "filters.bypass_list_management of X-SMTPAPI: it has no meaning here",
        ),
    ],
)
def test_what_does_not_hold_is_noted_with_what_stands_above_it(lines: list[str], note: str) -> None:
    found = read_options(block_of(*lines))
    assert isinstance(found, Read)
    assert found.notes == (f"ignored {note}",)


def test_headers_of_one_family_settled_among_themselves_leave_no_note() -> None:
    found = read_options(block_of("X-OV-Track: yes", "X-OV-tracking_click: no", "X-OV-Tag: a", "X-OV-Tag: b"))
    assert isinstance(found, Read)
    assert found.notes == ()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("X-OV-testmode: maybe", ["must be yes or no", '"maybe"']),
        ("X-OV-testmode:", ["must be yes or no"]),
        ("X-OV-Track: 2", ["must be yes or no"]),
        ("X-OV-Require-TLS: maybe", ["yes, encrypt or no", '"maybe"']),
        ("X-OV-Tag:", ["is empty"]),
        ("X-OV-Tag: ,", ["is empty"]),
        (f"X-OV-Tag: {'x' * 129}", ["129 characters", "128"]),
        (f"X-OV-Tag: {','.join(map(str, range(11)))}", ["11 tags", "10"]),
        ("X-OV-Recipient-Variables: [1]", ["must be a JSON object", "a list"]),
        ('X-OV-Recipient-Variables: {"a@b.c": 1}', ["an object for", '"a@b.c"', "a number"]),
        ('X-OV-Recipient-Variables: {"ada": {}}', ["addresses such as ada@example.net as its keys", '"ada"']),
        ('X-OV-Recipient-Variables: {"": {}}', ["as its keys", '""']),
        ('X-OV-Recipient-Variables: {"Ada <ada@b.c>": {}}', ["as its keys", '"Ada <ada@b.c>"']),
        ('X-Mailgun-Recipient-Variables: {"a@b.c": {}, "A@B.c": {}}', ['"a@b.c" and "A@B.c"', "same address"]),
        ('X-OV-Recipient-Variables: {"a@b\u00fccher.test": {}, "a@xn--bcher-kva.test": {}}', ["same address"]),
        ('X-OV-Recipient-Variables: {"a@b.c": {"x": "1\\u0000"}}', ["NUL", '"a@b.c"']),
        ('X-OV-Recipient-Variables: {"a@b.c": {"x": [{"y\\u0000": 1}]}}', ["NUL"]),
        ('X-OV-Variables: {"a": 1,, "b": 2}', ["is not JSON", "at character 9"]),
        ("X-OV-Variables: {a: 1}", ["is not JSON: a name in double quotes is expected at character 2"]),
        ('X-OV-Variables: {"a": tru}', ["at character 7"]),
        ('X-OV-Variables: {"a": "\\x"}', ["at character 8"]),
        ('X-OV-Variables: {"a": 1} {}', ["is not JSON: something follows its end at character 10"]),
        ('X-OV-Variables: {"ä": tru}', ["is not JSON", "at character"]),
        ('X-OV-Variables: {"a": ', ["is not JSON: it breaks off", "a bracket is missing"]),
        ("X-OV-Variables:", ["is empty; write a JSON object, or leave the header out"]),
        ('X-OV-Variables: {"a": "\\ud800"}', ["\\ud800 at character 8 is half of a surrogate pair", "both halves"]),
        ('X-OV-Variables: {"ä": "\\\\ud800 \\ud83d\\ude00 \\uD83Dx"}', ["\\uD83D at character 29 is half"]),
        ('X-OV-Variables: {"a": "\\ude00\\ud83d"}', ["\\ude00 at character 8 is half of a surrogate pair"]),
        ('X-OV-Variables: {"1e999": 1e400}', ["a number that is too large at character 11; write it as a text"]),
        (f'X-OV-Variables: {{"a": {"9" * 400}, "b": 1e400}}', ["a number that is too large at character 414"]),
        ('X-OV-Variables: {"a": -1e400}', ["a number that is too large at character 7"]),
        (f'X-OV-Variables: {{"a": {"9" * 5000}}}', ["a number that is too large at character 7"]),
        ("X-OV-Variables: " + '{"a":' * 65 + "1" + "}" * 65, ["nested too deeply", "64 levels"]),
        ('X-OV-Variables: "text"', ["must be a JSON object", "a text"]),
        ("X-OV-Template: a b", ["template's name"]),
        ("X-OV-Template: ../etc", ["template's name"]),
        ("X-OV-Template-Variables: null", ["must be a JSON object", "null"]),
        ("X-OV-Callback-URL: ftp://a.test", ["http or https"]),
        ("X-OV-Callback-URL: https://", ["http or https"]),
        ("X-OV-Callback-URL: https://a.test/ x", ["http or https"]),
        (f"X-OV-Callback-URL: https://a.test/{'x' * 2048}", ["2048"]),
        ("X-OV-Callback-Format: xml", ["one of mailgun", '"xml"']),
        ("X-OV-Deliver-At: tomorrow", ["a date", "seconds since 1970"]),
        ("X-OV-Deliver-At: Mon, 27 Nov 2026 08:50:00 +0000", ["a weekday that is not that of its date", '"Mon, 27']),
        ("X-OV-Deliver-At: Friday, 27 Nov 2026 08:50:00 +0000", ["a date such as Fri, 27"]),
        ("X-OV-Deliver-At: Fri, 31 Nov 2026 08:50:00 +0000", ["a date such as"]),
        ("X-OV-Deliver-At: Fri, 27 Nov 2026 08:50:00", ["a date such as"]),
        ("X-OV-Expires: -1", ["a date"]),
        (f"X-OV-Idempotency-Key: {'k' * 256}", ["1 to 255"]),
        ("X-OV-On-Missing: drop", ["empty or keep"]),
        ("X-Mailgun-Tag:", ["is empty"]),
        ('X-MSYS-API: {"tags": [1]}', ["texts in tags"]),
        ('X-MSYS-API: {"tags": ["", " "]}', ["tags", "is empty"]),
        ('X-MSYS-API: {"campaign_id": ""}', ["campaign_id", "is empty"]),
        ('X-SMTPAPI: {"category": ""}', ["category", "is empty"]),
        (f'X-SMTPAPI: {{"category": {json.dumps([str(one) for one in range(11)])}}}', ["11 tags", "10"]),
        ('X-MSYS-API: {"options": {"open_tracking": "x"}}', ["true or false in options.open_tracking", 'not "x"']),
        ('X-MSYS-API: {"options": {"click_tracking": null}}', ["true or false in options.click_tracking", "null"]),
        (
            'X-SMTPAPI: {"filters": {"clicktrack": 1}}',
            ["an object in filters.clicktrack, with filters.clicktrack.settings.enable, not a number"],
        ),
        (
            'X-SMTPAPI: {"filters": {"clicktrack": {"settings": true}}}',
            ["an object in filters.clicktrack.settings, with", "not true or false"],
        ),
        (
            'X-SMTPAPI: {"filters": {"clicktrack": {"enable": 1}}}',
            ["true or false in filters.clicktrack.settings.enable, which is missing"],
        ),
        (
            'X-SMTPAPI: {"filters": {"opentrack": {"settings": {}}}}',
            ["true or false in filters.opentrack.settings.enable, which is missing"],
        ),
        (
            'X-SMTPAPI: {"filters": {"opentrack": {"settings": {"enable": 2}}}}',
            ["true or false in filters.opentrack.settings.enable, not a number"],
        ),
        ("X-Mailgun-Track-Clicks: html", ["yes, no or htmlonly", '"html"']),
        ("X-Mailgun-Track: html", ["yes, no or htmlonly"]),
        ("X-Mailgun-Track-Opens: htmlonly", ["must be yes or no"]),
        ("X-Mailgun-Drop-Message: maybe", ["must be yes or no"]),
        ("X-Mailgun-Skip-Verification: maybe", ["must be yes or no"]),
        ("X-Mailgun-Require-TLS: maybe", ["yes, encrypt or no"]),
        ("X-Mailgun-Template-Version: a b", ["the version of a template", '"a b"']),
        ("X-Mailgun-Template-Name: a b", ["template's name"]),
        ("X-Mailgun-Template-Variables: [{}]", ["must be a JSON object", "a list"]),
        ("X-Mailgun-Variables: 1", ["must be a JSON object", "a number"]),
        ("X-Mailgun-Recipient-Variables: [1]", ["must be a JSON object", "a list"]),
        ('X-Mailgun-Recipient-Variables: {"b@d.test": [0]}', ["must hold an object", "a list"]),
        ("X-Mailgun-Deliver-By: 3 h", ["a date", '"3 h"']),
        ("X-SMTPAPI: {", ["is not JSON"]),
        ('X-MSYS-API: {"campaign_id": 5}', ["a text in campaign_id", "a number"]),
        ('X-MSYS-API: {"tags": "x"}', ["a list in tags", "a text"]),
        ('X-MSYS-API: {"metadata": "x"}', ["an object in metadata", "a text"]),
        ('X-MSYS-API: {"options": ["x"]}', ["an object in options", "a list"]),
        ('X-SMTPAPI: {"category": 1}', ["a text or a list in category", "a number"]),
        ('X-SMTPAPI: {"unique_args": [1]}', ["an object in unique_args", "a list"]),
        ('X-SMTPAPI: {"send_at": "soon"}', ["seconds since 1970 in send_at", "a text"]),
        ('X-SMTPAPI: {"send_at": true}', ["seconds since 1970 in send_at", "true or false"]),
        ('X-SMTPAPI: {"send_at": 1.5}', ["seconds since 1970 in send_at", "a number"]),
        ('X-SMTPAPI: {"filters": null}', ["an object in filters", "null"]),
    ],
)
def test_a_malformed_value_is_told_with_its_header_and_what_was_expected(line: str, words: list[str]) -> None:
    found = fault(line)
    assert found.name == line.partition(":")[0]
    for word in words:
        assert word in found.text
    assert not found.text.endswith(".")


@pytest.mark.parametrize("name", ["X-OV-testmode", "X-OV-Variables", "X-OV-Template", "X-OV-Callback-URL"])
def test_a_header_that_may_stand_once_is_refused_twice(name: str) -> None:
    value = {"X-OV-testmode": "yes", "X-OV-Variables": "{}", "X-OV-Template": "a"}.get(name, "https://a.test")
    assert "more than once" in fault(f"{name}: {value}", f"{name.upper()}: {value}").text


@pytest.mark.parametrize("name", ["X-MSYS-API", "X-SMTPAPI"])
def test_a_whole_request_is_refused_twice(name: str) -> None:
    assert "more than once" in fault(f"{name}: {{}}", f"{name.lower()}: {{}}").text


def test_the_name_is_told_as_it_was_written() -> None:
    assert fault("x-oV-TESTmode: x").name == "x-oV-TESTmode"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@given(document=st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), JSON, max_size=5))
def test_json_comes_back_with_its_types_however_it_is_folded_and_encoded(document: dict[str, Any]) -> None:
    text = json.dumps(document)
    for words in (text.split(" "), encode(json.dumps(document, ensure_ascii=False))):
        line = fold("X-OV-Variables", words).decode().removesuffix("\r\n")
        if "=?" not in text:
            assert options(line).variables == document


@given(
    name=st.sampled_from(
        ["X-OV-Tag", "X-OV-testmode", "X-OV-Require-TLS", "X-OV-Recipient-Variables", "X-OV-Variables", "X-OV-Template",
         "X-OV-Callback-URL", "X-OV-Callback-Format", "X-OV-Deliver-At", "X-OV-Expires", "X-MSYS-API", "X-SMTPAPI",
         "X-Mailgun-Tag", "X-Mailgun-Variables", "X-OV-Idempotency-Key"]
    ),
    value=st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), max_size=60)
    | JSON.map(json.dumps),
)  # fmt: skip
def test_any_value_is_understood_or_refused_with_a_sentence(name: str, value: str) -> None:
    found = read_options(block_of(f"{name}: {value}"))
    if isinstance(found, OptionFault):
        assert found.name == name
        assert found.text
        assert "\n" not in found.text


@pytest.mark.parametrize(
    ("line", "note"),
    [
        ("X-OV-Callback-Format: sendgrid", "X-OV-Callback-Format does nothing: no header names an address"),
        ('x-ov-template-variables: {"a": 1}', "x-ov-template-variables does nothing: no header names a template"),
    ],
)
def test_what_does_nothing_without_another_header_is_noted(line: str, note: str) -> None:
    found = read_options(block_of(line))
    assert isinstance(found, Read)
    assert found.notes == (note,)


def test_seconds_are_told_in_ascii() -> None:
    found = read_options(block_of("X-OV-Deliver-At: =?utf-8?b?2aHZotmj?="))
    assert isinstance(found, OptionFault)
    assert found.text.startswith("must be a date")
