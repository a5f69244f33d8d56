"""What is made of rendered HTML: its text, and the HTML with its styles in its elements."""

import contextlib
import time

import pytest

from postroad.templating.derived import TooMuchStyleError, text_of, with_inlined_css

XHTML = (
    '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" '
    '"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">'
)


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>Hi &amp; <b>bye</b></p><p>Two</p>", "Hi & bye\n\nTwo\n"),
        ("<h1>Title</h1>one<br>two<br/>three", "Title\n\none\ntwo\nthree\n"),
        ("<ul><li>one<li>two</ul><ol><li>a<li>b</ol>", "* one\n* two\n1. a\n2. b\n"),
        ('<a href="https://e.example/?a=1&amp;b=2">Go</a>', "Go (https://e.example/?a=1&b=2)\n"),
        ('<a href="https://e.example/">https://e.example</a>', "https://e.example\n"),
        ('<a href="mailto:a@e.example">a@e.example</a>', "a@e.example\n"),
        ("<title>No</title><style>p{}</style><script>x</script><!--[if mso]>no<![endif]-->yes", "yes\n"),
        ("<table><tr><td>Tea</td><td>2.50</td></tr><tr><td>Cake</td><td>3</td></tr></table>", "Tea   2.50\nCake  3\n"),
        ("", "\n"),
    ],
)
def test_html_is_told_as_text(html: str, text: str) -> None:
    assert text_of(html) == text


def test_styles_go_into_elements_and_what_cannot_stays() -> None:
    html = f"{XHTML}<html><head><style>p{{color:red}} @media print{{p{{color:blue}}}}</style></head><body><p>x</p></body></html>"

    inlined = with_inlined_css(html)

    assert inlined.startswith(XHTML + "<html>")
    assert '<p style="color: red;">x</p>' in inlined
    assert "@media print" in inlined


def test_what_has_no_styles_stays_as_it_is() -> None:
    assert with_inlined_css("<P>x") == "<P>x"


@pytest.mark.parametrize(
    "html",
    ["x" * 1_000_000, "<style" * 150_000, "<style>" * 150_000, "<!doctype" * 100_000, " " * 1_000_000 + "<style></style>",
     "<a href=x>" * 100_000, "<table>" * 20_000, "<b>" * 200_000, "(" * 500_000 + "a (" * 100_000],
    ids=lambda html: html[:9],
)  # fmt: skip
def test_no_text_takes_for_ever(html: str) -> None:
    begun = time.process_time()
    text_of(html)
    with contextlib.suppress(TooMuchStyleError):
        with_inlined_css(html)

    assert time.process_time() - begun < 5


def test_nothing_is_fetched() -> None:
    html = '<link rel="stylesheet" href="http://127.0.0.1:9/a.css"><style>p{color:red}</style><p>x</p>'

    assert 'href="http://127.0.0.1:9/a.css"' in with_inlined_css(html)


def test_too_many_styles_for_too_many_elements_are_refused() -> None:
    with pytest.raises(TooMuchStyleError):
        with_inlined_css("<style>" + "p{color:red}" * 2_000 + "</style>" + "<p>x" * 8_000)
