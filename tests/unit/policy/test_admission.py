"""Admission: what is refused, by which rule, and what the sentence says."""

import json
from pathlib import Path

import msgspec
import pytest

from postroad.model.channel import NOTICE_CHANNEL
from postroad.model.dedupe import Deduplicate
from postroad.model.domain import DomainSettings, DomainState
from postroad.model.envelope import Recipient
from postroad.model.options import Options, TlsDemand
from postroad.model.submission import Admitted, Rejected
from postroad.policy.admission import RULES, admit, check_reverse_path, domain_for, pause_refusal, reference_page
from postroad.protocol.mime.header import HeaderBlock, split
from postroad.protocol.smtp.data import Fault
from tests.unit.policy.submissions import CONTENT, NOW, admitted, facts, principal, rejected, submission


def changed(old: bytes, new: bytes) -> bytes:
    assert old in CONTENT
    return CONTENT.replace(old, new, 1)


REFUSED: list[tuple[str, bytes]] = [
    ("bare_cr", changed(b"Text", b"Te\rxt")),
    ("bare_lf", changed(b"Text", b"Te\nxt")),
    ("bare_lf", changed(b"Text", b"Text\n.\r\n")),
    ("nul_octet", changed(b"Text", b"Te\0xt")),
    ("line_too_long", changed(b"Text", b"x" * 999)),
    ("header_block_too_large", b"X: y\r\n z\r\n" * 30_000 + CONTENT),
    ("too_many_header_fields", b"X: y\r\n" * 1_001 + CONTENT),
    ("header_begins_folded", b" " + CONTENT),
    ("header_space_before_colon", changed(b"Subject:", b"Subject :")),
    ("header_line_without_colon", changed(b"Subject: Hello", b"Hello")),
    ("header_name_empty", changed(b"Subject:", b":")),
    ("header_name_invalid", changed(b"Subject:", b"Sub ject:")),
    ("header_not_ascii", changed(b"Hello", "Grüße".encode())),
    ("header_from_missing", changed(b"From:", b"X-From:")),
    ("header_from_missing", b"\r\nonly a body\r\n"),
    ("header_from_duplicate", b"From: ada@news.example.com\r\n" + CONTENT),
    ("header_from_malformed", changed(b"Ada <ada@news.example.com>", b"Ada")),
    ("header_from_malformed", changed(b"Ada <ada@news.example.com>", b"")),
    ("header_from_not_single", changed(b"Ada <ada@", b"a@news.example.com, Ada <ada@")),
    ("header_from_not_single", changed(b"Ada <ada@news.example.com>", b"Team: ada@news.example.com;")),
    ("header_from_not_single", changed(b"Ada <ada@news.example.com>", b"Team:;")),
    ("header_from_not_aligned", changed(b"ada@news.", b"ada@shop.")),
    ("header_from_not_aligned", changed(b"ada@news.", b"ada@a.news.")),
    ("header_from_not_aligned", changed(b"ada@news.example.com", b"ada@com")),
    ("header_from_not_aligned", changed(b"ada@news.example.com", b"ada@[192.0.2.1]")),
    ("header_to_duplicate", b"To: x@example.net\r\n" + CONTENT),
    ("header_cc_duplicate", b"Cc: x@example.net\r\nCC: y@example.net\r\n" + CONTENT),
    ("header_subject_duplicate", b"subject: x\r\n" + CONTENT),
]


@pytest.mark.parametrize(("rule", "content"), REFUSED, ids=[rule for rule, _ in REFUSED])
def test_content_is_refused_by_its_rule(rule: str, content: bytes) -> None:
    verdict = rejected(content)

    assert (verdict.rule, verdict.enhanced_status) == (rule, RULES[rule][0])
    assert verdict.text.endswith(".")
    assert verdict.text.isascii()


def test_every_rule_for_content_is_tried_here() -> None:
    """Those about the envelope and the domain have their own tests, and two cannot come past the scan."""
    elsewhere = {
        "reverse_path_null", "reverse_path_not_at_domain", "domain_not_active", "domain_paused", "message_too_large",
        "header_not_utf8",
        "too_many_received", "header_line_not_ended", "header_bare_cr_or_lf", "header_from_not_allowed",
        "call_malformed", "option_malformed", "template_unknown", "template_failed", "idempotency_key_reused", "call_key_reused",
    }  # fmt: skip

    assert {rule for rule, _ in REFUSED} == set(RULES) - elsewhere


def test_a_good_message_is_admitted_with_its_facts() -> None:
    verdict = admitted(changed(b"Hello", b"=?utf-8?q?Gr=C3=BC=C3=9Fe?="))

    assert verdict.header_from == "ada@news.example.com"
    assert verdict.subject == "Grüße"
    assert verdict.message_id_header == "<one@news.example.com>"


def test_from_may_be_at_the_organisational_domain() -> None:
    assert admitted(changed(b"ada@news.example.com", b"ada@Example.COM")).header_from == "ada@example.com"


def test_the_sentence_names_the_domains_that_may_be_used() -> None:
    assert rejected(changed(b"ada@news.", b"ada@shop.")).text == (
        "The From header is at shop.example.com; it must be at news.example.com or a parent of it, down to example.com."
    )


@pytest.mark.parametrize(
    ("allowed", "is_admitted"),
    [
        ((), True),
        (("ada@news.example.com",), True),
        (("bob@news.example.com", "@news.example.com"), True),
        (("bob@news.example.com",), False),
        (("@example.com",), False),
        (("ada@news.example.com.",), False),
    ],
)
def test_from_is_held_to_what_the_credential_may_use(allowed: tuple[str, ...], is_admitted: bool) -> None:
    held = msgspec.structs.replace(principal(), allowed_from=allowed)
    content = changed(b"ada@news.example.com", b"Ada@News.Example.com")

    verdict = admit(msgspec.structs.replace(submission(content), principal=held), facts())

    assert isinstance(verdict, Admitted) == is_admitted
    if isinstance(verdict, Rejected):
        assert (verdict.rule, verdict.enhanced_status) == ("header_from_not_allowed", "5.7.1")


@pytest.mark.parametrize("written", ["j\xf6s\xe9", "jo\u0308se\u0301", "JO\u0308SE\u0301"])
def test_from_is_the_same_however_its_letters_are_composed(written: str) -> None:
    held = msgspec.structs.replace(principal(), allowed_from=("j\xf6s\xe9@news.example.com",))
    content = changed(b"ada@news.example.com", f"{written}@news.example.com".encode())

    verdict = admit(msgspec.structs.replace(submission(content, is_utf8=True), principal=held), facts())

    assert isinstance(verdict, Admitted)


def test_a_refused_from_is_told_what_it_may_be_and_no_endless_list() -> None:
    allowed = tuple(f"a{number}@news.example.com" for number in range(9))
    held = msgspec.structs.replace(principal(), allowed_from=allowed)

    verdict = admit(msgspec.structs.replace(submission(), principal=held), facts())

    assert isinstance(verdict, Rejected)
    assert verdict.text == (
        "The From header has ada@news.example.com; the SMTP user app@news.example.com may use a0@news.example.com "
        "or a1@news.example.com or a2@news.example.com, or 6 others."
    )


def test_a_long_subject_is_cut_for_people_and_whole_in_the_message() -> None:
    verdict = admitted(changed(b"Hello", b"x" * 300))

    assert verdict.subject == "x" * 255
    assert b"Subject: " + b"x" * 300 in verdict.content


def test_variables_that_a_tab_folds_within_a_text_leave_as_json() -> None:
    content = b'X-OV-Variables: {"a": "%recipient.x%\\u00e5\r\n\tb", "n": 1}\r\n' + CONTENT
    options = Options(variables={"a": "%recipient.x%å b", "n": 1})
    verdict = admit(msgspec.structs.replace(submission(content), options=options), facts())
    assert isinstance(verdict, Admitted)
    assert b'\r\nX-OV-Variables: {"a": "%recipient.x%\\u00e5 b", "n": 1}\r\n' in b"\r\n" + verdict.content
    assert "replaced X-OV-Variables" in verdict.edits


def test_variables_for_an_address_that_gets_no_copy_are_in_the_story() -> None:
    options = Options(recipient_variables={"bob@example.net": {}, "eve@example.net": {}})
    verdict = admit(msgspec.structs.replace(submission(), options=options), facts())
    assert isinstance(verdict, Admitted)
    assert "variables for eve@example.net, who is no recipient" in verdict.edits


def test_a_remark_that_holds_what_a_client_wrote_is_short_and_steers_no_terminal() -> None:
    notes = (f"ignored {'x' * 200_000}", "ignored \x1b[31mX\nfoo")
    verdict = admit(msgspec.structs.replace(submission(), option_notes=notes), facts())
    assert isinstance(verdict, Admitted)
    long = next(one for one in verdict.edits if one.startswith("ignored x"))
    assert len(long) == 201
    assert "ignored \ufffd[31mX\ufffdfoo" in verdict.edits


def test_the_story_of_a_thousand_edits_stays_short() -> None:
    options = b"".join(b"X-OV-%d: x\r\n" % number for number in range(900))
    verdict = admitted(options + CONTENT)

    assert len(verdict.edits) == 41
    assert verdict.edits[-1] == "and 863 more edits"
    assert b"X-OV" not in verdict.content


def test_the_same_edit_is_told_once() -> None:
    assert admitted(b"Bcc: x@y.example\r\n" * 5 + CONTENT).edits.count("removed Bcc") == 1


def test_utf8_in_the_header_is_for_smtputf8() -> None:
    content = changed(b"Hello", "Grüße".encode())

    assert admitted(content, is_utf8=True).subject == "Grüße"
    assert rejected(changed(b"Hello", b"\xff"), is_utf8=True).rule == "header_not_utf8"


OPTIONS_IN_UTF8 = 'X-OV-Tag: Grüße\r\nX-SMTPAPI: {"category": "ä"}\r\nX-Mailgun-Colour: é\r\n'.encode()


@pytest.mark.parametrize("is_utf8", [True, False])
def test_options_in_utf8_are_admitted_and_ask_nothing_of_the_next_host(is_utf8: bool) -> None:
    verdict = admitted(OPTIONS_IN_UTF8 + CONTENT, is_utf8=is_utf8)

    assert verdict.content.isascii()
    assert not verdict.is_utf8
    assert "8-bit content without BODY=8BITMIME" not in verdict.edits


def test_options_are_utf8_or_refused() -> None:
    assert rejected(b"X-OV-Tag: \xff\r\n" + CONTENT).rule == "header_not_utf8"


def test_variables_in_utf8_leave_in_ascii_with_the_same_values() -> None:
    variables = {"name": "Åse \U0001f600", "n": 1.5, "deep": {"ключ": [True, None]}, "a": "=?utf-8?q?x?="}
    content = b"X-OV-Variables: " + json.dumps(variables, ensure_ascii=False).encode() + b"\r\n" + CONTENT
    offered = msgspec.structs.replace(submission(content), options=Options(variables=variables))

    verdict = admit(offered, facts())

    assert isinstance(verdict, Admitted)
    assert verdict.content.isascii()
    assert "replaced X-OV-Variables" in verdict.edits
    block = split(verdict.content)
    assert isinstance(block, HeaderBlock)
    [field] = block.named(b"x-ov-variables")
    assert json.loads(block.text(field)) == variables


@pytest.mark.parametrize(
    ("content", "envelope"),
    [
        (changed(b"Hello", "Grüße".encode()), {}),
        (CONTENT, {"reverse_path": "bäck@news.example.com"}),
        (
            changed(b"\r\n\r\nText\r\n", "\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
                    "--b\r\nContent-Description: Grüße\r\n\r\nText\r\n--b--\r\n".encode()),
            {},
        ),
        (
            changed(b"\r\n\r\nText\r\n",
                    "\r\nContent-Type: message/global\r\n\r\nSubject: Grüße\r\n\r\nText\r\n".encode()),
            {},
        ),
    ],
    ids=["header", "reverse path", "part", "message within"],
)  # fmt: skip
def test_what_stays_in_utf8_needs_smtputf8(content: bytes, envelope: dict[str, str]) -> None:
    assert admitted(OPTIONS_IN_UTF8 + content, is_utf8=True, **envelope).is_utf8


def test_a_recipient_in_utf8_needs_smtputf8() -> None:
    for recipient in (
        Recipient("jürgen@example.net", "example.net"),
        Recipient("j@example.net", "example.net", original_recipient="utf-8;jürgen@example.net"),
    ):
        offered = submission(CONTENT, is_utf8=True)
        envelope = msgspec.structs.replace(offered.envelope, recipients=(*offered.envelope.recipients, recipient))
        verdict = admit(msgspec.structs.replace(offered, envelope=envelope), facts())
        assert isinstance(verdict, Admitted)
        assert verdict.is_utf8


def test_a_text_in_utf8_needs_no_smtputf8() -> None:
    assert not admitted(changed(b"Text", "Täxt".encode()), is_utf8=True, is_eight_bit=True).is_utf8


def test_eight_bit_text_that_was_not_declared_is_noted() -> None:
    content = changed(b"Text", "Täxt".encode())

    assert admitted(content).edits[0] == "8-bit content without BODY=8BITMIME"
    assert "8-bit content without BODY=8BITMIME" not in admitted(content, is_eight_bit=True).edits


def test_a_last_line_without_end_gets_one() -> None:
    verdict = admitted(CONTENT.removesuffix(b"\r\n"))

    assert verdict.content.endswith(b"\r\n\r\nText\r\n")
    assert verdict.edits[0] == "added the last line end"


def test_a_message_that_is_all_header_is_admitted() -> None:
    content = CONTENT.partition(b"\r\n\r\n")[0]

    assert admitted(content).content.endswith(b"X-Postroad-ID: " + admitted(content).content[-31:])


def test_long_lines_are_mended_where_the_domain_allows() -> None:
    content = changed(b"Text", b"long " * 300)
    verdict = admit(submission(content), facts(repair_long_lines=True))

    assert isinstance(verdict, Admitted)
    assert verdict.edits[0] == "re-encoded a part with lines over 998 octets"
    assert b"Content-Transfer-Encoding: quoted-printable" in verdict.content
    assert b"MIME-Version: 1.0\r\n" in verdict.content


def test_a_long_header_line_is_refused_even_then() -> None:
    verdict = admit(submission(changed(b"Hello", b"x" * 999)), facts(repair_long_lines=True))

    assert isinstance(verdict, Rejected)
    assert verdict.rule == "line_too_long"
    assert verdict.text == ("The header Subject has a line of more than 998 octets; fold it at a space, or shorten it.")


@pytest.mark.parametrize("repairs", [True, False])
@pytest.mark.parametrize("name", ["X-OV-Variables", "X-SMTPAPI"])
def test_a_long_line_of_json_is_told_where_to_fold(name: str, repairs: bool) -> None:
    field = f"Bcc: b@example.net\r\n{name}: {json.dumps({'a': 'x' * 999})}\r\n".encode()
    verdict = admit(submission(field + CONTENT), facts(repair_long_lines=repairs))

    assert isinstance(verdict, Rejected)
    assert verdict.text == (
        f"The header {name} has a line of more than 998 octets; fold it at a space (in JSON, between two values): "
        "end the line there and begin the next one with that space."
    )


def test_a_long_line_of_a_signed_part_is_told_to_be_encoded() -> None:
    content = changed(b"\r\n\r\nText\r\n", b"\r\nContent-Type: multipart/signed; boundary=b\r\n\r\n"
                      b"--b\r\n\r\n" + b"x" * 999 + b"\r\n--b--\r\n")  # fmt: skip
    verdict = admit(submission(content), facts(repair_long_lines=True))

    assert isinstance(verdict, Rejected)
    assert "cannot be re-encoded, so encode the part" in verdict.text


def test_faults_that_are_known_are_not_looked_for_again() -> None:
    known = msgspec.structs.replace(facts(), faults=Fault.NUL)

    assert admit(submission(), known).rule == "nul_octet"  # type: ignore[union-attr]


def test_a_fault_is_found_however_far_back_it_stands() -> None:
    assert rejected(CONTENT + b"a line\r\n" * 80_000 + b"bare\n").rule == "bare_lf"


def test_a_message_over_the_limit_is_refused() -> None:
    at_limit = msgspec.structs.replace(facts(), max_size=len(CONTENT))
    below = msgspec.structs.replace(facts(), max_size=len(CONTENT) - 1)

    assert isinstance(admit(submission(), at_limit), Admitted)
    assert admit(submission(), below).enhanced_status == "5.3.4"  # type: ignore[union-attr]


@pytest.mark.parametrize("state", [state for state in DomainState if state is not DomainState.ACTIVE])
def test_only_an_active_domain_may_send(state: DomainState) -> None:
    verdict = admit(submission(), facts(state))

    assert isinstance(verdict, Rejected)
    assert (verdict.rule, verdict.enhanced_status) == ("domain_not_active", "5.7.1")


def test_a_paused_domain_is_put_off() -> None:
    paused = msgspec.structs.replace(facts().domain, paused_at=NOW)
    verdict = pause_refusal(paused)

    assert verdict is not None
    assert (verdict.rule, verdict.enhanced_status) == ("domain_paused", "4.7.1")
    assert verdict.text.startswith("The sending domain news.example.com is paused since 2026-11-18 11:06 UTC")
    assert pause_refusal(facts().domain) is None


def test_what_the_installation_writes_is_not_kept_tracked_counted_or_put_off() -> None:
    settings = DomainSettings(
        test_mode=True,
        tracks_clicks=True,
        tracks_text_clicks=True,
        tracks_opens=True,
        offers_unsubscribe=True,
        require_tls=TlsDemand.ENCRYPT,
        deduplicate=Deduplicate.CONTENT,
        keep_content_days=7,
        hourly_quota=1,
        daily_quota=1,
    )
    domain = msgspec.structs.replace(facts().domain, settings=settings, paused_at=NOW)

    held = domain_for(domain, NOTICE_CHANNEL)

    assert domain_for(domain, "smtp") is domain
    assert held.paused_at is None
    assert held.settings == DomainSettings(require_tls=TlsDemand.ENCRYPT, is_transactional=True, deduplicate_minutes=0)


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        ("", "reverse_path_null"),
        ("back@example.com", "reverse_path_not_at_domain"),
        ("back@a.news.example.com", "reverse_path_not_at_domain"),
        ("back@othernews.example.com", "reverse_path_not_at_domain"),
    ],
)
def test_the_reverse_path_is_at_exactly_the_sending_domain(path: str, rule: str) -> None:
    verdict = check_reverse_path(principal(), path)

    assert verdict is not None
    assert (verdict.rule, verdict.enhanced_status) == (rule, "5.7.1")
    assert rejected(CONTENT, reverse_path=path) == verdict
    assert "news.example.com" in verdict.text


def test_a_reverse_path_at_the_sending_domain_is_taken() -> None:
    assert check_reverse_path(principal(), "anything+here@news.example.com") is None


def test_the_reference_page_is_current() -> None:
    assert (Path(__file__).parents[3] / "docs/reference/refusals.md").read_text("utf-8") == reference_page()
