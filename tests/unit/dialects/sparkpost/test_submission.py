"""SparkPost's transmissions: what calls become, and what is said of those that are not understood."""

import base64
import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postroad.dialects.call import Call
from postroad.dialects.sparkpost.errors import Refusal, rejected
from postroad.dialects.sparkpost.submission import Transmission, read_document, read_transmission, sender_domain
from postroad.dialects.sparkpost.values import part
from postroad.model.options import TemplateName
from postroad.model.refused import RefusedError
from postroad.model.submission import Rejected
from postroad.protocol.mime.header import HeaderBlock, split
from postroad.protocol.smtp.data import Fault, content_faults

DOMAIN = "news.example.com"
SENDER = f"Shop <hello@{DOMAIN}>"
CONTENT = {"from": SENDER, "subject": "S", "text": "T"}
NOW = 1_780_000_000_000


def call(**more: Any) -> dict[str, Any]:
    return {"recipients": [{"address": "a@x.example"}], "content": CONTENT} | more


def content(**more: Any) -> dict[str, Any]:
    return call(content=CONTENT | more)


def read(document: dict[str, Any], largest: int = 10_000_000) -> Transmission:
    found = read_transmission(document, DOMAIN, largest=largest)
    assert isinstance(found, Transmission), found
    return found


def only(document: dict[str, Any]) -> Call:
    [one] = read(document).calls
    return one


def refused(document: dict[str, Any], largest: int = 10_000_000) -> Refusal:
    found = read_transmission(document, DOMAIN, largest=largest)
    assert isinstance(found, Refusal), found
    return found


def lines(one: Call) -> list[str]:
    return one.content.decode().split("\r\n\r\n", 1)[0].split("\r\n")


def test_a_call_becomes_a_message() -> None:
    one = only(
        call(
            recipients=[{"address": {"email": "a@x.example", "name": "Ann"}, "metadata": {"u": 1}, "tags": ["x"]}],
            content=CONTENT | {"reply_to": "r@x.example", "headers": {"X-A": "b", "CC": "c@x.example"}},
            campaign_id="spring",
            metadata={"k": [1]},
            return_path=f"bounces@{DOMAIN}",
            options={
                "start_time": "2026-11-30T08:00:00+01:00",
                "open_tracking": True,
                "click_tracking": False,
                "transactional": True,
                "sandbox": True,
            },
        )
    )
    assert lines(one)[:6] == [
        f'From: "Shop" <hello@{DOMAIN}>',
        'To: "Ann" <a@x.example>',
        "Reply-To: r@x.example",
        "Subject: S",
        "X-A: b",
        "CC: c@x.example",
    ]
    assert one.envelope.reverse_path == f"bounces@{DOMAIN}"
    options = one.options
    assert (options.tags, options.variables, options.recipient_variables) == (("spring", "x"), {"k": [1], "u": 1}, None)
    assert (options.tracks_opens, options.tracks_clicks, options.is_test, options.ignores_unsubscribes) == (
        True,
        False,
        True,
        True,
    )
    assert options.deliver_at == 1_796_022_000_000
    assert one.option_sources["deliver_at"] == "options.start_time"


def test_transactional_false_leaves_what_the_domain_is() -> None:
    assert only(call(options={"transactional": False})).options.ignores_unsubscribes is False


def test_recipients_who_are_shown_alone_share_a_message() -> None:
    one = only(
        call(
            recipients=[
                {"address": "Ann <a@x.example>", "substitution_data": {"n": "1"}},
                {
                    "address": {"email": "b@x.example", "header_to": "Bob <B@x.example>"},
                    "substitution_data": {"n": "2"},
                },
                "c@x.example",
            ],
            content=CONTENT | {"subject": "For {{n}}", "text": "same {{shared}} %recipient.n% %other%"},
            substitution_data={"shared": "s", "n": "0"},
        )
    )
    assert "To: %recipient%" in lines(one)
    assert [each.display_name for each in one.envelope.recipients] == ["Ann", "Bob", ""]
    variables = one.options.recipient_variables
    assert variables is not None
    assert [variables[f"{name}@x.example"]["sp:0"] for name in "abc"] == ["1", "2", "0"]
    assert "Subject: For %recipient.sp:0%" in lines(one)
    assert b"same s %recipient.sp:percent%recipient.n% %other%" in one.content
    assert variables["a@x.example"]["sp:percent"] == "%"


def test_values_that_are_the_same_are_kept_once_and_all_of_them_have_a_bound() -> None:
    many = [{"address": f"a{n}@x.example", "substitution_data": {"n": str(n)}} for n in range(1_100)]
    one = only(call(recipients=many[:2], content=CONTENT | {"subject": "{{n}}", "text": "{{n}} {{{n}}}"}))
    assert one.options.recipient_variables == {f"a{n}@x.example": {"sp:0": str(n), "sp:percent": "%"} for n in range(2)}
    answer = refused(call(recipients=many, content=CONTENT | {"text": "{{n}}" * 1_000}))
    assert "all recipients together take too much" in answer.text


def test_recipients_who_share_one_to_share_a_message() -> None:
    shared = {"header_to": "a@x.example, Bob <b@x.example>"}
    one = only(call(recipients=[{"address": {"email": f"{name}@x.example"} | shared} for name in "abc"]))
    assert 'To: a@x.example, "Bob" <b@x.example>' in lines(one)
    assert one.options.recipient_variables is None
    copied = only(
        call(
            recipients=[
                {"address": {"email": "a@x.example", "name": "Ann"}},
                {"address": {"email": "c@x.example", "header_to": '"Ann" <a@x.example>'}},
            ]
        )
    )
    assert 'To: "Ann" <a@x.example>' in lines(copied)
    assert len(copied.envelope.recipients) == 2


def test_what_cannot_be_filled_in_makes_messages_of_their_own() -> None:
    found = read(
        call(
            recipients=[
                {"address": "a@x.example"},
                {"address": "b@x.example", "tags": ["other"]},
                {"address": "c@x.example", "return_path": f"other@{DOMAIN}"},
                {"address": "d@x.example", "metadata": {"more": 1}},
                {"address": "e@x.example", "substitution_data": {"who": "E"}},
                {"address": "A@X.example"},
            ],
            content=CONTENT | {"from": {"name": "{{who or 'us'}} <x>", "email": f"hello@{DOMAIN}"}},
        )
    )
    assert [[each.forward_path for each in one.envelope.recipients] for one in found.calls] == [
        ["a@x.example"],
        ["b@x.example"],
        ["c@x.example"],
        ["d@x.example"],
        ["e@x.example"],
        ["A@x.example"],
    ]
    assert found.accepted == 6
    assert lines(found.calls[4])[0] == f'From: "E <x>" <hello@{DOMAIN}>'


def test_metadata_that_differ_are_filled_in() -> None:
    one = only(
        call(
            recipients=[{"address": f"{name}@x.example", "metadata": {"u": name, "n": 1}} for name in "ab"],
            metadata={"all": "%recipient%"},
        )
    )
    assert one.options.variables == {
        "all": "%recipient.sp:percent%recipient%",
        "u": "%recipient.sp:0%",
        "n": 1,
    }
    assert one.options.recipient_variables == {
        "a@x.example": {"sp:0": "a", "sp:percent": "%"},
        "b@x.example": {"sp:0": "b", "sp:percent": "%"},
    }


def test_what_is_nearer_the_recipient_beats_what_is_shared() -> None:
    one = only(
        call(
            recipients=[
                {"address": "a@x.example", "metadata": {"b": "b3", "a": "a3"}, "substitution_data": {"a": "a4"}}
            ],
            content=CONTENT | {"text": "{{a}} {{b}} {{c}} {{d}} {{address.email}}"},
            metadata={"d": "d1", "c": "c1", "b": "b1", "a": "a1"},
            substitution_data={"c": "c2", "b": "b2", "a": "a2"},
        )
    )
    assert b"a4 b3 c2 d1 a@x.example\r\n" in one.content


def test_values_are_escaped_in_html_alone_and_are_one_line_in_headers() -> None:
    one = only(
        call(
            content=CONTENT
            | {"subject": "{{v}}", "html": "<p>{{v}}{{{v}}}</p>", "text": "{{v}}", "headers": {"X-V": "{{v}}"}},
            substitution_data={"v": "<b>\r\nBcc: x@y.example"},
        )
    )
    assert "Subject: <b> Bcc: x@y.example" in lines(one)
    assert "X-V: <b> Bcc: x@y.example" in lines(one)
    assert b"<p>&lt;b&gt;\r\nBcc: x@y.example<b>\r\nBcc: x@y.example</p>" in one.content
    assert b"\r\n\r\n<b>\r\nBcc: x@y.example\r\n" in one.content


def test_substitutions_may_be_left_alone() -> None:
    one = only(content(text="{{name}} {{") | {"options": {"perform_substitutions": False}})
    assert b"{{name}} {{" in one.content


def test_blanks_in_a_from_cannot_hold_the_worker_up() -> None:
    document = call(content=CONTENT | {"from": "{{who}}" + " " * 30_000 + "x"})
    started = time.thread_time()
    refused(document)
    assert time.thread_time() - started < 0.5


def test_a_stored_template_is_given_the_data() -> None:
    stored = {"template_id": "hello:2", "from": SENDER}
    one = only(call(content=stored, substitution_data={"a": 1}))
    assert one.options.template == TemplateName("hello", "2")
    assert one.options.template_variables["a"] == 1
    assert one.options.template_variables["address"]["email"] == "a@x.example"
    assert not any(each.startswith("Subject:") for each in lines(one))
    both = only(
        call(
            content={"template_id": "hello"},
            override={"from": SENDER},
            recipients=[{"address": f"{name}@x.example", "substitution_data": {"b": name}} for name in "ab"],
        )
    )
    variables = both.options.recipient_variables
    assert variables is not None
    assert variables["b@x.example"]["b"] == "b"


def test_a_whole_message_is_sent_as_it_is() -> None:
    whole = f"\nFrom: {SENDER}\nTo: x@y.example\nSubject: W\n\nBody {{{{name}}}}\n"
    one = only(call(content={"email_rfc822": whole}))
    assert one.content == whole.lstrip().replace("\n", "\r\n").encode()
    assert one.envelope.reverse_path == f"hello@{DOMAIN}"
    asked = only(call(content={"email_rfc822": f"X-OV-Tag: one\n{whole.lstrip()}"}))
    assert asked.options.tags == ("one",)
    answer = refused(call(content={"email_rfc822": whole}, substitution_data={"name": "x"}))
    assert "sent as it is" in answer.text


def test_files_are_attached_and_shown() -> None:
    data = base64.encodebytes(b"x" * 100).decode()
    file = {"name": "ü.bin", "type": "application/x-test", "data": data}
    one = only(content(html="<img src=cid:i>", attachments=[file], inline_images=[file | {"name": "i"}]))
    assert b"application/x-test" in one.content
    assert b"Content-ID: <i>" in one.content


def test_an_empty_list_is_an_empty_object_as_php_writes_it() -> None:
    own = {"address": "a@x.example", "substitution_data": [], "metadata": []}
    document = content(headers=[]) | {"recipients": [own], "options": [], "metadata": [], "substitution_data": []}
    found = read(document | {"override": []})
    assert found.accepted == 1
    assert found.calls[0].options.is_plain
    assert part({"content": []}, "content") == {}
    with pytest.raises(RefusedError, match="must be an object"):
        part({"content": ["x"]}, "content")


@pytest.mark.parametrize(
    ("document", "status", "code", "words"),
    [
        ({"recipients": ["a@x.example"]}, 422, "1400", "content is required"),
        ({"content": CONTENT}, 422, "1400", "recipients is required"),
        (call(content="x"), 400, "1300", "content must be an object, not a text"),
        (call(recipients={"list_id": "x"}), 400, "1300", "recipients.list_id is not offered"),
        (call(recipients="a@x.example"), 400, "1300", "recipients must be an array"),
        (call(recipients=[]), 400, "5002", "At least one valid recipient is required"),
        (call(recipients=["x@y.example"] * 10_001), 400, "1300", "at most 10,000 are possible"),
        (call(content={"subject": "S", "text": "T"}), 422, "1400", "content.from is required"),
        (call(content={"from": SENDER, "text": "T"}), 422, "1400", "content.subject is required"),
        (call(content={"from": SENDER, "subject": "S"}), 422, "1400", "content.text or content.html is required"),
        (content(template_id="x"), 422, "1301", "content has a template_id"),
        (call(content={"template_id": "x"}), 422, "1400", "stored templates hold no sender"),
        (
            call(content={"template_id": "a b", "from": SENDER}),
            400,
            "1300",
            "content.template_id must be a template's name",
        ),
        (call(content={"ab_test_id": "x"}), 422, "1603", "there are no A/B tests here"),
        (content(email_rfc822="x"), 400, "1300", "content has email_rfc822 and text"),
        (
            call(content={"email_rfc822": "X-OV-Require-TLS: maybe\n\nx"}),
            400,
            "1300",
            "content.email_rfc822: X-OV-Require-TLS",
        ),
        (content(**{"from": "nobody"}), 400, "1300", "content.from is no address"),
        (
            content(**{"from": {"email": "a\u202eb@c.example"}}),
            400,
            "1300",
            "has the character U+202E, which cannot be seen",
        ),
        (content(**{"from": " "}), 422, "1400", "content.from is required"),
        (content(**{"from": {"name": "x"}}), 422, "1400", "content.from.email is required"),
        (content(**{"from": f"a@{DOMAIN}, b@{DOMAIN}"}), 400, "1300", "must be one address, not 2"),
        (content(subject="a\nb"), 400, "1300", "content.subject holds a line end"),
        (content(subject=7), 400, "1300", "content.subject must be a string, not a number"),
        (content(text="a\0b"), 400, "1300", "content.text holds a NUL"),
        (content(html="{{if a}}"), 422, "3000", "Error while compiling part html: line 1"),
        (content(headers={"X Y": "a"}), 400, "1300", "is no header name"),
        (content(headers={"X-A": "a\nBcc: b"}), 400, "1300", "holds a line end"),
        (content(headers={"Cc": "nobody"}), 400, "1300", "content.headers.Cc is no address"),
        (content(headers={"X-OV-Require-TLS": "maybe"}), 400, "1300", "X-OV-Require-TLS must be"),
        (content(attachments=[{"name": "a", "type": "b"}]), 422, "1400", "content.attachments.0.data is required"),
        (content(attachments=[{"name": "a", "type": "b/c", "data": "*"}]), 400, "1300", "data is not base64"),
        (call(options={"start_time": "tomorrow"}), 400, "1300", "options.start_time must be a time with its offset"),
        (call(options={"start_time": "2026-13-30T08:00:00Z"}), 400, "1300", "options.start_time must be"),
        (call(options={"sandbox": "yes"}), 400, "1300", "options.sandbox must be true or false"),
        (call(campaign_id="x" * 65), 400, "1300", "campaign_id has 65 bytes"),
        (call(description="x" * 1025), 400, "1300", "description has 1,025 bytes"),
        (call(metadata={"a": "x" * 10_001}), 400, "1300", "metadata has about"),
        (call(metadata=[1]), 400, "1300", "metadata must be an object"),
        (call(return_path="nobody"), 400, "1300", "return_path must be an address at"),
    ],
)
def test_what_is_wrong_is_told_in_the_vendors_shape(
    document: dict[str, Any], status: int, code: str, words: str
) -> None:
    answer = refused(document)
    assert answer.status == status
    [fault] = answer.document["errors"]
    assert fault["code"] == code
    assert words in answer.text


def test_all_that_is_wrong_is_told_at_once() -> None:
    answer = refused({"content": {"text": "{{x"}, "options": {"sandbox": 1}, "recipients": ["x"]})
    assert [one.code for one in answer.faults] == ["1300", "1400", "3000", "1400"]
    assert answer.status == 400
    assert len(answer.document["results"]["rcpt_to_errors"]) == 1


def test_recipients_that_are_none_are_left_out() -> None:
    found = read(
        call(
            recipients=[
                {"address": "a@x.example"},
                {"address": "none"},
                {"address": {"name": "Ann"}},
                7,
                {"address": {"email": "b@x.example", "header_to": "none"}},
                {"address": "c@x.example", "tags": [1]},
            ]
        )
    )
    assert (found.accepted, found.rejected) == (1, 5)
    assert [one.code for one in found.recipient_faults] == ["1300", "1400", "1300", "1300", "1300"]
    assert found.recipient_faults[1].description == "recipients.2: address.email is required for each recipient"


def test_what_is_ignored_is_noted() -> None:
    one = only(
        call(
            options={"ip_pool": "x", "skip_suppression": True, "inline_css": True, "new": 1},
            tracking_domain="t.example",
            strange=1,
        )
    )
    assert [note.split(":")[0] for note in one.option_notes] == [
        "ignored strange",
        "ignored options.new",
        "ignored options.skip_suppression",
        "ignored options.inline_css",
        "ignored options.ip_pool",
        "ignored tracking_domain",
    ]


def test_messages_that_are_too_large_together_are_refused() -> None:
    many = [{"address": {"email": f"a{n}@x.example", "header_to": f"b{n}@x.example"}} for n in range(5)]
    answer = refused(content(text="x" * 1000) | {"recipients": many}, largest=1100)
    assert answer.status == 413
    assert read(content(text="x" * 1000) | {"recipients": many[:4]}, largest=1100).accepted == 4


def test_documents_that_are_none() -> None:
    for body in (b"", b"[]", b"{", b"[" * 100_000, b'{"a": "\xff"}', b"\xff"):
        found = read_document(body)
        assert isinstance(found, Refusal)
        assert (found.status, found.faults[0].code) == (400, "1300")


@pytest.mark.parametrize(
    ("document", "domain"),
    [
        (call(), DOMAIN),
        (content(**{"from": {"email": "a@b.example"}}), "b.example"),
        (call(override={"from": "a@c.example"}), "c.example"),
        (call(content={"email_rfc822": "From: A\n <a@d.example>\n\nx"}), "d.example"),
        (call(content={"email_rfc822": "x"}), None),
        ({}, None),
        (content(**{"from": 7}), None),
    ],
)
def test_the_domain_of_the_sender_is_found(document: dict[str, Any], domain: str | None) -> None:
    assert sender_domain(document) == domain


@pytest.mark.parametrize(
    ("rule", "enhanced", "status", "code"),
    [
        ("header_from_not_aligned", "5.7.1", 400, "7001"),
        ("reverse_path_not_at_domain", "5.7.1", 400, "1300"),
        ("template_unknown", "5.6.0", 422, "1603"),
        ("template_failed", "5.6.0", 422, "3000"),
        ("message_too_large", "5.3.4", 413, "1300"),
        ("domain_not_active", "5.7.1", 403, "7001"),
        ("domain_paused", "4.7.1", 429, None),
        ("hourly_limit", "4.7.1", 420, "2101"),
        ("daily_quota", "4.7.1", 420, "2102"),
        ("nul_octet", "5.6.0", 400, "1300"),
    ],
)
def test_refusals_of_admission_have_the_vendors_codes(rule: str, enhanced: str, status: int, code: str | None) -> None:
    answer = rejected([Rejected(rule, enhanced, "Why.")], DOMAIN, NOW)
    assert (answer.status, answer.faults[0].code) == (status, code)
    assert (answer.retry_after_s is not None) == enhanced.startswith("4")


_NAMES = st.sampled_from(
    ["recipients", "address", "email", "name", "header_to", "content", "from", "subject", "text", "html", "headers", "tags",
     "attachments", "inline_images", "data", "type", "template_id", "email_rfc822", "options", "start_time", "campaign_id",
     "open_tracking", "substitution_data", "metadata", "return_path", "reply_to", "sandbox", "x"]
)  # fmt: skip
_VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=8),
        st.sampled_from(
            ["a@x.example", SENDER, "YQ==", "0001-01-01T00:00:00+14:00", "{{each a}}", "{{ {{ }}", "a\r\nB: c"]
        ),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_NAMES, inner, max_size=5)),
    max_leaves=25,
)


@settings(max_examples=200)
@given(st.dictionaries(_NAMES, _VALUES, max_size=4), st.sampled_from(["alone", "beside", "within"]))
def test_whatever_comes_makes_sound_messages_or_a_refusal(given_: dict[str, Any], where: str) -> None:
    documents = {"alone": given_, "beside": call() | given_, "within": content(**given_)}
    document = read_document(json.dumps(documents[where]).encode())
    if isinstance(document, Refusal):
        assert document.text
        return
    sender_domain(document)
    found = read_transmission(document, DOMAIN, largest=1_000_000)
    if isinstance(found, Refusal):
        assert found.text
        assert json.dumps(found.document)
        return
    assert found.calls
    for one in found.calls:
        assert one.envelope.recipients
        if document["content"].get("email_rfc822") is None:
            assert content_faults(one.content) is Fault.NONE
            assert isinstance(split(one.content), HeaderBlock)


@given(st.binary(max_size=200))
def test_whatever_octets_come_are_a_document_or_a_refusal(octets: bytes) -> None:
    assert isinstance(read_document(octets), dict | Refusal)
