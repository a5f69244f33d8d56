"""Forms are read as clients write them, and hostile ones are refused."""

import time
import tracemalloc
from contextlib import suppress
from urllib.parse import parse_qsl, urlencode

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from postroad.protocol import form
from postroad.protocol.form import (
    MOST_PARTS,
    Form,
    FormError,
    PartCounter,
    Upload,
    boundary_of,
    read_multipart,
    read_urlencoded,
)

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), min_size=1, max_size=20)


def multipart(*parts: bytes, boundary: bytes = b"b") -> bytes:
    return b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts) + b"--" + boundary + b"--\r\n"


def field(name: bytes, value: bytes) -> bytes:
    return b'Content-Disposition: form-data; name="' + name + b'"\r\n\r\n' + value


@given(st.lists(st.tuples(NAMES, st.text(st.characters(codec="utf-8"), max_size=50))))
def test_what_is_urlencoded_comes_back(pairs: list[tuple[str, str]]) -> None:
    read = read_urlencoded(urlencode(pairs).encode())

    assert [(name, text) for name in read.fields for text in read.texts(name)] == sorted(
        pairs, key=lambda one: [name for name, _ in pairs].index(one[0])
    )


@given(st.text("ab=&+%2é\r\n;", max_size=60))
def test_any_text_is_read_as_the_standard_library_reads_it(text: str) -> None:
    found = read_urlencoded(text.encode())

    by_name: dict[str, list[str]] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        by_name.setdefault(name, []).append(value)
    assert {name: found.texts(name) for name in found.fields} == by_name


@given(
    st.dictionaries(NAMES, st.lists(st.text(st.characters(codec="utf-8")), min_size=1, max_size=3), max_size=5),
    st.lists(
        st.tuples(NAMES, st.text(min_size=1, alphabet='aü"\\ .;'), st.binary(max_size=200)), min_size=1, max_size=3
    ),
)
def test_what_requests_sends_comes_back(fields: dict[str, list[str]], files: list[tuple[str, str, bytes]]) -> None:
    prepared = requests.Request(
        "POST",
        "http://a.example/",
        data=fields,
        files=[(name, (filename, octets, "a/b")) for name, filename, octets in files],
    ).prepare()
    content_type = prepared.headers["Content-Type"]
    assert isinstance(prepared.body, bytes)
    assert isinstance(content_type, str)

    read = read_multipart(prepared.body, boundary_of(content_type.encode()))

    # The library writes %22 for a quote within a name, as browsers do.
    assert [read.texts(name.replace('"', "%22")) for name in fields] == list(fields.values())
    assert [(one.octets, one.content_type) for one in read.files] == [(octets, "a/b") for _, _, octets in files]


@pytest.mark.parametrize(
    ("disposition", "filename"),
    [
        (b'form-data; name="a"; filename="b.txt"', "b.txt"),
        (b"form-data; name=a; filename=b.txt", "b.txt"),
        (b'form-data; name="a"; filename="\xc3\xbc \\"x\\".txt"', 'ü "x".txt'),
        (b"form-data; name=\"a\"; filename*=utf-8''%C3%BC.txt", "ü.txt"),
        (b'form-data; name="a"; filename="u.txt"; filename*=UTF-8\'\'%C3%BC.txt', "ü.txt"),
        (b'form-data; filename=""; name="a"', ""),
    ],
)
def test_each_way_to_name_a_file_is_read(disposition: bytes, filename: str) -> None:
    part = b"content-disposition: " + disposition + b"\r\nContent-Type: text/plain\r\n\r\nhi"

    assert read_multipart(multipart(part), b"b").files == (Upload("a", filename, "text/plain", b"hi"),)


def test_text_that_looks_like_a_delimiter_stays_text() -> None:
    value = b"one\r\n--bx\r\n--b\x00\r\ntwo\r\n"

    assert read_multipart(multipart(field(b"a", value), field(b"a", b"")), b"b").fields == {"a": [value, b""]}


def test_a_preamble_and_padding_are_passed_over() -> None:
    octets = b"preamble\r\n--b \t\r\n" + field(b"a", b"1") + b"\r\n--b--epilogue"

    assert read_multipart(octets, b"b") == Form({"a": [b"1"]})


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        (b"", "ends before its last boundary"),
        (b"--b\r\n" + field(b"a", b"1"), "ends before its last boundary"),
        (b"--b\r\nX: y\r\n\r\n1\r\n--b--", "has a part without a name"),
        (b"--b\r\nX: y--b--", "has a part without an empty line behind its header"),
        (
            b"--b\r\n" + b"X: " + b"y" * 20_000 + b"\r\n\r\n1\r\n--b--",
            "has a part without an empty line behind its header",
        ),
        (multipart(field(b"n" * 1001, b"")), "has a field whose name is longer than 1000 octets"),
        (multipart(*[field(b"a", b"")] * (MOST_PARTS + 1)), f"has more than {MOST_PARTS} parts"),
    ],
)
def test_what_is_no_multipart_is_refused(octets: bytes, why: str) -> None:
    with pytest.raises(FormError, match=why):
        read_multipart(octets, b"b")


@pytest.mark.parametrize(
    "content_type",
    ["multipart/form-data", "multipart/form-data; boundary=", f"multipart/form-data; boundary={'b' * 201}"],
)
def test_a_boundary_is_needed(content_type: str) -> None:
    with pytest.raises(FormError, match="names no boundary"):
        boundary_of(content_type.encode())


def test_a_million_fields_are_refused_at_once() -> None:
    bomb = b"a&" * 1_000_000
    began = time.perf_counter()

    with pytest.raises(FormError, match=f"more than {MOST_PARTS} fields"):
        read_urlencoded(bomb)

    assert time.perf_counter() - began < 0.5


@pytest.mark.parametrize("shift", range(4))
def test_a_long_value_of_escapes_is_read_in_little_memory(shift: int) -> None:
    value = b"x" * shift + b"%C3%A4" * 300_000
    tracemalloc.start()
    try:
        found = read_urlencoded(b"a=" + value)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert found.texts("a") == ["x" * shift + "ä" * 300_000]
    assert peak < 12 * len(value)


@given(st.integers(1, 40), st.integers(0, 300))
def test_delimiters_are_counted_however_the_octets_come(size: int, count: int) -> None:
    octets = b"x\r\n--boundary".join([b""] * (count + 1))
    counter = PartCounter(b"\r\n--boundary")

    for at in range(0, len(octets), size):
        counter.feed(octets[at : at + size])

    assert counter._count == count


def test_too_many_delimiters_are_noticed_while_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(form, "MOST_PARTS", 10)
    counter = PartCounter(b"&")
    counter.feed(b"a&" * 10)

    with pytest.raises(FormError, match="more than 10 fields"):
        counter.feed(b"a&")


_PIECES = st.sampled_from(
    [b"--b", b"--b--", b"\r\n", b"\r\n\r\n", b"\n", b"Content-Disposition: form-data; name=", b'"a"', b"; filename=", b"'", b'"',
     b"\\", b"\xff", b"\0", b"Content-Type: text/plain; charset=", b"utf-16", b"Content-Transfer-Encoding: base64", b"x"]
)  # fmt: skip


@given(st.one_of(st.binary(max_size=200), st.lists(_PIECES, max_size=25).map(b"".join)))
def test_whatever_octets_come_are_a_form_or_no_form(octets: bytes) -> None:
    for read in (read_urlencoded, lambda body: read_multipart(body, b"b")):
        try:
            found = read(octets)
        except FormError:
            continue
        assert isinstance(found, Form)
        assert all(found.texts(name) is not None for name in found.fields)
        assert sum(len(one) for values in found.fields.values() for one in values) <= len(octets)
        assert all(one.octets in octets for one in found.files)


@given(st.binary(max_size=60))
def test_whatever_a_type_says_there_is_a_boundary_or_none(value: bytes) -> None:
    with suppress(FormError):
        assert boundary_of(b"multipart/form-data; boundary=" + value)


@pytest.mark.parametrize(
    "parameters", [b";a=" * 5000, b';a="' + b'\\"' * 8000, b';a="' + b'\\"  ' * 4000, b";a" * 8000]
)
def test_the_head_of_a_part_costs_no_more_than_its_length(parameters: bytes) -> None:
    octets = multipart(*[b"Content-Disposition: form-data; name=n" + parameters[:16_000] + b"\r\n\r\nv"] * 200)
    begun = time.process_time()
    with suppress(FormError):
        read_multipart(octets, b"b")

    assert time.process_time() - begun < 0.7


def test_what_is_no_escape_costs_no_more_than_its_length() -> None:
    begun = time.process_time()
    found = read_urlencoded(b"n=" + b"%4%zz%" * 500_000)

    assert found.fields == {"n": [b"%4%zz%" * 500_000]}
    assert time.process_time() - begun < 0.8


def test_parameters_beyond_all_measure_are_passed_over() -> None:
    assert boundary_of(b"multipart/form-data" + b"; a=b" * 49 + b"; boundary=x") == b"x"
    with pytest.raises(FormError, match="names no boundary"):
        boundary_of(b"multipart/form-data" + b"; a=b" * 50 + b"; boundary=x")
