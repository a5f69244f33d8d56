"""Character sets: what texts under a label are, and what may be written under it.

Programs write more than a label says: GBK as GB2312, Windows-1252 as ISO-8859-1. Readers know (Encoding Standard §4.2), so
texts are read as the larger set. What is written is of both, and so means the same to those who believe the label.
"""

import codecs
import contextlib
import functools
import re
from encodings.aliases import aliases

import msgspec

# Python knows codecs of other kinds by name, too, some of them costly.
_SETS = re.compile(
    r"ascii|latin_1|utf_(?:7|8|(?:16|32)(?:_[bl]e)?)|iso8859_\d+|iso2022_\w+|cp\d+|koi8_\w|mac_\w+|hz|johab|kz1048"
    r"|(?:big5|euc|gb|shift_jis)\w*|hp_roman8|ptcp154|tis_620"
)
_PUNCTUATION = re.compile(r"[^a-z0-9]+")
_WITHOUT_ALIAS = ("cp1006", "cp720", "cp737", "cp856", "cp874", "koi8_r", "koi8_t", "koi8_u", "mac_arabic",
                  "mac_croatian", "mac_farsi", "mac_romanian", "iso8859_1")  # fmt: skip
_MORE_LABELS = {
    "cn_gb": "gb2312", "cp_850": "cp850", "dos_866": "cp866", "dos_874": "cp874", "gb_2312_80": "gb2312",
    "iso_8859_6_e": "iso8859_6", "iso_8859_6_i": "iso8859_6", "iso_8859_8_e": "iso8859_8", "iso_8859_8_i": "iso8859_8",
    "koi8_ru": "koi8_u", "ks_c_5601_1989": "euc_kr", "ksc_5601": "euc_kr", "unicode_1_1_utf_8": "utf_8",
    "windows_31j": "cp932", "windows_874": "cp874", "windows_936": "gbk", "windows_949": "cp949", "x_big5": "big5",
    "x_euc_jp": "euc_jp", "x_gbk": "gbk", "x_mac_cyrillic": "mac_cyrillic", "x_mac_roman": "mac_roman",
    "x_sjis": "shift_jis", "x_x_big5": "big5", **{f"x_cp{number}": f"cp{number}" for number in range(1250, 1259)},
}  # fmt: skip
"""Names in use that Python does not know."""
_SUPERSETS = {
    "big5": "cp950", "euc_kr": "cp949", "gb2312": "gb18030", "gbk": "gb18030", "iso8859-1": "cp1252", "iso8859-11": "cp874",
    "iso8859-9": "cp1254", "shift_jis": "cp932", "tis-620": "cp874",
}  # fmt: skip
"""What a character set is read as, by the names of codecs."""
_WINDOWS = re.compile(r"cp125\d|cp874")
_CONTROLS = {0xDC00 + code: code for code in range(0x80, 0xA0)}
"""Octets that these sets leave undefined are control characters (Encoding Standard §9)."""
_BIG5 = re.compile(
    rb"[\x00-\x80]+|(?:[\xa1-\xa3].)+|[\xc6-\xc8\xf9].|(?:[\x81-\xa0\xa4-\xc5\xc9-\xf8\xfa-\xfe].)+|.", re.DOTALL
)
_BIG5_SIGNS = b"\xa1\xa2\xa3"
_BIG5_UNCLEAR = b"\xc6\xc7\xc8\xf9"
_UNMARKED = {
    "utf-16": ((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE), "utf-16-le"),
    "utf-32": ((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE), "utf-32-le"),
}
"""The marks that wide sets begin with, and what they are without."""
_SHIFTS = re.compile(rb"[\x0e\x0f\x1b]")
_JIS_STATE = re.compile(rb"(\x1b\([BIJ]|\x1b\$[@B]|\r?\n)")
_JIS_ROMAN = {0x5C: "\N{YEN SIGN}", 0x7E: "\N{OVERLINE}"}
_EUC_WIDE = re.compile(rb"((?:[\xa1-\xfe]{2})+|(?:\x8e[\xa1-\xdf])+|(?:\x8f[\xa1-\xfe]{2})+)")
_KANJI = re.compile(rb"(?:[\x21-\x7e]{2})*")
_KATAKANA = re.compile(rb"[\x21-\x5f]*")


class Charset(msgspec.Struct, frozen=True):
    """A character set by the name of its codec."""

    codec: str
    is_known: bool = True

    def decode(self, octets: bytes) -> str:
        """Return the text that octets are; raises UnicodeError where they are not of this set."""
        match self.codec:
            case "ascii":
                return _without_shifts(octets, ("utf-8", "cp1252") if self.is_known else ("utf-8",))
            case "big5" | "cp950":
                return "".join(_big5_piece(found[0]) for found in _BIG5.finditer(octets))
            case "iso2022_kr":
                # RFC 1557: this stands once, in front of all.
                return (b"\x1b$)C" + octets).decode(self.codec)
            case "euc_jp":
                return _from_euc(octets)
            case codec if codec.startswith("iso2022_jp"):
                try:
                    return _from_jis(octets)
                except UnicodeError:
                    return octets.decode(codec)
        return _decoded(octets, read_as(self.codec))

    def encode(self, text: str) -> bytes:
        """Return octets that mean a text to everybody; raises UnicodeError where there are none."""
        octets = text.encode(self.codec)
        if self.decode(octets) != text:
            raise UnicodeError(f"{self.codec} is read as another character set")
        return octets


UTF8 = Charset("utf-8")
LATIN = Charset("iso8859-1")
UNKNOWN = Charset("ascii", is_known=False)
"""Of a label that nobody registered: what is UTF-8 all the same is taken as that, and ASCII alone is written."""


def charset_of(label: str) -> Charset | None:
    """Return the character set of a label, which may be a stranger's; None where it is none, or not known here."""
    name = _LABELS.get(_normal(label))
    return None if name is None else _charset(name)


def read_as(codec: str) -> str:
    """Return the codec by which browsers read a text that is said to be of a codec's character set."""
    return _SUPERSETS.get(codec, codec)


def shown(octets: bytes, label: str, *, is_cut: bool = False) -> str:
    """Return a text for people: what cannot be read is U+FFFD, and half a character at a cut is left out."""
    charset = charset_of(label) or UTF8
    try:
        return charset.decode(octets)
    except UnicodeError:
        codec = "utf-8" if charset.codec == "ascii" else read_as(_ordered(charset.codec, octets))
        text = _replaced(octets, codec, is_cut=is_cut)
        # UTF-7 has words for half a character.
        return text.encode("utf-8", "replace").decode()


def _ordered(codec: str, octets: bytes) -> str:
    """Return a wide codec in the order that is meant where no mark says it (Encoding Standard §4.2): Python wants one."""
    marks, order = _UNMARKED.get(codec, ((b"",), ""))
    return codec if octets.startswith(marks) else order


def _replaced(octets: bytes, codec: str, *, is_cut: bool) -> str:
    if is_cut:
        # Of shifts that lead nowhere Python's decoder keeps more than it has room for.
        with contextlib.suppress(UnicodeError):
            return codecs.getincrementaldecoder(codec)("replace").decode(octets)
    return octets.decode(codec, "replace")


def _normal(label: str) -> str:
    return _PUNCTUATION.sub("_", label.lower()).strip("_")


_LABELS = {
    _normal(label): name
    for label, name in (
        *((name, name) for name in (*aliases.values(), *_WITHOUT_ALIAS)),
        *aliases.items(),
        *_MORE_LABELS.items(),
    )
    if _SETS.fullmatch(name)
}


@functools.cache
def _charset(name: str) -> Charset:
    return Charset(codecs.lookup(name).name)


def _decoded(octets: bytes, codec: str) -> str:
    if _WINDOWS.fullmatch(codec):
        text = octets.decode(codec, "surrogateescape").translate(_CONTROLS)
    else:
        text = octets.decode(codec)
    # UTF-7 has words for half a character, and other octets are left from above.
    text.encode("utf-8")
    return text


def _without_shifts(octets: bytes, names: tuple[str, ...]) -> str:
    """Return a text in the first codec that has its octets; with shifts they are of a set that nobody named."""
    if _SHIFTS.search(octets):
        raise UnicodeError("it has shifts to another character set")
    for name in names[:-1]:
        with contextlib.suppress(UnicodeError):
            return _decoded(octets, name)
    return _decoded(octets, names[-1])


def _from_jis(octets: bytes) -> str:
    """Read ISO-2022-JP as browsers do: with NEC's and IBM's characters (Encoding Standard §12.2)."""
    pieces: list[str] = []
    state = b"\x1b(B"
    for at, piece in enumerate(_JIS_STATE.split(octets)):
        if at % 2 == 0:
            pieces.append(_in_state(piece, state))
        elif piece.endswith(b"\n"):
            # RFC 1468: a line begins in ASCII.
            pieces.append(piece.decode("ascii"))
            state = b"\x1b(B"
        else:
            state = piece
    return "".join(pieces)


def _in_state(octets: bytes, state: bytes) -> str:
    match state:
        case b"\x1b(B":
            return _without_shifts(octets, ("ascii",))
        case b"\x1b(J":
            return _without_shifts(octets, ("ascii",)).translate(_JIS_ROMAN)
        case b"\x1b(I":
            if not _KATAKANA.fullmatch(octets):
                raise UnicodeError("these are no katakana")
            return bytes(octet | 0x80 for octet in octets).decode("cp932")
    return _kanji(octets)


def _big5_piece(octets: bytes) -> str:
    """Read Big5 with the characters of Hong Kong, and signs as Windows has them (Encoding Standard §11.1).

    Raises:
        UnicodeError: They are none, or programs differ over what they are, as over the rows behind the most used letters.
    """
    if octets[0] in _BIG5_SIGNS:
        return octets.decode("cp950")
    text = other = octets.decode("big5hkscs")
    if octets[0] in _BIG5_UNCLEAR:
        with contextlib.suppress(UnicodeError):
            other = octets.decode("cp950")
    if other != text:
        raise UnicodeError("it may be either of two characters")
    return text


def _from_euc(octets: bytes) -> str:
    """Read EUC-JP as browsers do (Encoding Standard §12.1)."""
    return "".join(_euc_piece(piece) for piece in _EUC_WIDE.split(octets))


def _euc_piece(octets: bytes) -> str:
    match octets[:1]:
        case b"\x8e":
            return octets.replace(b"\x8e", b"").decode("cp932")
        case b"\x8f":
            return octets.decode("euc_jp")
        case first if first >= b"\xa1":
            return _kanji(bytes(octet & 0x7F for octet in octets))
    return octets.decode("ascii")


def _kanji(octets: bytes) -> str:
    """Return pairs of JIS X 0208 with the rows that were added to it, which Shift_JIS has in other places."""
    if not _KANJI.fullmatch(octets):
        raise UnicodeError("these are no pairs of JIS X 0208")
    return "".join(map(_pair, octets[::2], octets[1::2]))


@functools.cache
def _pair(first: int, second: int) -> str:
    row, cell = first - 0x21, second - 0x21
    trail = cell + (0x9F if row % 2 else 0x40)
    moved = bytes((row // 2 + (0x81 if row < 62 else 0xC1), trail + (not row % 2 and trail >= 0x7F)))
    return moved.decode("cp932")
