"""Character sets: what labels mean, what is read, and what is written under them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroad.protocol.mime.charset import UNKNOWN, charset_of, shown


@pytest.mark.parametrize(
    ("label", "codec", "octets", "text"),
    [
        ("ISO-8859-1", "iso8859-1", b"\x80 \x93\xfc\x94", "€ “ü”"),
        ("us-ascii", "ascii", b"\x80", "€"),
        ("us-ascii", "ascii", "ü".encode(), "ü"),
        ("iso-8859-9", "iso8859-9", b"\x80\xfd", "€ı"),
        ("iso-8859-11", "iso8859-11", b"\xca\x85", "ส…"),
        ("tis-620", "tis-620", b"\xca\x85", "ส…"),
        ("windows-874", "cp874", b"\xca\x85", "ส…"),
        ("iso-8859-8-i", "iso8859-8", b"\xf9", "ש"),
        ("iso-8859-8-e", "iso8859-8", b"\xf9", "ש"),
        ("gb2312", "gb2312", "朱镕基".encode("gbk"), "朱镕基"),
        ("x-gbk", "gbk", "朱镕基".encode("gbk"), "朱镕基"),
        ("windows-936", "gbk", "中".encode("gbk"), "中"),
        ("euc-kr", "euc_kr", "똠방".encode("cp949"), "똠방"),
        ("ks_c_5601-1987", "euc_kr", "똠방".encode("cp949"), "똠방"),
        ("ks_c_5601-1989", "euc_kr", "똠방".encode("cp949"), "똠방"),
        ("windows-949", "cp949", "똠방".encode("cp949"), "똠방"),
        ("Shift_JIS", "shift_jis", "㈱①髙～".encode("cp932"), "㈱①髙～"),
        ("x-sjis", "shift_jis", "㈱".encode("cp932"), "㈱"),
        ("windows-31j", "cp932", "㈱".encode("cp932"), "㈱"),
        ("ms932", "cp932", "㈱".encode("cp932"), "㈱"),
        ("big5", "big5", "着".encode("big5hkscs"), "着"),
        ("big5", "big5", b"\xa3\xe1\xa2\x42\xa4\x40 \xc6\x40\xf9\xd6", "€﹨一 讖碁"),
        ("iso-2022-kr", "iso2022_kr", b"a \x0eGQ\x0f", "a 한"),
        ("iso-2022-kr", "iso2022_kr", b"\x1b$)Ca \x0eGQ\x0f", "a 한"),
        ("big5", "big5", "碁銹".encode("cp950"), "碁銹"),
        ("euc-jp", "euc_jp", b"\xad\xea\xbb\xb3\x8e\xb1 \x8f\xb0\xa1", "㈱山ｱ 丂"),
        ("iso-2022-jp", "iso2022_jp", b"a \x1b$B-j;3\x1b(B \x1b(I1\x1b(B \x1b(J\\~\x1b(B", "a ㈱山 ｱ ¥‾"),
        ("iso-2022-jp", "iso2022_jp", b"\x1b$B-j\r\nplain", "㈱\r\nplain"),
        ("iso-2022-jp-2", "iso2022_jp_2", b"\x1b$A;3\x1b(B", "怀"),
        ("macintosh", "mac-roman", b"\x8e", "é"),
        ("x-cp1251", "cp1251", b"\xe0\x98", "а\x98"),
        ("ansi_x3.4-1968", "ascii", b"a", "a"),
        ("UTF-8 ", "utf-8", "ü".encode(), "ü"),
    ],
)
def test_a_text_is_read_as_the_larger_set(label: str, codec: str, octets: bytes, text: str) -> None:
    charset = charset_of(label)

    assert charset is not None
    assert charset.codec == codec
    assert charset.decode(octets) == text


def test_every_pair_of_jis_is_what_windows_has_in_the_same_place() -> None:
    charset = charset_of("euc-jp")
    assert charset is not None
    rows = [*range(0x81, 0xA0), *range(0xE0, 0xF0)]
    cells = [trail for trail in range(0x40, 0xFD) if trail != 0x7F]
    moved = [bytes((row, cell)) for row in rows for cell in cells]
    pairs = [bytes((first, second)) for first in range(0xA1, 0xFF) for second in range(0xA1, 0xFF)]
    for pair, place in zip(pairs, moved, strict=True):
        try:
            expected = place.decode("cp932")
        except UnicodeError:
            with pytest.raises(UnicodeError):
                charset.decode(pair)
        else:
            assert charset.decode(pair) == expected


@pytest.mark.parametrize(
    "label",
    ["", "x", "punycode", "unicode_escape", "raw-unicode-escape", "idna", "rot13", "base64", "mbcs", "zlib", "utf-8-sig",
     "undefined", "charmap", "hex"],
)  # fmt: skip
def test_codecs_that_are_no_character_sets_have_no_label(label: str) -> None:
    assert charset_of(label) is None


@pytest.mark.parametrize(
    ("label", "octets"),
    [
        ("utf-8", b"\xff"),
        ("utf-7", b"+2AA-"),
        ("euc-kr", b"\xff"),
        ("big5", b"\xff"),
        ("big5", b"\xc6\xa1"),
        ("big5", b"\xf9\xfe"),
        ("big5", b"\xa4"),
        ("big5", b"\xa4\n"),
        ("windows-1253", b"\xaa"),
        ("us-ascii", b"\x1b$B;3\x1b(B"),
        ("iso-2022-jp", b"\x1b$B\x7f\x7f\x1b(B"),
        ("iso-2022-jp", b"\x1b$B-j;\x1b(B"),
        ("iso-2022-jp", b"\x1b(I\x60\x1b(B"),
        ("iso-2022-jp", b"\xe4"),
        ("euc-jp", b"\xad"),
        ("euc-jp", b"\xad\xff"),
    ],
)
def test_octets_of_another_set_are_not_read(label: str, octets: bytes) -> None:
    charset = charset_of(label)

    assert charset is not None
    with pytest.raises(UnicodeError):
        charset.decode(octets)


@pytest.mark.parametrize(
    ("label", "text"),
    [
        ("iso-8859-1", "€"),
        ("iso-8859-1", "\x80"),
        ("us-ascii", "ü"),
        ("shift_jis", "①"),
        ("shift_jis", "〜"),
        ("shift_jis", "¥"),
        ("iso-2022-jp", "〜"),
        ("iso-2022-jp", "㈱"),
        ("gb2312", "镕"),
        ("gb2312", "・"),
        ("euc-kr", "똠"),
        ("big5", "•"),
        ("big5", "あ"),
    ],
)
def test_nothing_is_written_that_one_reader_takes_for_something_else(label: str, text: str) -> None:
    charset = charset_of(label)

    assert charset is not None
    with pytest.raises(UnicodeError):
        charset.encode(text)


LABELS = [
    ("us-ascii", "ascii"), ("iso-8859-1", "latin-1"), ("iso-8859-9", "iso8859-9"), ("iso-8859-11", "iso8859-11"),
    ("tis-620", "tis-620"), ("windows-874", "cp874"), ("iso-8859-8-i", "iso8859-8"), ("gb2312", "gb2312"),
    ("gbk", "gbk"), ("gb18030", "gb18030"), ("euc-kr", "euc_kr"), ("ks_c_5601-1987", "euc_kr"),
    ("windows-949", "cp949"), ("shift_jis", "shift_jis"), ("windows-31j", "cp932"), ("big5", "big5"),
    ("euc-jp", "euc_jp"), ("iso-2022-jp", "iso2022_jp"), ("utf-8", "utf-8"), ("windows-1252", "cp1252"),
]  # fmt: skip


@pytest.mark.parametrize(("label", "codec"), LABELS)
@given(text=st.text(st.sampled_from("aZ %\\~¥ü€ßığשสาÑ中镕山㈱①～〜・똠방한、。Аж丂"), max_size=12))
def test_what_is_written_means_the_same_to_a_strict_reader(label: str, codec: str, text: str) -> None:
    charset = charset_of(label)
    assert charset is not None
    try:
        octets = charset.encode(text)
    except UnicodeError:
        return

    assert octets.decode(codec) == text
    assert charset.decode(octets) == text


def test_an_unknown_set_is_read_as_utf8_and_written_in_ascii() -> None:
    assert UNKNOWN.decode("ü".encode()) == "ü"
    assert UNKNOWN.encode("a") == b"a"
    for octets in (b"\xe9", b"\x1b$)A\x0ea\x0f"):
        with pytest.raises(UnicodeError):
            UNKNOWN.decode(octets)


@pytest.mark.parametrize(
    ("octets", "label", "is_cut", "text"),
    [
        (b"\x80", "iso-8859-1", False, "€"),
        (b"\x1b$B-j\x1b(B", "iso-2022-jp", False, "㈱"),
        (b"a\xff", "utf-8", False, "a\N{REPLACEMENT CHARACTER}"),
        ("aü".encode()[:-1], "utf-8", True, "a"),
        ("a髙".encode("cp932")[:-1], "shift_jis", True, "a"),
        (b"\x1b\xff", "us-ascii", False, "\x1b\N{REPLACEMENT CHARACTER}"),
        ("ü".encode(), "unicode_escape", False, "ü"),
        (b"a+2AA-", "utf-7", False, "a?"),
        (b"\xe4", "nobody's", False, "\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_people_are_shown_what_can_be_read(octets: bytes, label: str, is_cut: bool, text: str) -> None:
    assert shown(octets, label, is_cut=is_cut) == text
