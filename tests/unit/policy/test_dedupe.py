"""What makes two submissions the same message."""

import time

import msgspec
import pytest

from postroad.model.dedupe import Deduplicate, Repeatable
from postroad.model.domain import DomainSettings
from postroad.model.options import NO_OPTIONS, Options
from postroad.model.submission import Admitted
from postroad.policy.dedupe import comparable_body, repeatable

NOW = 1_800_000_000_000
CONTENT = DomainSettings(deduplicate=Deduplicate.CONTENT)
MULTIPART = (
    'Content-Type: multipart/mixed; boundary="{0}"\r\nMessage-ID: <{0}@x>\r\n\r\n--{0}\r\n\r\nHello\r\n--{0}--\r\n'
)


def admitted(options: Options = NO_OPTIONS, **facts: object) -> Admitted:
    usual = Admitted(
        content=b"Subject: Hi\r\n\r\nHello\r\n",
        header_from="app@news.example.com",
        subject="Hi",
        message_id_header="<1@news.example.com>",
        has_own_message_id=True,
        options=options,
    )
    return msgspec.structs.replace(usual, **facts)


def noticed(
    message: Admitted,
    settings: DomainSettings = DomainSettings(),  # noqa: B008 - a value
    *,
    domain_id: int = 1,
    sender: str = "app@news.example.com",
    recipient: str = "a@r.example",
) -> Repeatable | None:
    return repeatable(
        message,
        settings,
        asked=message.options,
        domain_id=domain_id,
        reverse_path=sender,
        recipients=[recipient],
        now=NOW,
    )


def test_a_message_id_is_a_key_only_when_the_client_wrote_it() -> None:
    assert noticed(admitted()) is not None
    assert noticed(admitted(has_own_message_id=False)) is None


def test_by_content_what_leaves_decides_however_its_subject_is_shown() -> None:
    assert noticed(admitted(subject="As it was written"), CONTENT) == noticed(admitted(), CONTENT)


def test_keys_differ_by_domain_recipient_and_name_and_not_by_the_spelling_of_a_recipient() -> None:
    first = noticed(admitted())
    assert noticed(admitted(), recipient="A@R.example") == first
    assert noticed(admitted(), recipient='"a"@r.example') == first
    assert noticed(admitted(), domain_id=2) != first
    assert noticed(admitted(), recipient="b@r.example") != first
    assert noticed(admitted(message_id_header="<2@news.example.com>")) != first


def test_the_window_is_the_domains() -> None:
    found = noticed(admitted(), DomainSettings(deduplicate_minutes=5))
    assert found is not None
    assert found.expires_at == NOW + 5 * 60_000


@pytest.mark.parametrize(
    ("message", "settings"),
    [
        (admitted(), DomainSettings(deduplicate_minutes=0)),
        (admitted(Options(idempotency_key="k")), DomainSettings(deduplicate_minutes=0)),
        (admitted(), DomainSettings(deduplicate=Deduplicate.OFF)),
        (admitted(Options(is_test=True)), DomainSettings()),
        (admitted(Options(is_test=True, idempotency_key="k")), DomainSettings()),
    ],
)
def test_what_is_off_and_what_is_a_test_has_no_key(message: Admitted, settings: DomainSettings) -> None:
    assert noticed(message, settings) is None


def test_an_explicit_key_stands_above_the_rest_and_binds_the_content() -> None:
    keyed = Options(idempotency_key="k")
    for settings in (DomainSettings(), CONTENT, DomainSettings(deduplicate=Deduplicate.OFF)):
        first = noticed(admitted(keyed), settings)
        assert first is not None
        assert noticed(admitted(keyed, message_id_header="<2@x>"), settings) == first
        other = noticed(admitted(keyed, content=b"Subject: Ho\r\n\r\nHello\r\n"), settings)
        assert other is not None
        assert other.keys == first.keys
        assert other.content != first.content


def test_by_content_a_new_message_id_and_new_boundaries_change_nothing() -> None:
    one = admitted(content=MULTIPART.format("=_one").encode(), message_id_header="<one@x>")
    two = admitted(content=MULTIPART.format("=_two").encode(), message_id_header="<two@x>", has_own_message_id=False)
    assert noticed(one, CONTENT) == noticed(two, CONTENT)


@pytest.mark.parametrize(
    ("first", "second"), [('"_one b;x"', '"_two b;x"'), ("_one", '"_two"'), (' "_one"', "_two"), ('"=_one"', '"=_two"')]
)
def test_by_content_boundaries_do_not_count_however_they_are_written(first: str, second: str) -> None:
    def copy(boundary: str) -> Admitted:
        name = boundary.strip(' "')
        head = f"Content-Type: multipart/mixed; boundary={boundary}\r\n\r\n"
        return admitted(content=f"{head}--{name}\r\n\r\nHello\r\n--{name}--\r\n".encode())

    assert noticed(copy(first), CONTENT) == noticed(copy(second), CONTENT)


def test_a_default_of_the_domain_that_was_changed_meanwhile_makes_no_other_message() -> None:
    asked = Options(idempotency_key="k")
    before, after = admitted(asked), admitted(msgspec.structs.replace(asked, tracks_opens=True))

    def keyed(message: Admitted, asked: Options) -> Repeatable | None:
        return repeatable(
            message,
            DomainSettings(),
            asked=asked,
            domain_id=1,
            reverse_path="a@b.example",
            recipients=["c@d.example"],
            now=NOW,
        )

    assert keyed(after, asked) == keyed(before, asked)
    assert keyed(after, msgspec.structs.replace(asked, tracks_opens=True)) != keyed(before, asked)


@pytest.mark.parametrize(
    "other",
    [
        admitted(content=b"Subject: Hi\r\n\r\nHullo\r\n"),
        admitted(content=b"Subject: Hi\r\nContent-Type: text/html\r\n\r\nHello\r\n"),
        admitted(content=b"Subject: Hi\r\nContent-Transfer-Encoding: base64\r\n\r\nHello\r\n"),
        admitted(content=b"Subject: Ho\r\n\r\nHello\r\n"),
        admitted(header_from="other@news.example.com"),
        admitted(Options(tags=("t",))),
        admitted(Options(recipient_variables={"a@r.example": {"x": 1}})),
    ],
)
def test_by_content_what_differs_is_another_message(other: Admitted) -> None:
    assert noticed(other, CONTENT) != noticed(admitted(), CONTENT)
    assert noticed(admitted(), CONTENT, sender="other@news.example.com") != noticed(admitted(), CONTENT)


def test_delimiters_are_passed_over_at_the_beginning_of_lines_only() -> None:
    content = MULTIPART.format("one").encode().replace(b"Hello", b"a --one\r\n--other\r\n-- \r\n%")
    body = b"--\r\n\r\na --one\r\n--other\r\n-- \r\n%\r\n----\r\n"

    assert comparable_body(content) == body


def test_content_that_names_ten_thousands_of_boundaries_is_compared_in_one_pass() -> None:
    content = b"From: a@b\r\n\r\n" + b"".join(b'boundary="%08x"\r\n--%08x\r\n' % (n, n) for n in range(50_000))
    began_at = time.process_time()

    assert comparable_body(content) == b"boundary=\r\n--\r\n" * 50_000
    # Once for each boundary it took minutes.
    assert time.process_time() - began_at < 5
