"""The server machine over whole dialogues: order, replies, login, TLS, text and chunks."""

import base64

import pytest

from postroad.protocol.smtp.command import Mail, Rcpt
from postroad.protocol.smtp.data import Fault
from postroad.protocol.smtp.offer import AuthOffered, Closed, MailOffered, MessageOffered, RcptOffered
from postroad.protocol.smtp.order import State
from postroad.protocol.smtp.reply import Reply
from postroad.protocol.smtp.server import ServerMachine
from tests.unit.protocol.smtp.dialogue import Dialogue, every_split, logged_in, options

LOGIN = b"AUTH PLAIN AGEAYg==\r\n"

# What these programs send, by their ways: names, order and parameters.
OUTLOOK = (
    b"EHLO DESKTOP_4711\r\n"
    b"AUTH LOGIN\r\n" + base64.b64encode(b"app@news.example.com") + b"\r\n" + base64.b64encode(b"s3cret") + b"\r\n"
    b"MAIL FROM: <app@news.example.com>\r\n"
    b"RCPT TO: <ann@example.net>\r\n"
    b"RCPT TO: <bob@example.net>\r\n"
    b"DATA\r\n"
    b'From: "App" <app@news.example.com>\r\nSubject: Hi\r\n\r\n..\r\nregards\r\n'
    b".\r\nQUIT\r\n"
)
THUNDERBIRD = (
    b"EHLO [192.168.1.2]\r\nSTARTTLS\r\n",
    b"EHLO [192.168.1.2]\r\n"
    b"AUTH PLAIN " + base64.b64encode(b"\0app@news.example.com\0s3cret") + b"\r\n"
    b"MAIL FROM:<app@news.example.com> BODY=8BITMIME SIZE=391\r\n"
    b"RCPT TO:<ann@example.net>\r\n"
    b"DATA\r\n"
    b"Subject: Hi\r\n\r\ngr\xc3\xbc\xc3\x9fe\r\n.\r\nQUIT\r\n",
)
APPLE_MAIL = (
    b"EHLO smtpclient.apple\r\n"
    b"AUTH PLAIN\r\n" + base64.b64encode(b"app@news.example.com\0app@news.example.com\0s3cret") + b"\r\n"
    b"MAIL FROM:<app@news.example.com> BODY=8BITMIME\r\nRCPT TO:<ann@example.net>\r\nDATA\r\n"
    b"Subject: Hi\r\n\r\n\r\n.\r\nQUIT\r\n"
)
PHONE = (
    b"EHLO localhost\r\n"
    b"AUTH LOGIN " + base64.b64encode(b"app@news.example.com") + b"\r\n" + base64.b64encode(b"s3cret") + b"\r\n"
    b"RSET\r\nMAIL FROM:<app@news.example.com>\r\nRCPT TO:<ann@example.net>\r\nDATA\r\nSubject: Hi\r\n\r\n.\r\nQUIT\r\n"
)
DONE = ["250 2.1.0", "250 2.1.5", "354", "250 2.0.0", "221 2.0.0"]


@pytest.mark.parametrize(
    ("script", "statuses", "content"),
    [
        (
            OUTLOOK,
            ["220", "250", "334", "334", "235 2.7.0", "250 2.1.0", "250 2.1.5", *DONE[1:]],
            b'From: "App" <app@news.example.com>\r\nSubject: Hi\r\n\r\n.\r\nregards\r\n',
        ),
        (APPLE_MAIL, ["220", "250", "334", "235 2.7.0", *DONE], b"Subject: Hi\r\n\r\n\r\n"),
        (PHONE, ["220", "250", "334", "235 2.7.0", "250 2.0.0", *DONE], b"Subject: Hi\r\n\r\n"),
    ],
    ids=["outlook", "apple-mail", "phone"],
)
def test_a_clients_dialogue_goes_the_same_however_it_is_split(
    script: bytes, statuses: list[str], content: bytes
) -> None:
    for pieces in every_split(script):
        dialogue = Dialogue(ServerMachine(options())).play(pieces)

        assert dialogue.statuses == statuses
        mechanism = "PLAIN" if b"AUTH PLAIN" in script else "LOGIN"
        assert AuthOffered("app@news.example.com", "s3cret", mechanism) in dialogue.events
        assert [message.content for message in dialogue.messages] == [content]
        assert dialogue.events[-1] == Closed("the client said QUIT")


def test_thunderbirds_dialogue_goes_through_starttls() -> None:
    clear, encrypted = THUNDERBIRD
    for pieces in every_split(encrypted):
        dialogue = Dialogue(ServerMachine(options())).play([clear, *pieces])

        assert dialogue.statuses == ["220", "250", "220 2.0.0", "250", "235 2.7.0", *DONE]
        assert dialogue.machine.is_tls
        assert dialogue.messages[0].mail == Mail("app@news.example.com", size=391, is_eight_bit=True)
        assert dialogue.messages[0].content == "Subject: Hi\r\n\r\ngrüße\r\n".encode()


def test_what_comes_after_quit_is_not_read() -> None:
    dialogue = Dialogue(logged_in()).play([b"QUIT\r\nMAIL FROM:<a@b.example>\r\n", b"NOOP\r\n"])

    assert dialogue.statuses == ["221 2.0.0"]
    assert dialogue.machine.state is State.CLOSED


def test_the_ehlo_reply_offers_what_the_server_can_do() -> None:
    dialogue = Dialogue(ServerMachine(options())).play([b"EHLO client\r\n"])

    assert dialogue.said.decode().splitlines()[1:] == [
        "250-mx.test greets client",
        "250-PIPELINING",
        "250-8BITMIME",
        "250-SMTPUTF8",
        "250-ENHANCEDSTATUSCODES",
        "250-CHUNKING",
        "250-DSN",
        "250-STARTTLS",
        "250-SIZE 26214400",
        "250-AUTH LOGIN PLAIN",
        "250 LIMITS RCPTMAX=1000",
    ]


def test_starttls_is_not_offered_within_tls_and_auth_only_there_where_tls_is_required() -> None:
    dialogue = Dialogue(ServerMachine(options(requires_tls=True))).play([b"EHLO client\r\n"])
    assert b"AUTH" not in dialogue.said
    dialogue.said = b""
    dialogue.play([b"STARTTLS\r\n", b"EHLO client\r\n"])

    assert b"AUTH LOGIN PLAIN" in dialogue.said
    assert b"STARTTLS" not in dialogue.said


def test_helo_gets_one_line_and_may_send_where_no_login_is_needed() -> None:
    script = b"HELO printer\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n.\r\nQUIT\r\n"
    dialogue = Dialogue(ServerMachine(options(requires_auth=False))).play([script])

    assert dialogue.said.splitlines()[1] == b"250 mx.test greets printer"
    assert dialogue.statuses == ["220", "250", *DONE]
    assert not dialogue.machine.is_extended


@pytest.mark.parametrize(
    ("script", "status"),
    [
        (b"MAIL FROM:<a@b.example>\r\n", "503 5.5.1"),
        (b"AUTH PLAIN AGEAYg==\r\n", "503 5.5.1"),
        (b"EHLO c\r\nMAIL FROM:<a@b.example>\r\n", "530 5.7.0"),
        (b"EHLO c\r\nRCPT TO:<a@b.example>\r\n", "503 5.5.1"),
        (b"EHLO c\r\nAUTH GSSAPI\r\n", "504 5.5.4"),
        (b"EHLO c\r\nAUTH\r\n", "501 5.5.4"),
        (b"EHLO c\r\nAUTH LOGIN\r\n*\r\n", "501 5.7.0"),
        (b"EHLO c\r\nAUTH LOGIN\r\n%%%\r\n", "501 5.5.2"),
        (b"EHLO c\r\nAUTH PLAIN =\r\n", "501 5.5.2"),
        (b"EHLO c\r\nAUTH PLAIN AGEA/w==\r\n", "501 5.5.2"),
        (b"EHLO c\r\nAUTH PLAIN eABhAGI=\r\n", "535 5.7.8"),
        (b"EHLO c\r\nVRFY a@b.example\r\n", "252 2.1.5"),
        (b"EHLO c\r\nEXPN list\r\n", "502 5.5.1"),
        (b"EHLO c\r\nHELP\r\n", "214 2.0.0"),
        (b"EHLO c\r\nXYZZY\r\n", "500 5.5.1"),
        (b"EHLO c\r\nNOOP\n", "500 5.5.2"),
        (b"EHLO c\r\nNO\0OP\r\n", "500 5.5.1"),
        (b"EHLO c\r\nNOOP a\rb\r\n", "500 5.5.2"),
        (b"EHLO\r\n", "501 5.5.4"),
        (b"EHLO c\r\nSTARTTLS now\r\n", "501 5.5.4"),
        (b"EHLO c\r\nBDAT many\r\n", "421 4.7.0"),
    ],
)
def test_a_command_out_of_place_or_shape_is_answered(script: bytes, status: str) -> None:
    for pieces in every_split(script):
        assert Dialogue(ServerMachine(options())).play(pieces).statuses[-1] == status


@pytest.mark.parametrize(
    ("script", "status"),
    [
        (b"AUTH PLAIN AGEAYg==\r\n", "503 5.5.1"),
        (b"MAIL FROM:<>\r\n", "550 5.7.1"),
        (b"MAIL FROM:<a@b.example> SIZE=26214401\r\n", "552 5.3.4"),
        (b"MAIL FROM:<a@b.example> AUTH=<>\r\n", "250 2.1.0"),
        (b"MAIL FROM:<a@b.example> FOO=1\r\n", "555 5.5.4"),
        (b"MAIL FROM:<a@b.example>\r\nMAIL FROM:<a@b.example>\r\n", "503 5.5.1"),
        (b"MAIL FROM:<a@b.example>\r\nAUTH PLAIN AGEAYg==\r\n", "503 5.5.1"),
        (b"MAIL FROM:<a@b.example>\r\nSTARTTLS\r\n", "503 5.5.1"),
        (b"MAIL FROM:<a@b.example>\r\nDATA\r\n", "554 5.5.1"),
        (b"MAIL FROM:<a@b.example>\r\nRCPT TO:<x@y>\r\nRSET\r\nDATA\r\n", "503 5.5.1"),
        (b"MAIL FROM:<a@b.example>\r\nRCPT TO:<x@y>\r\nEHLO c\r\nDATA\r\n", "503 5.5.1"),
        (b"MAIL FROM:<a@b.example>\r\nRCPT TO:<>\r\n", "501 5.1.3"),
        (b"MAIL FROM:<a@b.example>\r\nRCPT TO:<\xc3\xa4@b.example>\r\n", "553 5.6.7"),
        (b"MAIL FROM:<a@b.example> SMTPUTF8\r\nRCPT TO:<\xc3\xa4@b.example>\r\n", "250 2.1.5"),
    ],
)
def test_a_command_after_login_is_answered(script: bytes, status: str) -> None:
    for pieces in every_split(script):
        assert Dialogue(logged_in()).play(pieces).statuses[-1] == status


def test_a_login_without_tls_where_that_is_required_gets_538() -> None:
    dialogue = Dialogue(ServerMachine(options(requires_tls=True)))
    dialogue.play([b"EHLO c\r\nAUTH PLAIN AGEAYg==\r\nMAIL FROM:<a@b.example>\r\n"])

    assert dialogue.statuses[-2:] == ["538 5.7.11", "530 5.7.0"]
    assert not any(isinstance(event, AuthOffered) for event in dialogue.events)


def test_starttls_forgets_the_login_and_drops_what_was_pipelined_in_the_clear() -> None:
    machine = logged_in()
    dialogue = Dialogue(machine).play([b"STARTTLS\r\nMAIL FROM:<evil@b.example>\r\n", b"EHLO c\r\n"])

    assert dialogue.statuses == ["220 2.0.0", "250"]
    assert not machine.is_authenticated
    assert not any(isinstance(event, MailOffered) for event in dialogue.events)


def test_a_decision_holds_back_what_is_pipelined_behind_it() -> None:
    machine = logged_in()
    machine.feed(b"MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\n")

    assert machine.next_event() == MailOffered(Mail("a@b.example"))
    assert machine.next_event() is None
    assert machine.wants_pause
    machine.accept()
    assert machine.next_event() == RcptOffered(Rcpt("c@d.example"))
    machine.accept()
    assert machine.data_to_send() == b"250 2.1.0 Sender ok\r\n250 2.1.5 Recipient ok\r\n"
    assert not machine.wants_pause


def test_a_decision_that_nobody_asked_for_is_an_error_of_the_driver() -> None:
    with pytest.raises(RuntimeError, match="no offer waits"):
        logged_in().accept()


def test_refused_mail_with_a_pipelined_message_leaves_the_session_usable() -> None:
    def verdict(offer: object) -> Reply | None:
        return Reply(550, "5.7.1", "not yours") if offer == MailOffered(Mail("x@y.example")) else None

    recipients = b"".join(b"RCPT TO:<r%d@d.example>\r\n" % number for number in range(30))
    dialogue = Dialogue(logged_in(), verdict)
    dialogue.play([b"MAIL FROM:<x@y.example>\r\n" + recipients + b"DATA\r\nRSET\r\nMAIL FROM:<a@b.example>\r\n"])

    assert dialogue.statuses == ["550 5.7.1", *["503 5.5.1"] * 31, "250 2.0.0", "250 2.1.0"]


def test_refused_recipients_leave_the_others() -> None:
    def verdict(offer: object) -> Reply | None:
        return Reply(550, "5.1.1", "no") if offer == RcptOffered(Rcpt("bad@d.example")) else None

    script = b"MAIL FROM:<a@b.example>\r\nRCPT TO:<bad@d.example>\r\nRCPT TO:<good@d.example>\r\nDATA\r\n.\r\n"
    (message,) = Dialogue(logged_in(), verdict).play([script]).messages

    assert message.recipients == (Rcpt("good@d.example"),)


def test_duplicate_recipients_collapse() -> None:
    script = b"MAIL FROM:<a@b.example>\r\n" + b"RCPT TO:<c@D.example>\r\nRCPT TO:<c@d.example>\r\n" + b"DATA\r\n.\r\n"
    dialogue = Dialogue(logged_in()).play([script])

    assert dialogue.messages[0].recipients == (Rcpt("c@d.example"),)
    assert dialogue.statuses == ["250 2.1.0", "250 2.1.5", "250 2.1.5", "354", "250 2.0.0"]


def test_a_message_over_the_limit_is_read_to_its_end_and_refused() -> None:
    dialogue = Dialogue(logged_in(max_message_size=100))
    begin = b"MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n"
    dialogue.play([begin, *[b"x" * 60 + b"\r\n"] * 5, b".\r\nNOOP\r\n"])

    assert dialogue.statuses[-2:] == ["552 5.3.4", "250 2.0.0"]
    assert dialogue.messages == []


def test_a_message_of_exactly_the_limit_is_taken_whatever_its_dots_cost() -> None:
    content = b"..\r\n" * 25
    script = b"MAIL FROM:<a@b.example> SIZE=100\r\nRCPT TO:<c@d.example>\r\nDATA\r\n" + b"...\r\n" * 25 + b".\r\n"
    for pieces in every_split(script):
        (message,) = Dialogue(logged_in(max_message_size=100)).play(pieces).messages
        assert message.content == content


def test_discarded_content_is_answered_with_the_reply_given() -> None:
    machine = logged_in()
    dialogue = Dialogue(machine).play([b"MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\nabc\r\n"])
    machine.discard_content(Reply(452, "4.3.1", "no room"))
    assert machine.content_octets == 0
    dialogue.play([b"def\r\n.\r\n"])

    assert dialogue.statuses[-1] == "452 4.3.1"
    assert dialogue.messages == []


BEGIN = b"MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\n"


@pytest.mark.parametrize(
    ("script", "statuses", "content"),
    [
        (b"BDAT 5\r\nabc\r\nBDAT 4 LAST\r\ndef\n", ["250 2.0.0", "250 2.0.0"], b"abc\r\ndef\n"),
        (b"BDAT 3\r\nabcBDAT 0 LAST\r\n", ["250 2.0.0", "250 2.0.0"], b"abc"),
        (b"BDAT 0 LAST\r\n", ["250 2.0.0"], b""),
        (b"BDAT 7 LAST\r\n.\r\n.\r\nx", ["250 2.0.0"], b".\r\n.\r\nx"),
        (b"BDAT 3\r\nabcRSET\r\n", ["250 2.0.0", "250 2.0.0"], None),
        (b"BDAT 3\r\nabcDATA\r\n", ["250 2.0.0", "503 5.5.1"], None),
        (b"BDAT 3\r\nabcRCPT TO:<e@f>\r\n", ["250 2.0.0", "503 5.5.1"], None),
        (b"BDAT 3\r\nabcMAIL FROM:<e@f>\r\n", ["250 2.0.0", "503 5.5.1"], None),
        (
            b"BDAT 60\r\n" + b"x" * 60 + b"BDAT 60\r\n" + b"x" * 60 + b"BDAT 6 LAST\r\nQUIT\r\nNOOP\r\n",
            ["250 2.0.0", "552 5.3.4", "503 5.5.1", "250 2.0.0"],
            None,
        ),
        (b"BDAT 111 LAST\r\n" + b"QUIT\r\n\r\n\r\n." * 10 + b"xNOOP\r\n", ["552 5.3.4", "250 2.0.0"], None),
    ],
)
def test_chunks_are_taken_as_octets(script: bytes, statuses: list[str], content: bytes | None) -> None:
    for pieces in every_split(script):
        dialogue = Dialogue(logged_in(max_message_size=100)).play([BEGIN, *pieces])

        assert dialogue.statuses[2:] == statuses
        assert [message.content for message in dialogue.messages] == ([] if content is None else [content])


@pytest.mark.parametrize(
    ("before", "statuses"),
    [
        (b"", ["503 5.5.1", "250 2.0.0"]),
        (b"MAIL FROM:<a@b.example>\r\n", ["250 2.1.0", "554 5.5.1", "250 2.0.0"]),
    ],
)
def test_the_octets_of_a_chunk_out_of_order_are_never_commands(before: bytes, statuses: list[str]) -> None:
    for pieces in every_split(before + b"BDAT 6\r\nQUIT\r\nNOOP\r\n"):
        assert Dialogue(logged_in()).play(pieces).statuses == statuses


def test_faults_come_with_the_message() -> None:
    (message,) = Dialogue(logged_in()).play([BEGIN + b"DATA\r\na\nb\r\n.\r\n"]).messages

    assert message.faults == Fault.BARE_LF


def test_octets_before_the_greeting_are_noted() -> None:
    machine = ServerMachine(options())
    machine.feed(b"EHLO hasty\r\n")
    dialogue = Dialogue(machine)
    dialogue.settle()

    assert machine.spoke_early
    assert dialogue.statuses == ["220", "250"]


def test_a_client_that_ends_its_side_gets_its_last_replies() -> None:
    machine = logged_in()
    machine.feed(b"NOOP\r\nNOO")
    machine.feed_eof()

    assert machine.next_event() == Closed("the client ended the connection")
    assert machine.data_to_send() == b"250 2.0.0 Ok\r\n"


def test_leaving_waits_for_the_message_under_way() -> None:
    machine = logged_in()
    dialogue = Dialogue(machine).play([BEGIN + b"DATA\r\nabc\r\n"])
    machine.leave()
    dialogue.settle()
    assert dialogue.statuses[-1] == "354"
    dialogue.play([b".\r\nMAIL FROM:<a@b.example>\r\n"])

    assert dialogue.statuses[-2:] == ["250 2.0.0", "421 4.3.2"]
    assert len(dialogue.messages) == 1


def test_octets_of_a_command_are_seen_before_it_is_obeyed_and_those_of_a_message_are_none() -> None:
    machine = logged_in()
    before = machine.has_command
    machine.feed(b"NOO")
    began = machine.has_command
    Dialogue(machine).play([b"P\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<b@c.example>\r\nDATA\r\n"])
    machine.feed(b"text")

    assert (before, began, machine.has_command) == (False, True, False)


def test_the_password_does_not_show_in_the_event() -> None:
    assert "s3cret" not in repr(AuthOffered("app", "s3cret"))


def test_a_mechanism_is_matched_whatever_its_case() -> None:
    dialogue = Dialogue(ServerMachine(options())).play([b"ehlo c\r\nauth plain AGEAYg==\r\n"])

    assert dialogue.statuses[-1] == "235 2.7.0"


def test_message_offers_carry_every_parameter() -> None:
    script = (
        b"MAIL FROM:<a@b.example> RET=HDRS ENVID=QQ+2B31 BODY=8BITMIME\r\n"
        b"RCPT TO:<c@d.example> NOTIFY=success,DELAY ORCPT=rfc822;c+2Btag@d.example\r\nDATA\r\n.\r\n"
    )
    (message,) = Dialogue(logged_in()).play([script]).messages

    assert message == MessageOffered(
        Mail("a@b.example", is_eight_bit=True, ret="HDRS", envid="QQ+31"),
        (Rcpt("c@d.example", ("SUCCESS", "DELAY"), "rfc822;c+tag@d.example"),),
        b"",
        Fault.NONE,
    )
