"""Links in HTML: found where browsers and Outlook find them, and led to where these would go."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroad.tracking.html_links import destination, links_in


def found(html: str, codec: str = "utf-8") -> list[str]:
    return [link.url for link in links_in(html.encode(codec), codec).links]


@pytest.mark.parametrize(
    ("html", "url"),
    [
        ('<a href="https://a.example/">', "https://a.example/"),
        ("<A\n HREF = 'HTTP://a.example/x' >", "HTTP://a.example/x"),
        ("<a class=b href=https://a.example/x?y=1>", "https://a.example/x?y=1"),
        ("<a href=https://a.example/x/>", "https://a.example/x/"),
        ('<area shape="rect" href="https://a.example/">', "https://a.example/"),
        ('<form method="get" action="https://a.example/">', "https://a.example/"),
        ('<!--[if mso]><v:roundrect href="https://a.example/"><![endif]-->', "https://a.example/"),
        ('<!--[if (gte mso 9)|(IE)]><a href="https://a.example/">x</a><![endif]-->', "https://a.example/"),
        ('<!--[if !mso]><!--><a href="https://a.example/">x</a><!--<![endif]-->', "https://a.example/"),
        ('<![if !mso]><a href="https://a.example/">', "https://a.example/"),
        ('<!----><a href="https://a.example/">', "https://a.example/"),
        ('<!--><a href="https://a.example/">', "https://a.example/"),
        ('<p title="a > b"><a href="https://a.example/">', "https://a.example/"),
        ("<p title=it's><a href='https://a.example/'>", "https://a.example/"),
        ('<img alt="<a href=\'https://no.example/\'>"><a href="https://a.example/">', "https://a.example/"),
        ('<style>a > b { content: "<a href=\'https://no.example/\'>" }</STYLE ><a href="https://a.example/">', "https://a.example/"),
        ('<a href="https://a.example/" href="https://no.example/">', "https://a.example/"),
        ('1 < 2 <> </> <3 <a href="https://a.example/">', "https://a.example/"),
        ('<svg><title/></svg><a href="https://a.example/">', "https://a.example/"),
        ('<svg><style/><a href="https://a.example/"></svg>', "https://a.example/"),
        ('<SVG><svg/><svg></svg><title/></SVG><title><a href="https://no.example/"></title><a href="https://a.example/">', "https://a.example/"),
        ('<math><title></math><a href="https://a.example/">', "https://a.example/"),
        ('<a href="\n https://a.example/a\n b ">', "https://a.example/a%20b"),
    ],
)  # fmt: skip
def test_a_link_is_found(html: str, url: str) -> None:
    assert found(html) == [url]


@pytest.mark.parametrize(
    "html",
    [
        '<!-- <a href="https://no.example/"> -->',
        '<!-- no end <a href="https://no.example/">',
        '<style><a href="https://no.example/"></style>',
        "<script>\"<a href='https://no.example/'>\"</script>",
        '<title><a href="https://no.example/"></title>',
        '<textarea><a href="https://no.example/"></textarea>',
        '<a href="https://no.example/" data-ov-notrack>',
        '<a DATA-OV-NOTRACK="yes" href="https://no.example/">',
        '<a href="mailto:ann@example.net">',
        '<a href="tel:+4912345">',
        '<a href="#part">',
        '<a href="/path">',
        '<a href="//no.example/">',
        '<a href="">',
        "<a href>",
        '<a href="javascript:alert(1)">',
        '<a href="https://">',
        '<a data-href="https://no.example/">',
        '<link href="https://no.example/a.css"><img src="https://no.example/a.png"><base href="https://no.example/">',
        '<abbr href="https://no.example/">',
        '</a href="https://no.example/">',
        '<a href="https://no.example/',
        '<a href="https://no.example/"',
        "<a href='https://no.example/>",
    ],
)
def test_what_is_no_link_to_a_page_is_left_alone(html: str) -> None:
    assert found(html) == []


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("https://a.example/?a=1&amp;b=2", "https://a.example/?a=1&b=2"),
        ("https://a.example/&#128;&#x80;&#159;", "https://a.example/%E2%82%AC%E2%82%AC%C5%B8"),
        ("https://a.example/&#129;", "https://a.example/%C2%81"),
        ("https://a.example/?a=1&b=2", "https://a.example/?a=1&b=2"),
        # In an attribute, unlike in text, an old name without a semicolon is none before a letter or "=".
        ("https://a.example/?a=1&copy=2&reg=3&notit=4", "https://a.example/?a=1&copy=2&reg=3&notit=4"),
        ("https://a.example/?a=1&copy", "https://a.example/?a=1%C2%A9"),
        ("https://a.example/?a&#61;1&#x26;b", "https://a.example/?a=1&b"),
        ("https://a.example/&#0;&#xD800;&unknown;", "https://a.example/%EF%BF%BD%EF%BF%BD&unknown;"),
        ("https://a.example/%C3%A4?q=%26#f%20g", "https://a.example/%C3%A4?q=%26#f%20g"),
        ("https://a.example/ä b", "https://a.example/%C3%A4%20b"),
        ("https://a.example/a%zz{}|\\^`", "https://a.example/a%zz{}|\\^`"),
    ],
)
def test_a_link_leads_to_exactly_what_is_written(written: str, meant: str) -> None:
    assert destination(written) == meant


def test_where_a_form_is_sent_is_told_from_a_link() -> None:
    both = links_in(b'<a href="https://a.example/"><form action="https://a.example/">').links

    assert [link.is_form for link in both] == [False, True]


def test_a_character_set_says_what_its_octets_mean() -> None:
    assert found('<a href="https://a.example/ä">', "iso8859-1") == ["https://a.example/%C3%A4"]
    assert links_in('<a href="https://a.example/ä">'.encode("latin-1"), "utf-8").links == ()
    korean = links_in('<a href="https://a.example/똠">'.encode("cp949"), "euc_kr").links
    assert [link.url for link in korean] == ["https://a.example/%EB%98%A0"]


@pytest.mark.parametrize(
    ("codec", "url", "meant"),
    [
        ("iso8859-1", "https://ä.example/ä?q=ä&b=1#ä", "https://%C3%A4.example/%C3%A4?q=%E4&b=1#%C3%A4"),
        ("iso8859-1", "https://a.example/?q=&euro;&#1078;&amp;b", "https://a.example/?q=%80%26%231078%3B&b"),
        ("iso8859-1", "https://a.example/#ä?ä", "https://a.example/#%C3%A4?%C3%A4"),
        ("koi8-r", "https://a.example/?q=ж", "https://a.example/?q=%D6"),
        ("utf-8", "https://a.example/?q=ä", "https://a.example/?q=%C3%A4"),
        ("shift_jis", "https://a.example/?q=&#9312;", "https://a.example/?q=%87@"),
        ("gb2312", "https://a.example/?q=&#38229;", "https://a.example/?q=%E9F"),
        ("ascii", "https://a.example/?q=&auml;", "https://a.example/?q=%C3%A4"),
    ],
)
def test_a_query_is_in_the_character_set_of_the_document(codec: str, url: str, meant: str) -> None:
    assert found(f'<a href="{url}">', codec) == [meant]


@pytest.mark.parametrize(
    ("html", "at"),
    [
        ("<body>a</body></html>", "</body"),
        ("<body>a</BODY >\n</html>", "</BODY"),
        ("a</html>", "</html"),
        ("<!-- </body> -->a</body>", "</body>$"),
        ("<b>a</b></body>b</body>", "</body>$"),
        ("<p>a</body><!--[if mso]></td></BODY><![endif]-->", "</body>"),
        ("<!--[if mso]></body><![endif]-->a</html>", "</html"),
        ("<!--[if !mso]><!--></body><!--<![endif]-->", "</body"),
        ("<![if !mso]></body><![endif]>", "</body"),
    ],
)
def test_the_end_of_the_body_is_where_a_pixel_goes(html: str, at: str) -> None:
    assert links_in(html.encode()).body_end == html.rindex(at.rstrip("$"))


def test_without_a_body_it_is_the_end() -> None:
    assert links_in(b"<p>a").body_end == 4


def test_what_outlook_alone_reads_does_not_end_the_body() -> None:
    html = b"<!--[if mso]></td></body></html><![endif]--><p>a</p>\r\n"

    assert links_in(html).body_end == len(html)


@given(st.lists(st.sampled_from(["<a", ' href="', "https://a.example/", '"', ">", "<!--", "-->", "<!--[if x]>", "'", "=", " ", "<style>", "</style>", "/", "<", "x"]), max_size=40))  # fmt: skip
def test_whatever_the_markup_a_link_stands_where_it_is_said_to(parts: list[str]) -> None:
    octets = "".join(parts).encode()
    position = 0
    for link in links_in(octets).links:
        assert position <= link.start <= link.end <= len(octets)
        assert destination(octets[link.start : link.end].decode()) == link.url
        position = link.end


@pytest.mark.parametrize(
    "octets",
    [
        b'<a "' * 100_000,
        b"<p title=x\"y>" * 40_000,
        b"<!--[if x]>" * 50_000,
        b"<a href='" * 60_000,
        b"<" * 500_000,
        b"<a " * 200_000,
        b"<style>" * 70_000,
        b'<a href="' + b"&a" * 200_000 + b'">',
        b"<p a=\"1\"" * 60_000,
        b"<svg><title/></body>" * 30_000,
        b"<!--[if x]></body>--" * 30_000,
        b'<a href="https://a/?' + b"&#8364;" * 100_000 + b'">',
    ],
    ids=range(12),
)  # fmt: skip
def test_hostile_text_costs_no_more_than_its_length(octets: bytes) -> None:
    begun = time.process_time()
    links_in(octets)

    assert time.process_time() - begun < 1
