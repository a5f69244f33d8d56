"""What a call of SendGrid's asks for, field by field, and every fault at once."""

import base64
import email
import email.policy
import json
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postroad.dialects.call import Call
from postroad.dialects.sendgrid.errors import MOST_FAULTS, Refusal
from postroad.dialects.sendgrid.header import RESERVED
from postroad.dialects.sendgrid.submission import Mailing, read_call
from postroad.dialects.sendgrid.substitution import bare
from postroad.model.options import OnMissing, TemplateName
from postroad.model.unsubscribe_group import MailGroup, UnsubscribeGroup
from postroad.policy.suppression import comparable
from postroad.protocol.smtp.data import Fault, content_faults
from postroad.rendering.merge import plan
from postroad.rendering.merge_values import Filling
from postroad.rendering.placeholder import Addressee

DOMAIN = "news.example.com"
LARGEST = 25 * 1024 * 1024
ANN, BOB, EVE = ({"email": f"{name}@x.example", "name": name.title()} for name in ("ann", "bob", "eve"))
WHOLE: dict[str, Any] = {
    "personalizations": [{"to": [ANN]}],
    "from": {"email": f"hello@{DOMAIN}", "name": "Shop"},
    "subject": "Hi",
    "content": [{"type": "text/plain", "value": "Hello."}],
}


def call(without: tuple[str, ...] = (), **changed: Any) -> Mailing | Refusal:
    """Read a whole call with some fields changed."""
    named = {name.removesuffix("_"): value for name, value in changed.items()}
    document = {name: value for name, value in (WHOLE | named).items() if name not in without}
    return read_call(json.dumps(document).encode(), DOMAIN, largest=LARGEST)


def parts(found: Mailing | Refusal) -> list[Call]:
    assert isinstance(found, Mailing), found
    return [one.call for one in found.parts]


def only(found: Mailing | Refusal) -> Call:
    [one] = parts(found)
    return one


def refused(found: Mailing | Refusal) -> list[tuple[str | None, str]]:
    assert isinstance(found, Refusal), found
    return [(one.field, one.message) for one in found.faults]


def opened(content: bytes) -> EmailMessage:
    assert content_faults(content) is Fault.NONE
    return email.message_from_bytes(content, policy=email.policy.default)


def copy_for(made: Call, address: str) -> EmailMessage:
    """Return the copy that one recipient of a message gets."""
    variables = made.options.recipient_variables
    if variables is None:
        return opened(made.content)
    name = next(one.display_name for one in made.envelope.recipients if one.forward_path == address)
    addressee = Addressee(address=address, display_name=name, variables=variables[comparable(address)])
    filled = plan(made.content).filled(Filling(addressee=addressee, on_missing=made.options.on_missing))
    assert not filled.missing
    # RFC 2045 §6.7 (4): a line end within a value is one of the message, too.
    assert b"=0D=0A" not in filled.content
    return opened(filled.content)


def text(message: EmailMessage, kind: str = "plain") -> str:
    part = message.get_body((kind,))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n").removesuffix("\n")


@pytest.mark.parametrize(
    ("changed", "option", "expected", "source"),
    [
        ({"categories": ["a", "b", "A"]}, "tags", ("a", "b"), "categories"),
        ({"custom_args": {"k": "v"}}, "variables", {"k": "v"}, "custom_args"),
        ({"send_at": 1_790_000_000}, "deliver_at", 1_790_000_000_000, "send_at"),
        ({"template_id": "d-1"}, "template", TemplateName("d-1"), "template_id"),
        ({"batch_id": "b-1"}, "batch_id", "b-1", "batch_id"),
        (
            {"tracking_settings": {"click_tracking": {"enable": False}}},
            "tracks_clicks",
            False,
            "tracking_settings.click_tracking",
        ),
        (
            {"tracking_settings": {"click_tracking": {"enable": True, "enable_text": True}}},
            "tracks_text_clicks",
            True,
            "tracking_settings.click_tracking.enable_text",
        ),
        (
            {"tracking_settings": {"open_tracking": {"enable": True}}},
            "tracks_opens",
            True,
            "tracking_settings.open_tracking",
        ),
        (
            {"tracking_settings": {"subscription_tracking": {"enable": True}}},
            "offers_unsubscribe",
            True,
            "tracking_settings.subscription_tracking",
        ),
        ({"asm": {"group_id": 17}}, "offers_unsubscribe", True, "asm"),
        (
            {"mail_settings": {"bypass_list_management": {"enable": True}}},
            "ignores_unsubscribes",
            True,
            "mail_settings.bypass_list_management",
        ),
        (
            {"mail_settings": {"bypass_unsubscribe_management": {"enable": True}}},
            "ignores_unsubscribes",
            True,
            "mail_settings.bypass_unsubscribe_management",
        ),
        ({"headers": {"X-OV-Idempotency-Key": "k-1"}}, "idempotency_key", "k-1", "X-OV-Idempotency-Key"),
    ],
)
def test_each_field_gives_its_option(changed: dict[str, Any], option: str, expected: object, source: str) -> None:
    made = only(call(**changed))
    assert getattr(made.options, option) == expected
    assert made.option_sources[option] == source


def test_what_is_not_given_asks_for_nothing() -> None:
    made = only(call())
    assert made.options.is_plain
    assert made.option_notes == ()


def test_an_empty_list_is_an_empty_object_as_php_writes_it() -> None:
    own = {"to": [ANN], "custom_args": [], "headers": [], "substitutions": [], "dynamic_template_data": []}
    footer: dict[str, Any] = {"footer": []}
    made = only(
        call(
            personalizations=[own], custom_args=[], headers=[], sections=[], tracking_settings=[], mail_settings=footer
        )
    )
    assert made.options.is_plain
    assert made.option_notes == ()


@pytest.mark.parametrize("name", ["custom_args", "headers", "mail_settings", "tracking_settings", "asm", "sections"])
def test_a_list_with_something_in_it_is_no_object(name: str) -> None:
    assert refused(call((), **{name: ["x"]})) == [(name, f"The {name} parameter must be an object, not a list.")]


@pytest.mark.parametrize(
    ("changed", "note"),
    [
        (
            {"ip_pool_name": "pool"},
            "ignored ip_pool_name: the operator chooses by which address a domain's mail leaves",
        ),
        ({"foo": 1}, "ignored foo: there is no such parameter"),
        ({"personalizations": [{"to": [ANN], "foo": 1}]}, "ignored personalizations.0.foo: there is no such parameter"),
        ({"mail_settings": {"foo": {}}}, "ignored mail_settings.foo: there is no such setting"),
        (
            {"tracking_settings": {"ganalytics": {"enable": True}}},
            "ignored tracking_settings.ganalytics: links are left as they are written",
        ),
        (
            {"asm": {"group_id": 17, "groups_to_display": [17, 18]}},
            "ignored asm.groups_to_display: the page to unsubscribe at is about one group",
        ),
    ],
)
def test_what_has_no_effect_is_noted(changed: dict[str, Any], note: str) -> None:
    assert only(call(**changed)).option_notes == (note,)


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"personalizations": []}, ("personalizations", "You must have at least one personalization.")),
        (
            {"personalizations": {}},
            ("personalizations", "The personalizations parameter must be an array, not an object."),
        ),
        (
            {"personalizations": [{"to": [ANN]}] * 1001},
            ("personalizations", "The personalization block is limited to 1000 personalizations per API request."),
        ),
        (
            {"personalizations": [{"to": [{"email": f"u{i}@x.example"} for i in range(501)]}] * 2},
            ("personalizations", "There is a limit of 1000 total recipients (to + cc + bcc) per request."),
        ),
        (
            {"personalizations": [{"to": [ANN], "bcc": [{"email": "ANN@x.example"}]}]},
            (
                "personalizations.0.bcc",
                (
                    "Each email address in the personalization block should be unique between to, cc, and bcc. We found the "
                    "first duplicate instance of [ANN@x.example] in the personalizations.0.bcc field."
                ),
            ),
        ),
        (
            {"personalizations": [{"to": [{"email": f"u{i}@x.example"} for i in range(1001)]}]},
            ("personalizations.0.to", "There are 1001 addresses; at most 1000 are possible."),
        ),
        ({"content": [{}] * 21}, ("content", "There are 21 content blocks; at most 20 are possible.")),
        ({"personalizations": [{"to": []}]}, ("personalizations.0.to", "The to array is required for all personal")),
        (
            {"personalizations": [{"to": [{"email": "x"}]}]},
            ("personalizations.0.to.0.email", "Does not contain a valid"),
        ),
        ({"personalizations": [{"to": ["x"]}]}, ("personalizations.0.to.0", "The email object must be an object")),
        ({"personalizations": ["x"]}, ("personalizations.0", "A personalization must be an object, not a text.")),
        ({"from": {"email": "x"}}, ("from.email", "Does not contain a valid address.")),
        (
            {"from": {"email": "a\u202eb@c.example"}},
            ("from.email", 'Does not contain a valid address. "a\ufffdb@c.example": The'),
        ),
        ({"subject": "a\nb"}, ("subject", "The subject parameter holds a line end or NUL; it is one line.")),
        ({"subject": 1}, ("subject", "The subject parameter must be a string, not a number.")),
        ({"content": []}, ("content", "Unless a valid template_id is provided, the content parameter is required.")),
        (
            {"content": [{"type": "text/plain", "value": ""}]},
            ("content.0.value", "The content value must be a string at least one character in length."),
        ),
        (
            {"content": [{"type": "x", "value": "x"}]},
            ("content.0.type", "The content type must be a MIME type such as"),
        ),
        (
            {"content": [{"type": "text/html", "value": "x"}, {"type": "text/HTML", "value": "y"}]},
            ("content.1.type", "The content has text/html more than once; keep one."),
        ),
        (
            {"attachments": [{"content": "!", "filename": "x"}]},
            ("attachments.0.content", "The attachment content must be"),
        ),
        (
            {"attachments": [{"content": "eA=="}]},
            ("attachments.0.filename", "The filename of an attachment is required."),
        ),
        (
            {"attachments": [{"content": "eA==", "filename": "x", "disposition": "no"}]},
            ("attachments.0.disposition", "The disposition of an attachment must be attachment or inline."),
        ),
        (
            {"reply_to": ANN, "reply_to_list": [BOB]},
            ("reply_to", "Only one of reply_to and reply_to_list can be given."),
        ),
        ({"reply_to_list": [BOB, BOB]}, ("reply_to_list", "Each email address in the reply_to_list should be unique.")),
        ({"headers": {"X-A": "b\r\nBcc: x"}}, ("headers.X-A", "Holds a line end or NUL; a header field is one line.")),
        ({"headers": {"X A": "b"}}, ("headers.X A", "Is no header name: at most 76 printable characters")),
        ({"headers": {"X-A": 1}}, ("headers.X-A", "The value of a header must be a string, not a number.")),
        ({"headers": {"X-OV-Track": "x"}}, ("headers.X-OV-Track", "X-OV-Track must be yes or no")),
        ({"categories": [1]}, ("categories", "The categories parameter must be an array of strings")),
        ({"categories": ["x" * 129]}, ("categories", "The categories parameter holds a tag of 129 characters")),
        ({"categories": list("abcdefghijk")}, ("categories", "The categories parameter makes 11 tags; a message has")),
        ({"custom_args": {"k": 1}}, (None, "Bad Request")),
        ({"custom_args": {"k": "x" * 10_000}}, ("custom_args", "The custom_args parameter is limited to 10,000 bytes")),
        ({"personalizations": [{"to": [ANN], "substitutions": {"k": 1}}]}, (None, "Bad Request")),
        (
            {"personalizations": [{"to": [ANN], "substitutions": {"k": "x" * 10_000}}]},
            ("personalizations.0.substitutions", "The substitutions are limited to 10,000 bytes per personalization"),
        ),
        ({"send_at": "soon"}, ("send_at", "The send_at parameter must be an integer, not a text.")),
        ({"send_at": True}, ("send_at", "The send_at parameter must be an integer, not true or false.")),
        ({"template_id": "a b"}, ("template_id", "The template_id must be a template's name")),
        ({"asm": {}}, ("asm.group_id", "The asm group id is required where asm is given.")),
        (
            {"mail_settings": {n: {"enable": True} for n in ("bypass_list_management", "bypass_spam_management")}},
            ("mail_settings.bypass_list_management", "bypass_list_management cannot be combined with any other"),
        ),
        (
            {"mail_settings": {"sandbox_mode": {"enable": 1}}},
            ("mail_settings.sandbox_mode.enable", "The enable parameter must be true or false, not a number."),
        ),
    ],
)
def test_each_fault_is_told_with_its_field(changed: dict[str, Any], fault: tuple[str | None, str]) -> None:
    first = refused(call(**changed))[0]
    assert (first[0], first[1][: len(fault[1])]) == fault


@pytest.mark.parametrize(
    "changed",
    [
        {"personalizations": [{"to": [ANN], "substitutions": {"a": "x" * 9_900}}], "content": "a" * 300_000},
        {
            "personalizations": [
                {"to": [{"email": f"u{number}@x.example"}], "substitutions": {"b": "a" * 9_900}} for number in range(2)
            ],
            "sections": {"a": "x" * 9_900},
        },
        # Names that a text begins over and over again: looking for them all would take a minute.
        {
            "personalizations": [{"to": [ANN], "substitutions": {"-" * dashes + "x": "" for dashes in range(1, 130)}}],
            "content": "-" * 300_000,
        },
    ],
)
def test_substitutions_that_take_too_much_are_refused(changed: dict[str, Any]) -> None:
    content = [{"type": "text/plain", "value": changed.pop("content", "b")}]
    found = call(content=content, **changed)
    assert isinstance(found, Refusal)
    assert found.status == 413
    assert refused(found) == [
        (
            None,
            "The substitutions of this call take too much. Use fewer or shorter names, use them less often, or in several calls.",
        )
    ]


def test_names_that_begin_alike_in_many_large_messages_are_no_fault() -> None:
    html = "<p style='font-size: 1em'>" + "a line-height, a font-weight and -customer_field_7- -- " * 2_000
    people = [
        {
            "to": [{"email": f"u{number}@x.example"}],
            "cc": [{"email": f"c{number}@x.example"}],
            "substitutions": {f"-customer_field_{field}-": f"{number}" for field in range(60)},
        }
        for number in range(100)
    ]
    found = call(personalizations=people, content=[{"type": "text/html", "value": html}])

    assert isinstance(found, Mailing)
    assert len(found.parts) == 100


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_reserved_headers_are_refused(name: str) -> None:
    assert refused(call(headers={name.title(): "x"}))[0][0] == f"headers.{name.title()}"


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b"\xff", b"[" * 100_000, b'{"a":' * 100_000, b"1e999", b"null", b'{"a": "\xff"}']
)
def test_what_is_no_object_is_a_bad_request(body: bytes) -> None:
    assert refused(read_call(body, DOMAIN, largest=LARGEST)) == [(None, "Bad Request")]


def test_data_that_is_too_deep_is_refused() -> None:
    deep: Any = "x"
    for _ in range(100):
        deep = {"a": deep}
    [fault] = refused(call(personalizations=[{"to": [ANN], "dynamic_template_data": deep}], template_id="d-1"))
    assert fault[0] == "personalizations.0.dynamic_template_data"


def test_all_faults_are_told_at_once_and_within_bounds() -> None:
    found = refused(call(personalizations=[{"to": [{"email": "x"}]}] * 500, subject=1, content=1))
    assert len(found) == MOST_FAULTS + 1
    assert found[-1] == (None, "and 402 more")


def test_what_is_noted_of_a_call_has_bounds() -> None:
    strange: dict[str, Any] = {f"x{number}": 1 for number in range(5000)}
    assert len(only(call(**strange)).option_notes) == 1000
    found = call(personalizations=[{"to": [{"email": "x"}] * 1000}] * 100)
    assert len(refused(found)) == MOST_FAULTS + 1


def test_what_is_the_same_but_for_values_is_one_message() -> None:
    personalizations = [
        {
            "to": [one],
            "subject": subject,
            "substitutions": {"-name-": one["name"], "{{x}}": "%recipient_email%"},
            "custom_args": {"user": one["email"], "literal": "%recipient_name%"},
            "headers": {"X-User": one["email"]},
        }
        for one, subject in ((ANN, "To -name-"), (BOB, "For -name-"))
    ]
    made = only(
        call(
            personalizations=personalizations,
            content=[{"type": "text/plain", "value": "-name- {{x}} %recipient% %recipient.-name-%"}],
            custom_args={"shared": "yes"},
        )
    )
    assert made.options.on_missing is OnMissing.KEEP
    first, second = copy_for(made, ANN["email"]), copy_for(made, BOB["email"])
    assert [str(one["To"]) for one in (first, second)] == ["Ann <ann@x.example>", "Bob <bob@x.example>"]
    assert [one["Subject"] for one in (first, second)] == ["To Ann", "For Bob"]
    assert [one["X-User"] for one in (first, second)] == ["ann@x.example", "bob@x.example"]
    assert text(first) == "Ann %recipient_email% %recipient% %recipient.Ann%"
    assert made.options.variables["shared"] == "yes"
    own = made.options.recipient_variables
    assert own is not None
    assert own["ann@x.example"]["sg:arg:user"] == "ann@x.example"
    assert own["ann@x.example"]["sg:arg:literal"] == "%recipient_name%"


def test_urls_to_unsubscribe_at_are_filled_in() -> None:
    urls = [f"<https://x.example/?u={one['name']}&s=%recipient%>, <mailto:a@x.example>" for one in (ANN, BOB)]
    people = zip((ANN, BOB), urls, strict=True)
    made = only(call(personalizations=[{"to": [one], "headers": {"List-Unsubscribe": url}} for one, url in people]))
    copies = [copy_for(made, one["email"]) for one in (ANN, BOB)]
    assert [" ".join(str(one["List-Unsubscribe"]).split()) for one in copies] == urls


@pytest.mark.parametrize(
    "other",
    [
        {"to": [BOB], "cc": [EVE]},
        {"to": [BOB, EVE]},
        {"to": [BOB], "bcc": [EVE]},
        {"to": [BOB], "from": {"email": f"other@{DOMAIN}"}},
        {"to": [BOB], "send_at": 1_790_000_000},
        {"to": [BOB], "headers": {"List-Unsubscribe": "<https://x.example/>"}},
        {"to": [BOB], "headers": {"X-OV-Track": "no"}},
        {"to": [BOB], "custom_args": {"k": "v"}},
        {"to": [BOB], "substitutions": {"k": "v"}},
        {"to": [ANN]},
    ],
)
def test_what_differs_in_more_than_values_is_a_message_of_its_own(other: dict[str, Any]) -> None:
    found = call(personalizations=[{"to": [ANN]}, other, {"to": [EVE]}])
    made = parts(found)
    assert len(made) == 2
    assert isinstance(found, Mailing)
    assert [one.place for one in found.parts] == [0, 1]
    assert [one.forward_path for one in made[0].envelope.recipients] == ["ann@x.example", "eve@x.example"]
    assert made[1].options.recipient_variables is None


def test_each_message_of_a_call_has_a_key_of_its_own() -> None:
    made = parts(call(personalizations=[{"to": [ANN]}, {"to": [ANN]}], headers={"X-OV-Idempotency-Key": "k"}))
    assert [one.options.idempotency_key for one in made] == ["k", "k/1"]


_KEYS = st.sampled_from(["-a-", "-ab-", "%b%", "{{c}}", "[d d]", "%recipient.x%", 'e"\\', "é", "%"])
_TEXTS = st.lists(
    st.sampled_from([*"ab%-<>é\n.", "\r\n", "%recipient%", "-a-", "%b%", "{{c}}", " x" * 40]), max_size=12
).map("".join)


@settings(max_examples=150)
@given(st.dictionaries(_KEYS, st.tuples(_TEXTS, _TEXTS), max_size=4), st.lists(st.one_of(_KEYS, _TEXTS), max_size=8))
def test_one_of_many_gets_what_it_would_get_alone(given_: dict[str, tuple[str, str]], pieces: list[str]) -> None:
    content = [{"type": f"text/{kind}", "value": f"{''.join(pieces)}."} for kind in ("plain", "html")]
    subject = "S" + "".join("".join(pieces).split())
    personalizations = [
        {"to": [one], "substitutions": {key: values[number] for key, values in given_.items()}}
        for number, one in enumerate((ANN, BOB))
    ]
    together = only(call(personalizations=personalizations, content=content, subject=subject))
    for one, personalization in ((ANN, personalizations[0]), (BOB, personalizations[1])):
        alone = opened(only(call(personalizations=[personalization], content=content, subject=subject)).content)
        copy = copy_for(together, one["email"])
        assert [text(copy, kind) for kind in ("plain", "html")] == [text(alone, kind) for kind in ("plain", "html")]
        assert " ".join(str(copy["Subject"]).split()) == " ".join(str(alone["Subject"]).split())


def test_files_are_attached_or_shown() -> None:
    files = [
        {"content": base64.b64encode(b"1").decode(), "filename": "a.pdf"},
        {
            "content": base64.b64encode(b"2").decode(),
            "filename": "b.png",
            "disposition": "inline",
            "content_id": "<c-1>",
        },
        {"content": "Mw\n==\n", "filename": "", "type": "text/csv"},
    ]
    html = [{"type": "text/html", "value": "<img src=cid:c-1>"}]
    message = opened(only(call(attachments=files, content=html)).content)
    shown = next(one for one in message.walk() if one["Content-ID"])
    assert (shown["Content-ID"], shown.get_content_type(), shown.get_filename()) == ("<c-1>", "image/png", "b.png")
    attached = [one for one in message.walk() if one.get_content_disposition() == "attachment"]
    assert [(one.get_content_type(), one.get_payload(decode=True)) for one in attached] == [
        ("application/pdf", b"1"),
        ("text/csv", b"3"),
    ]


def test_other_types_of_content_are_alternatives() -> None:
    content = [
        {"type": "text/html", "value": "<p>x</p>"},
        {"type": "text/calendar; method=REQUEST; charset=utf-8", "value": "BEGIN:VCALENDAR\nEND:VCALENDAR"},
    ]
    message = opened(only(call(content=content)).content)
    assert [one.get_content_type() for one in message.iter_parts()] == ["text/html", "text/calendar"]
    assert list(message.iter_parts())[1].get_param("method") == "REQUEST"


def test_footers_and_links_to_unsubscribe_stand_where_they_are_wanted() -> None:
    content = [
        {"type": "text/plain", "value": "Hello."},
        {"type": "text/html", "value": "<body><p>Hello.</p></body>"},
    ]
    tracking = {"enable": True, "text": "Leave: <% %>", "html": "<p><% here %></p>"}
    made = only(
        call(
            content=content,
            mail_settings={"footer": {"enable": True, "text": "Bye", "html": "<p>Bye</p>"}},
            tracking_settings={"subscription_tracking": tracking},
        )
    )
    message = opened(made.content)
    assert text(message) == "Hello.\nBye\nLeave: %unsubscribe_url%"
    assert text(message, "html") == '<body><p>Hello.</p><p>Bye</p><p><a href="%unsubscribe_url%">here</a></p></body>'
    tagged = {"subscription_tracking": {"enable": True, "substitution_tag": "[leave]", "text": "no"}}
    made = only(call(content=[{"type": "text/plain", "value": "[leave]"}], tracking_settings=tagged))
    assert text(opened(made.content)) == "%unsubscribe_url%"


def test_mail_of_a_group_has_its_links_where_the_vendors_were() -> None:
    written = "<%asm_group_unsubscribe_raw_url%> <%asm_preferences_raw_url%> <%asm_global_unsubscribe_raw_url%> [leave]"
    tagged = {"subscription_tracking": {"enable": True, "substitution_tag": "[leave]"}}
    content = [{"type": "text/plain", "value": written}]
    group, everything = "%group_unsubscribe_url%", "%unsubscribe_url%"
    made = only(call(content=content, tracking_settings=tagged, asm={"group_id": 17}))
    assert text(opened(made.content)) == f"{group} {group} {everything} {group}"
    made = only(call(content=content, tracking_settings=tagged))
    assert text(opened(made.content)) == " ".join([everything] * 4)


@pytest.mark.parametrize("name", ["bypass_list_management", "bypass_unsubscribe_management"])
def test_all_messages_of_a_call_are_of_its_group(name: str) -> None:
    read = call(
        personalizations=[{"to": [ANN]}, {"to": [BOB, ANN]}],
        asm={"group_id": 17},
        mail_settings={name: {"enable": True}},
    )
    assert isinstance(read, Mailing)
    assert read.group_id == 17
    group = UnsubscribeGroup(id=17, account_id=1, domain_id=1, name="Weekly", created_at=0)
    groups = [one.call.options.group for one in read.within(group).parts]
    # What bypasses unsubscribing from all mail leaves groups alone, by the vendor's words.
    assert groups == [MailGroup(17, "Weekly", is_bypassed=name == "bypass_list_management")] * 2


def test_sections_stand_for_texts_within_substitutions() -> None:
    made = only(
        call(
            personalizations=[{"to": [ANN], "substitutions": {"-where-": ":home"}}],
            sections={":home": "at home"},
            content=[{"type": "text/plain", "value": "-where-, :home"}],
        )
    )
    assert text(opened(made.content)) == "at home, at home"


def test_a_template_gets_its_data_and_substitutions_by_their_bare_names() -> None:
    data = {"dynamic_template_data": {"items": [1]}}
    dynamic = only(call(("content", "subject"), personalizations=[{"to": [ANN], **data}], template_id="d-1"))
    assert dynamic.options.template_variables == {"items": [1]}
    legacy = [{"to": [one], "substitutions": {"-name-": one["name"]}} for one in (ANN, BOB)]
    made = only(call(personalizations=legacy, template_id="old"))
    assert made.options.recipient_variables is not None
    assert made.options.recipient_variables["bob@x.example"] == {"name": "Bob", "-name-": "Bob"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("{{name}}", "name"),
        ("{{{ a.b }}}", "a.b"),
        ("-name-", "name"),
        ("%name%", "name"),
        ("[%x%]", "x"),
        (":n", "n"),
        ("n", "n"),
    ],
)
def test_names_are_unwrapped(name: str, expected: str) -> None:
    assert bare(name) == expected


def test_many_copies_of_large_files_are_refused() -> None:
    file = {"content": base64.b64encode(bytes(3 * 1024 * 1024)).decode(), "filename": "x"}
    different = [{"to": [{"email": f"u{i}@x.example"}], "cc": [ANN]} for i in range(40)]
    found = call(personalizations=different, attachments=[file])
    assert isinstance(found, Refusal)
    assert found.status == 413


@settings(max_examples=200)
@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=8), st.just(ANN)),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.dictionaries(
                st.sampled_from(
                    ["personalizations", "to", "from", "email", "content", "type", "value", "headers", "substitutions",
                     "enable", "asm", "mail_settings", "tracking_settings", "footer", "attachments", "categories", "x"]
                ),
                inner,
                max_size=5,
            ),
        ),
        max_leaves=25,
    )
)  # fmt: skip
def test_whatever_is_sent_is_answered(document: Any) -> None:
    found = read_call(json.dumps(document).encode(), DOMAIN, largest=LARGEST)
    assert isinstance(found, Mailing | Refusal)
    merged = WHOLE | document if isinstance(document, dict) else WHOLE
    found = read_call(json.dumps(merged).encode(), DOMAIN, largest=LARGEST)
    if isinstance(found, Mailing):
        for one in parts(found):
            assert content_faults(one.content) is Fault.NONE
