"""Texts in other character sets than UTF-8: a value changes nothing but its placeholder, and destroys nothing."""

import base64
import email
import email.header
import email.policy
import quopri
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroad.protocol.mime.charset import Charset
from postroad.protocol.mime.encoded_word import decode
from postroad.rendering.merge import plan
from postroad.rendering.merge_values import Filling
from postroad.rendering.placeholder import Addressee

# A label, the codec of what programs write under it, and a text of which not all is in the set that it names.
WRITTEN = [
    ("us-ascii", "ascii", "plain"),
    ("iso-8859-1", "cp1252", "Only 5 € – “new” für"),
    ("windows-1252", "cp1252", "€ “q”"),
    ("iso-8859-9", "cp1254", "“ığ” €"),
    ("iso-8859-11", "cp874", "สวัสดี…"),
    ("tis-620", "cp874", "สวัสดี…"),
    ("windows-874", "cp874", "สวัสดี"),
    ("iso-8859-8-i", "iso8859-8", "שלום"),
    ("iso-8859-8-e", "iso8859-8", "שלום"),
    ("gb2312", "gbk", "朱镕基"),
    ("gbk", "gb18030", "朱镕基㐀"),
    ("x-gbk", "gbk", "中国"),
    ("windows-936", "gbk", "中国"),
    ("gb18030", "gb18030", "中国㐀"),
    ("euc-kr", "cp949", "똠방각하"),
    ("ks_c_5601-1987", "cp949", "안녕하세요 똠"),
    ("ks_c_5601-1989", "cp949", "똠"),
    ("windows-949", "cp949", "똠"),
    ("shift_jis", "cp932", "㈱①髙～表"),
    ("x-sjis", "cp932", "日本㈱"),
    ("windows-31j", "cp932", "日本"),
    ("ms932", "cp932", "㈱"),
    ("big5", "cp950", "碁銹許功蓋"),
    ("big5", "big5hkscs", "冚着"),
    ("euc-jp", "euc_jp", "山田"),
    ("iso-2022-jp", "iso2022_jp", "山田"),
    ("koi8-r", "koi8-r", "привет"),
    ("utf-8", "utf-8", "Grüße 山"),
    ("utf-7", "utf-7", "Grüße"),
    ("hz-gb-2312", "hz", "中国"),
    ("iso-2022-kr", "iso2022_kr", "한국"),
]
COMPANY = b"\x1b$B-j;3ED\x1b(B"
"""A text in ISO-2022-JP as Windows writes it, which Python does not read."""
KEPT = "=?ks_c_5601-1987?b?/////w==?="
"""An encoded word that is not of its character set."""


def fill(content: bytes, value: str, name: str = "a") -> bytes:
    addressee = Addressee(address="ada@dest.test", variables={name: value})
    return plan(content).filled(Filling(addressee=addressee)).content


def letter(charset: str, encoding: str, octets: bytes, subtype: str = "plain") -> bytes:
    header = f"MIME-Version: 1.0\r\nContent-Type: text/{subtype}; charset={charset}\r\n"
    return f"From: a@news.test\r\n{header}Content-Transfer-Encoding: {encoding}\r\n\r\n".encode() + octets


def subject(value: str) -> bytes:
    return f"Subject: {value}\r\nFrom: a@news.test\r\n\r\nx\r\n".encode()


def read(content: bytes) -> EmailMessage:
    found = email.message_from_bytes(content, policy=email.policy.default)
    assert isinstance(found, EmailMessage)
    return found


def octets_of(content: bytes) -> bytes:
    octets = read(content).get_payload(decode=True)
    assert isinstance(octets, bytes)
    return octets


def raw_subject(content: bytes) -> str:
    return content.partition(b"Subject: ")[2].partition(b"\r\nFrom:")[0].replace(b"\r\n", b"").decode()


def encoded(charset: str, octets: bytes) -> str:
    return f"=?{charset}?b?{base64.b64encode(octets).decode()}?="


# -- bodies ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["8bit", "quoted-printable", "base64"])
@pytest.mark.parametrize(("charset", "codec", "text"), WRITTEN)
def test_a_value_that_fits_changes_no_other_octet_of_a_body(charset: str, codec: str, text: str, encoding: str) -> None:
    before, after = f"{text} ".encode(codec), f" {text}\r\n{text}\r\n".encode(codec)
    octets = before + b"%recipient.a%" + after
    travelling = {
        "8bit": octets,
        "base64": base64.encodebytes(octets).replace(b"\n", b"\r\n"),
        "quoted-printable": quopri.encodestring(octets.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n"),
    }[encoding]

    found = fill(letter(charset, encoding, travelling), "Ann")

    assert found.startswith(letter(charset, encoding, b""))
    assert octets_of(found).replace(b"\r\n", b"\n") == (before + b"Ann" + after).replace(b"\r\n", b"\n")


@pytest.mark.parametrize("encoding", ["8bit", "quoted-printable", "base64"])
@pytest.mark.parametrize(("charset", "codec"), [("iso-2022-jp", "iso2022_jp"), ("euc-jp", "euc_jp"), ("big5", "big5")])
def test_what_stays_of_a_body_is_read_once_for_all_recipients(
    charset: str, codec: str, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    octets = (
        ("山田" * 30 + "\r\n").encode(codec) * 40 + b"%recipient.a%, %recipient.a%\r\n" + "山".encode(codec) + b"\r\n"
    )
    travelling = {
        "8bit": octets,
        "base64": base64.encodebytes(octets).replace(b"\n", b"\r\n"),
        "quoted-printable": quopri.encodestring(octets.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n"),
    }[encoding]
    content = letter(charset, encoding, travelling)
    decoded: list[int] = []
    decode_octets = Charset.decode

    def counted(charset: Charset, octets: bytes) -> str:
        decoded.append(len(octets))
        return decode_octets(charset, octets)

    monkeypatch.setattr(Charset, "decode", counted)
    merge = plan(content)
    spent: list[int] = []

    for value in ("한국", "Ω≈ç", "한국"):
        decoded.clear()
        found = merge.filled(Filling(addressee=Addressee(address="ada@dest.test", variables={"a": value}))).content
        spent.append(sum(decoded))
        assert found == fill(content, value)
        assert octets_of(found).decode() == octets.replace(b"%recipient.a%", b"@").decode(codec).replace("@", value)

    assert spent[0] >= len(octets) - 100
    assert max(spent[1:]) < 100


def test_a_missing_value_is_told_where_another_keeps_the_body_from_being_filled() -> None:
    content = letter("iso-8859-8", "8bit", b"\xff %recipient.a% %recipient.b%\r\n")
    found = plan(content).filled(Filling(addressee=Addressee(address="ada@dest.test", variables={"a": "한국"})))
    assert found.content == content
    assert found.missing == {"recipient.b"}


@pytest.mark.parametrize("encoding", ["8bit", "base64"])
@pytest.mark.parametrize(
    ("charset", "codec", "text"), [one for one in WRITTEN if one[1] not in {"utf-8", "utf-7", "gb18030"}]
)
def test_a_body_that_cannot_hold_a_value_becomes_utf8_with_all_its_characters(
    charset: str, codec: str, text: str, encoding: str
) -> None:
    octets = f"{text} %recipient.a%\r\n".encode(codec)
    travelling = base64.encodebytes(octets) if encoding == "base64" else octets

    found = fill(letter(charset, encoding, travelling.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")), "Žižek 山 ﷽")

    assert read(found).get_content_charset() == "utf-8"
    assert octets_of(found).decode().rstrip() == f"{text} Žižek 山 ﷽"


AS_WINDOWS = {"euc_jp": ("〜", "～"), "iso2022_jp": ("〜", "～")}
"""What browsers read of JIS X 0208, and not as Python does."""
LETTERS = st.sampled_from("aZ %é€“ığשสาÑ中镕山表㈱①～〜똠방Аж丂碁\r\n")


@pytest.mark.parametrize(("charset", "codec", "text"), WRITTEN)
@given(parts=st.lists(st.text(LETTERS, max_size=8), min_size=2, max_size=4), value=st.text(LETTERS, max_size=6))
def test_nothing_but_the_placeholder_changes_whatever_the_value(
    charset: str, codec: str, text: str, parts: list[str], value: str
) -> None:
    parts = [text, *parts]
    try:
        octets = [part.replace("\r", "").replace("\n", "\r\n").encode(codec) for part in parts]
    except UnicodeEncodeError:
        return
    if charset == "big5" and not {"①", "А", "ж"}.isdisjoint("".join(parts)):
        # Programs differ over where they are.
        return
    value = " ".join(value.split())
    content = letter(charset, "8bit", b"%recipient.a%".join(octets) + b"\r\n")

    found = fill(content, value)

    if found.startswith(letter(charset, "8bit", b"")):
        body = octets_of(found)
        try:
            expected = value.encode(codec).join(octets) + b"\r\n"
        except UnicodeEncodeError:
            pytest.fail(f"{value!r} is no text of {codec}")
        assert body.decode(codec) == expected.decode(codec)
    else:
        assert read(found).get_content_charset() == "utf-8"
        expected_text = value.join(octet.decode(codec).replace(*AS_WINDOWS.get(codec, ("", ""))) for octet in octets)
        assert octets_of(found).decode().rstrip() == expected_text.rstrip()


def test_japanese_of_windows_is_kept_in_the_shifts_it_came_in() -> None:
    octets = COMPANY + b" %recipient.a% \x1b$@;3\x1b(B%recipient." + b"\x1b$B;3\x1b(B% " + COMPANY + b"\r\n"

    found = fill(letter("iso-2022-jp", "7bit", octets), "Yamada")

    expected = octets.replace(b"%recipient.a%", b"Yamada").replace(b"%recipient.\x1b$B;3\x1b(B%", b"")
    assert found == letter("iso-2022-jp", "7bit", expected)
    assert fill(letter("iso-2022-jp", "7bit", b"%recipient.\x1b$B;3\x1b(B%\r\n"), "Ann", "山").endswith(b"\r\nAnn\r\n")
    recoded = fill(letter("iso-2022-jp", "7bit", COMPANY + b" %recipient.a%\r\n"), "Žižek")
    assert octets_of(recoded).decode() == "㈱山田 Žižek\r\n"


def test_korean_says_once_what_it_shifts_to() -> None:
    octets = b"\x1b$)C\r\n\x0eGQ\x0f %recipient.a% \x0eGQ\x0f\r\n"
    content = letter("iso-2022-kr", "7bit", octets)

    assert fill(content, "Ann") == content.replace(b"%recipient.a%", b"Ann")
    assert octets_of(fill(content, "국")).decode("iso-2022-kr") == "\r\n한 국 한\r\n"
    assert octets_of(fill(content, "Žižek")).decode() == "\r\n한 Žižek 한\r\n"


def test_what_is_shifted_is_no_placeholder() -> None:
    octets = b"\x1b$B%recipient.a%!\x1b(B %recipient.a%\r\n%recipient.\x1b$B\x7f\x7f\x1b(B%\r\n"

    found = fill(letter("iso-2022-jp", "7bit", octets), "Ann")

    assert found == letter("iso-2022-jp", "7bit", octets.replace(b" %recipient.a%", b" Ann"))


def test_japanese_in_jis_roman_is_filled() -> None:
    octets = b"\x1b$B;3\x1b(J %recipient.a%\r\n"
    assert octets_of(fill(letter("iso-2022-jp", "7bit", octets), "Ann")).decode("iso-2022-jp") == "山 Ann\r\n"


@pytest.mark.parametrize(
    ("charset", "octets"),
    [
        ("euc-kr", b"\xff\xff"),
        ("gb2312", b"\xff"),
        ("iso-2022-jp", b"\x1b$B\x7f\x7f\x1b(B"),
        ("us-ascii", b"\x1b$B;3\x1b(B"),
        ("iso-2022-cn", b"\x1b$)A\x0eVP\x0f"),
    ],
)
def test_a_body_that_cannot_be_read_is_never_called_utf8(charset: str, octets: bytes) -> None:
    content = letter(charset, "8bit", octets + b" %recipient.a%\r\n%recipient.a%\r\n")

    assert fill(content, "Ann") == content.replace(b"%recipient.a%", b"Ann")
    assert fill(content, "Žižek 山 ﷽") == content
    long = fill(content, "x" * 1000)
    assert read(long).get_content_charset() == charset
    assert octets_of(long) == (octets + b" %recipient.a%\r\n%recipient.a%\r\n").replace(b"%recipient.a%", b"x" * 1000)


def test_octets_that_are_no_utf8_stay_where_a_line_becomes_too_long() -> None:
    content = letter("utf-8", "8bit", b"\xff %recipient.a%\r\n")
    assert octets_of(fill(content, "ü" * 1000)) == b"\xff " + ("ü" * 1000).encode() + b"\r\n"


@pytest.mark.parametrize(
    "charset", ["punycode", "unicode_escape", "raw_unicode_escape", "idna", "rot13", "base64", "x"]
)
def test_a_name_of_no_character_set_is_not_believed(charset: str) -> None:
    content = letter(charset, "8bit", b"a\\u00e9-%recipient.a%\r\n")

    assert fill(content, "Ann") == content.replace(b"%recipient.a%", b"Ann")
    assert octets_of(fill(content, "Žižek")).decode() == "a\\u00e9-Žižek\r\n"
    content = letter(charset, "8bit", b"\xe9 %recipient.a%\r\n")
    assert fill(content, "Ann") == content.replace(b"%recipient.a%", b"Ann")
    assert fill(content, "Žižek") == content


# -- header fields -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("charset", "codec", "text"), WRITTEN)
def test_a_subject_keeps_all_its_characters(charset: str, codec: str, text: str) -> None:
    inside = encoded(charset, f"{text} %recipient.a% {text}".encode(codec))
    beside = f"{encoded(charset, text.encode(codec))} %recipient.a%"

    for value in ("Ann", "Žižek"):
        assert read(fill(subject(inside), value))["Subject"] == f"{text} {value} {text}"
        assert read(fill(subject(beside), value))["Subject"] == f"{text} {value}"


def test_japanese_of_windows_is_read_in_a_subject() -> None:
    found = fill(subject(f"{encoded('iso-2022-jp', COMPANY)} %recipient.a%"), "Ann")
    assert read(found)["Subject"] == "㈱山田 Ann"
    assert decode(encoded("ISO-2022-JP", COMPANY).encode()) == "㈱山田"


@pytest.mark.parametrize(
    ("written", "value", "expected"),
    [
        (f"{KEPT} %recipient.a%", "Ann", f"{KEPT} Ann"),
        (f"%recipient.a% {KEPT}", "Ann", f"Ann {KEPT}"),
        (f"a %recipient.a% {KEPT} b", "Ann", f"a Ann {KEPT} b"),
        (f"%recipient.a%{KEPT}", "Ann", f"{encoded('utf-8', b'Ann')} {KEPT}"),
        (f"{KEPT} %recipient.a%", "ü", f"{KEPT} {encoded('utf-8', ' ü'.encode())}"),
        (f"{KEPT} %recipient.a%", "", KEPT),
        (f"%recipient.a% {KEPT}", "", KEPT),
        (f"{KEPT} %recipient.a% {KEPT}", "", f"{KEPT} {encoded('utf-8', b'  ')} {KEPT}"),
        (f"{KEPT} =?utf-8?q?_%recipient.a%?=", "Ann", f"{KEPT} Ann"),
        (f"{KEPT} =?utf-8?q?%recipient.a%?=", "Ann", f"{KEPT} {encoded('utf-8', b'Ann')}"),
        (f"{KEPT}  {KEPT} %recipient.a%", "Ann", f"{KEPT} {KEPT} Ann"),
        (f"{KEPT}\r\n =?x-none?q?a?= %recipient.a%", "Ann", f"{KEPT} =?x-none?q?a?= Ann"),
        (f"{KEPT}  two %recipient.a%", "a\nb", f"{KEPT}  two a b"),
        ("=?utf-8?b?a?= %recipient.a%", "Ann", "=?utf-8?b?a?= Ann"),
        ("=?utf-8?q?=ff?= %recipient.a%", "Ann", "=?utf-8?q?=ff?= Ann"),
        ("=?x-none?q?%recipient.a%?=", "Ann", "=?x-none?q?%recipient.a%?="),
        (f"{KEPT} =?gb2312?b?{base64.b64encode('镕'.encode('gbk')).decode()}?= %recipient.a%", "é",
         f"{KEPT} {encoded('utf-8', '镕 é'.encode())}"),
    ],
)  # fmt: skip
def test_an_encoded_word_that_cannot_be_read_stays_as_it_came(written: str, value: str, expected: str) -> None:
    assert raw_subject(fill(subject(written), value)) == expected


@given(
    texts=st.lists(
        st.text(st.sampled_from("ab ü="), max_size=6).filter(lambda text: "=?" not in text), min_size=2, max_size=4
    ),
    value=st.text(st.sampled_from("x ü\n?="), max_size=4),
)
def test_words_that_cannot_be_read_are_parted_as_before(texts: list[str], value: str) -> None:
    """What a reader sees is the same but for the value, wherever blanks stand."""
    written = KEPT.join(f"=?utf-8?q?{quopri.encodestring(text.encode(), header=True).decode()}?= " for text in texts)
    content = subject(f"=?utf-8?q?%recipient.a%?= {written}")

    found = raw_subject(fill(content, value))

    assert found.count(KEPT) == len(texts) - 1
    shown = decode(KEPT.encode())
    expected = " ".join(f"{value}{shown.join(texts)}|".splitlines())[:-1]
    assert decode(found.encode()).strip() == expected.strip()


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (f"{KEPT} <b@x.test>, %recipient%", f"{KEPT} <b@x.test>, ada@dest.test"),
        (f"{KEPT} %recipient.a% <b@x.test>", f'{KEPT} "Ann" <b@x.test>'),
        (f"%recipient.a% {KEPT} <b@x.test>", f'"Ann" {KEPT} <b@x.test>'),
        (f"%recipient.a% {KEPT} =?utf-8?q?=C3=BC?= <b@x.test>", f'"Ann" {KEPT} {encoded("utf-8", "ü".encode())} <b@x.test>'),
        (f'"{KEPT}" <b@x.test>, %recipient%', f"{encoded('utf-8', KEPT.encode())} <b@x.test>, ada@dest.test"),
        (f"{KEPT}: %recipient%;", f"{KEPT}: ada@dest.test;"),
        ("=?x?q?%recipient.a%?= <b@x.test>, %recipient%", "=?x?q?%recipient.a%?= <b@x.test>, ada@dest.test"),
        ("=?utf-8?q?zq9zq?= <b@x.test>, %recipient%", "=?utf-8?q?zq9zq?= <b@x.test>, %recipient%"),
        (f"{encoded('ks_c_5601-1987', '똠'.encode('cp949'))} <b@x.test>, %recipient%",
         f"{encoded('utf-8', '똠'.encode())} <b@x.test>, ada@dest.test"),
    ],
)  # fmt: skip
def test_a_display_name_that_cannot_be_read_stays_as_it_came(written: str, expected: str) -> None:
    found = fill(f"To: {written}\r\nFrom: a@news.test\r\n\r\nx\r\n".encode(), "Ann")
    assert found.partition(b"\r\nFrom:")[0].replace(b"\r\n", b"").decode() == f"To: {expected}"


def test_a_display_name_that_cannot_be_read_is_no_value() -> None:
    content = f"To: {KEPT} <ada@dest.test>\r\nFrom: a@news.test\r\n\r\nx\r\n".encode()
    assert plan(content).display_names == {}


def test_variables_that_cannot_be_read_stay_as_they_came() -> None:
    content = f'X-OV-Variables: {{"a": "%recipient.a%", "b": "{KEPT}"}}\r\nFrom: a@news.test\r\n\r\nx\r\n'.encode()
    assert fill(content, "Ann") == content
