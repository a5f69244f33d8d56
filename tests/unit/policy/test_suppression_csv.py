"""Lists as CSV: other platforms' exports, spreadsheets, and our own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroad.model.suppression import Fault, Suppression, SuppressionKind, Way
from postroad.policy import suppression_csv
from postroad.policy.suppression_csv import HEADINGS, ListError, ListFacts, lines_in, read, written

NOW = 1_800_000_000_000
KIND = SuppressionKind
FACTS = ListFacts(account_id=1, domain_id=2, kind=KIND.BLOCK, now=NOW, by="ada")


def entries(text: str | bytes, kind: SuppressionKind = KIND.BLOCK) -> list[Suppression]:
    octets = text.encode() if isinstance(text, str) else text
    facts = ListFacts(account_id=1, domain_id=2, kind=kind, now=NOW, by="ada")
    return [one for _, one in read(octets, facts) if isinstance(one, Suppression)]


def faults(text: str) -> list[tuple[int, str]]:
    return [(one.line, one.text) for _, one in read(text.encode(), FACTS) if isinstance(one, Fault)]


def told(found: list[Suppression]) -> list[tuple[str, str, str]]:
    return [(one.address, one.kind.value, one.tag) for one in found]


def test_a_list_of_addresses_alone_needs_no_heading() -> None:
    found = entries("\ufeffAnn@R.example\r\n\r\n bob@r.example \r\n@s.example\r\n")
    assert told(found) == [("ann@r.example", "block", ""), ("bob@r.example", "block", ""), ("@s.example", "block", "")]
    assert {(one.way, one.created_by, one.created_at, one.domain_id) for one in found} == {(Way.IMPORT, "ada", NOW, 2)}


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        (
            'address,code,error,created_at\na@r.example,550,No such user,"Fri, 21 Oct 2011 11:02:55 GMT"\n',
            KIND.BOUNCE,
            ("a@r.example", "No such user", 1_319_194_975_000),
        ),
        (
            "address,tag,created_at\na@r.example,*,2026-11-21T14:00:00Z\n",
            KIND.UNSUBSCRIBE,
            ("a@r.example", "", 1_795_269_600_000),
        ),
        ("email;created\na@r.example;1319194975\n", KIND.COMPLAINT, ("a@r.example", "", 1_319_194_975_000)),
        ("Recipient\tDescription\na@r.example\tgone\n", KIND.BLOCK, ("a@r.example", "gone", NOW)),
    ],
)
def test_what_other_platforms_export_is_understood(
    text: str, kind: SuppressionKind, expected: tuple[str, str, int]
) -> None:
    (found,) = entries(text, kind)
    assert found.kind is kind
    assert (found.address, found.reason, found.created_at) == expected


def test_an_allow_list_has_a_column_for_addresses_and_one_for_domains() -> None:
    found = entries("address,domain\nann@r.example,\n,S.example\n", KIND.ALLOW)
    assert told(found) == [("ann@r.example", "allow", ""), ("@s.example", "allow", "")]


def test_an_address_without_its_at_sign_is_a_bad_line_and_no_destination() -> None:
    text = "address\nann\nr.example\n@s.example\n"

    assert told(entries(text)) == [("@s.example", "block", "")]
    assert [line for line, _ in faults(text)] == [2, 3]


def test_bad_lines_are_told_with_their_number_and_the_others_are_taken() -> None:
    text = (
        "address,kind,tag,created_at\n"
        "a@r.example\n"
        "no address\n"
        "b@r.example,spam\n"
        "c@r.example,bounce,spring\n"
        "d@r.example,unsubscribe,Spring\n"
        "e@r.example,block,,soon\n"
        "f@r.example,block,,2126-01-01\n"
        ",block\n"
        '"g@r.example\nrest",block\n'
    )
    assert told(entries(text)) == [("a@r.example", "block", ""), ("d@r.example", "unsubscribe", "spring")]
    assert [line for line, _ in faults(text)] == [3, 4, 5, 7, 8, 9, 10]
    sentences = dict(faults(text))
    assert sentences[4] == "'spam' is no kind: it is one of bounce, unsubscribe, complaint, block, allow."
    assert sentences[5] == "Only an unsubscribe can be about one tag."
    assert sentences[7] == "'soon' is no time: write 2026-11-21T14:00:00Z."


def test_a_tag_with_a_control_character_is_a_fault_of_its_line_alone() -> None:
    text = "address,kind,tag\na@r.example,unsubscribe,t\0g\nb@r.example,unsubscribe,spring\n"
    assert told(entries(text)) == [("b@r.example", "unsubscribe", "spring")]
    assert faults(text) == [(2, "A tag has no control characters.")]


def test_lines_read_are_counted_to_the_end() -> None:
    assert [number for number, _ in read(b"address\na@r.example\n\nb@r.example", FACTS)] == [1, 2, 3, 4]


@pytest.mark.parametrize("octets", [b"\xff\xfea\0", b"name,city\nAnn,Oslo\n"])
def test_what_is_no_list_is_refused(octets: bytes) -> None:
    with pytest.raises(ListError):
        list(read(octets, FACTS))


def test_large_files_are_refused_before_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suppression_csv, "MOST_OCTETS", 100)
    monkeypatch.setattr(suppression_csv, "MOST_LINES", 3)
    assert lines_in(b"a\nb\nc") == 3
    assert lines_in(b"") == 0
    with pytest.raises(ListError, match="at most 3 lines"):
        lines_in(b"a\nb\nc\nd")
    with pytest.raises(ListError, match="MB"):
        lines_in(b"x" * 101)


def test_a_line_without_end_is_a_fault_of_its_own() -> None:
    assert [line for line, _ in faults("address\n" + "x" * 500_000 + "\na@r.example\n")] == [2]


def test_nothing_that_we_write_is_a_formula() -> None:
    one = Suppression(
        account_id=1, domain_id=2, kind=KIND.BOUNCE, address="=1+1@r.example", reason='=cmd("x")', created_at=NOW
    )
    cells = written([one], is_first=True).splitlines()[1].split(",")
    assert cells[0] == "'=1+1@r.example"
    assert cells[4].startswith("\"'=cmd")


TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=40)


@given(
    st.lists(
        st.builds(
            lambda local, kind, tag, reason, at: Suppression(
                account_id=1,
                domain_id=2,
                kind=kind,
                address=f"{local}@r.example",
                tag=tag.strip().casefold() if kind is KIND.UNSUBSCRIBE and tag.strip() != "*" else "",
                way=Way.IMPORT,
                reason=reason.strip(),
                created_at=at * 1000,
                created_by="ada",
            ),
            st.text("abc019=+-_", min_size=1, max_size=10),
            st.sampled_from(KIND),
            TEXT.filter(lambda tag: tag.strip().casefold() == tag.strip().casefold().casefold()),
            TEXT,
            st.integers(1, NOW // 1000),
        ),
        max_size=5,
    )
)
def test_what_we_write_is_read_again_as_it_was(listed: list[Suppression]) -> None:
    text = written(listed, is_first=True)
    assert text.startswith(",".join(HEADINGS))
    again = entries(text)
    assert [(one.address, one.kind, one.created_at) for one in again] == [
        (one.address, one.kind, one.created_at) for one in listed
    ]


@given(st.binary(max_size=300))
def test_any_octets_are_a_list_or_refused(octets: bytes) -> None:
    try:
        found = list(read(octets, FACTS))
    except ListError:
        return
    assert all(one is None or isinstance(one, Suppression | Fault) for _, one in found)
