"""What fuzzing begins with: whole inputs that go far into a target, and pieces that mean something to it."""

import gzip
from collections.abc import Callable
from pathlib import Path

import msgspec

MESSAGES = tuple(
    path.read_bytes() for path in sorted((Path(__file__).parents[1] / "conformance" / "corpus").glob("*.eml"))
)
MESSAGE_PIECES = (
    b"\r\n", b"\r", b"\n", b" ", b"\t", b":", b";", b"=", b"\0", b"\xff", b"\x0b", b"--", b"From: ", b"\r\n\r\n", b"=?utf-8?q?",
    b"(", b'"', b"<", b">", b",", b"\r\n ", b"x" * 1000, b"h=From:", b"l=0;", b"b=", b"c=simple/simple;", b"\xc3\xa4",
)  # fmt: skip
PLACED = tuple(
    path.read_bytes() for path in sorted((Path(__file__).parents[1] / "conformance" / "merge_corpus").glob("*.eml"))
)
PLACEHOLDER_PIECES = (
    b"%recipient.a%", b"%recipient.b%", b"%recipient.c.d.0%", b"%recipient.e%", b"%recipient%", b"%recipient_email%", b"%",
    b"=25recipient=2Ea=25", b"=\r\n", b"=?utf-8?q?=25recipient=2Eb=25?=", b"To: ", b"Content-Transfer-Encoding: base64\r\n",
    b"charset=iso-2022-jp", b"charset=us-ascii", b"\x1b$B", b"\x1b(B", b"; format=flowed", b'{"a": "%recipient.b%"}', b"X-OV-Variables: ",
)  # fmt: skip
REPORTS = tuple(
    path.read_bytes() for path in sorted((Path(__file__).parents[1] / "conformance" / "arf_corpus").glob("*.eml"))
)
REPORT_PIECES = (
    b"Content-Type: message/feedback-report\r\n", b"Content-Type: message/rfc822\r\n", b"Content-Type: text/rfc822-headers\r\n",
    b"Content-Transfer-Encoding: base64\r\n", b"Content-Transfer-Encoding: quoted-printable\r\n", b"Feedback-Type: abuse\r\n",
    b"report-type=delivery-status", b"boundary=b6", b"--b6\r\n", b"From ", b"====", b"\xed\xa0\x80", b"\xe2\x80\xa8",
)  # fmt: skip
RETURNED = tuple(
    path.read_bytes() for path in sorted((Path(__file__).parents[1] / "conformance" / "bounce_corpus").glob("*.eml"))
)
RETURNED_PIECES = (
    b"Content-Type: message/delivery-status\r\n", b"Content-Type: message/global-delivery-status\r\n", b"Action: failed\r\n",
    b"Status: 5.1.1\r\n", b"Diagnostic-Code: smtp; 550 5.1.1 x\r\n", b"Final-Recipient: rfc822; a@b.example\r\n", b"\\x{110000}",
    b"This is the qmail-send program", b"created automatically by mail delivery software", b"<a@b.example>:", b"said: 550 x",
    b"--- Below this line is a copy", b"report-type=delivery-status", b"Subject: Undelivered mail\r\n", b"charset=iso-8859-1",
)  # fmt: skip
_PATTERNS = (
    b"^(help|bills)@\nhelp@b.example",
    b"a{2,3}[^b-d]*?\\d+$\naax1",
    b"(a|ab)(c|bcd)\\b\nabcd",
    b"(?:x*)*y|.\nxxx",
)
PATTERN_PIECES = (
    b"(", b")", b"(?:", b"|", b"*", b"+", b"?", b"{2}", b"{0,3}", b"{1,}", b"[", b"]", b"[^a]", b"-", b"^", b"$", b"\\b", b"\\d",
    b"\\w", b"\\s", b"\\.", b".", b"a", b"B", b"\n", b"\xe4",
)  # fmt: skip
COMMANDS = (
    b"EHLO c\r\n", b"HELO c\r\n", b"AUTH LOGIN\r\n", b"AUTH PLAIN AGEAYg==\r\n", b"AUTH PLAIN =\r\n", b"Yg==\r\n", b"*\r\n",
    b"MAIL FROM:<a@b.example>\r\n", b"MAIL FROM:<a@b> SIZE=9999\r\n", b"RCPT TO:<c@d.example>\r\n", b"RCPT TO:<e@f>\r\n",
    b"DATA\r\n", b".\r\n", b"\r\n.\r\n", b"\n.\n", b"\r.\r", b"BDAT 5\r\n", b"BDAT 3 LAST\r\n", b"BDAT 0 LAST\r\n", b"BDAT x\r\n",
    b"RSET\r\n", b"NOOP\r\n", b"QUIT\r\n", b"STARTTLS\r\n", b"x" * 700, b"\r\n", b"\n", b"\r", b"\0", b"\xff", b".", b"..",
)  # fmt: skip
PROXY_PIECES = (
    b"PROXY ", b"TCP4 ", b"TCP6 ", b"UNKNOWN", b"192.0.2.1 ", b"::1 ", b"587 ", b"25", b"\r\n", b"\r\n\r\n\x00\r\nQUIT\n",
    b"\x21\x11\x00\x0c", b"\x21\x21\x00\x24", b"\x20\x00\x00\x00", b"\x21\x11\x10\x00", b"a" * 12, b"b" * 36,
)  # fmt: skip
REPLIES = (
    b"220 a\r\n", b"250 ok\r\n", b"250-x\r\n", b"250 PIPELINING\r\n", b"250 STARTTLS\r\n", b"250 AUTH PLAIN LOGIN\r\n",
    b"354 go\r\n", b"334 x\r\n", b"235 ok\r\n", b"421 bye\r\n", b"451 later\r\n", b"550 5.1.1 no\r\n", b"\xff?\r\n", b"25",
)  # fmt: skip
TEMPLATE_PIECES = (
    b"{{", b"}}", b"{{{", b"}}}", b"{{{{", b"}}}}", b"{{#if a}}", b"{{/if}}", b"{{else}}", b"{{else if n}}", b"{{#each list}}", b"{{/each}}",
    b"{{#with a}}", b"{{/with}}", b"{{> p}}", b"{{#> p}}", b"{{/p}}", b"{{> @partial-block}}", b'{{#*inline "i"}}', b"{{/inline}}", b"{{a.b}}",
    b"{{../n}}", b"{{@index}}", b"{{@../key}}", b"{{! c }}", b"{{!-- c --}}", b"~", b" as |x y|", b"(add n 1)", b"(upper a.b)", b" (concat n n)",
    b"{{formatDate n 'D MMM' 'UTC'}}", b"{{formatMoney n 'EUR'}}", b"[0]", b".length", b"\\{{", b"\n", b"  ", b'"', b"'", b"=", b"|", b"\0", b"1.5",
)  # fmt: skip
TRACKED = tuple(
    b"Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n" + rest
    for rest in (
        b"\r\n<body><a href=\"https://a.example/?a=1&amp;b=2\">x</a><!--[if mso]><v:rect href='http://b.example/'><![endif]--></body>\r\n",
        b"Content-Transfer-Encoding: quoted-printable\r\n\r\n<a class=3D'b' href=3D\"https://a.exa=\r\nmple/=C3=BC\">x</a>=\r\n<p>\r\n",
        b"Content-Transfer-Encoding: base64\r\n\r\nPGEgaHJlZj0iaHR0cHM6Ly9hLmV4YW1wbGUvIj54PC9hPg==\r\n",
    )
)
HTML_PIECES = (
    b"<a ", b'<a href="https://c.example/', b'">', b"</a>", b"<form action=http://d.example/>", b"<!--", b"-->", b"<!--[if x]>", b"<![endif]-->",
    b"<style>", b"</style>", b"</body>", b"'", b"&amp;", b"&copy", b"data-ov-notrack", b"=3D", b"=\r\n", b" =\r\n", b"x" * 990,
    b"Content-Transfer-Encoding: base64\r\n", b"charset=iso-8859-1", b"charset=utf-16", b"<area href=", b"https://",
)  # fmt: skip
_TEMPLATES = (
    b"<p>{{name}}</p>\n{{#each list as |item i|}}\n  {{i}}: {{item.a}} {{../n}}\n{{else}}\nnone\n{{/each}}\n",
    b'{{#if (and n a)}}{{formatNumber n 2}}{{else if a}}{{{a.b}}}{{/if}}{{> (concat \'p\') x=(upper a.b)}}\0{"n":0,"a":{"b":"c"}}',
    b'{{~#a~}} {{b}} {{^}} {{~/a}}\\{{x}}{{{{raw}}}} {{y}} {{{{/raw}}}}{{#*inline "i"}}{{@root.n}}{{/inline}}{{> i}}{{#> p}}z{{/p}}',
)
QUESTION_PIECES = (
    b"<Autodiscover>", b"</Autodiscover>", b"<Request>", b"</Request>", b"<EMailAddress>", b"</EMailAddress>", b"a@b.example",
    b"<AcceptableResponseSchema>x</AcceptableResponseSchema>", b'<?xml version="1.0" encoding="utf-16"?>', b"&amp;", b"&x;",
    b'<!DOCTYPE a [<!ENTITY x "y">]>', b"<![CDATA[", b"]]>", b"<!--", b"-->", b"<?p?>", b" xmlns='urn:x'", b"\0", b"\xff\xfe", b"<",
)  # fmt: skip
_QUESTION = (
    b'<?xml version="1.0"?><Autodiscover xmlns="urn:x"><Request><EMailAddress>a@b.example</EMailAddress>'
    b"<AcceptableResponseSchema>x</AcceptableResponseSchema></Request></Autodiscover>"
)
_PROXY_HEADERS = (
    b"PROXY TCP4 192.0.2.1 192.0.2.2 4711 587\r\n",
    b"PROXY UNKNOWN\r\n",
    b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c" + b"a" * 12,
)
FORM_PIECES = (
    b"&", b"=", b"%", b"+", b"%0D%0A", b"%00", b"%C3%A4", b"from=", b"to=", b"cc=", b"subject=", b"h:X-A=", b"h:Reply-To=", b"v:a=", b"o:tag=",
    b"o:deliverytime=", b"recipient-variables={}", b"template=x", b"html=<p>", b"message=", b"a@x.example, ", b"<", b">", b'"', b"\xff",
    b"\r\n--b\r\n", b"\r\n--b--", b"\r\n\r\n", b'Content-Disposition: form-data; name="', b'"; filename="', b"filename*=utf-8''%C3", b"; ",
    b"Content-Type: message/rfc822\r\n", b"Content-Type: image/png; name=x\r\n", b"attachment", b"inline", b"h:Subject", b"\\", b"\0",
)  # fmt: skip
_FORMS = (
    b"\0from=A+%3Ca@news.example.com%3E&to=b@x.example,c@x.example&subject=Hi&text=Hello&h:X-A=b&v:a=1&o:tag=t&recipient-variables={}",
    (
        b'\xff--b\r\nContent-Disposition: form-data; name="to"\r\n\r\nb@x.example\r\n--b\r\nContent-Disposition: form-data; name="attachment"; '
        b'filename="a.eml"\r\nContent-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\ny\r\n\r\n--b--\r\n'
    ),
)
ROUTE_PIECES = (
    b'match_recipient("', b"match_header('subject', '", b'match_sender("', b"catch_all()", b" and ", b'")', b"')", b'\\"', b"\\\\", b"\\.",
    b"forward('", b"stop()", b"store()", b"(", b")", b"|", b"^", b"$", b".*", b"@news.example.com", b"\n", b"\xe4", b",",
)  # fmt: skip
CALL_PIECES = (
    b'"personalizations":[', b'{"to":[{"email":"b@x.example"}]},', b'"cc":[{"email":"c@x.example","name":"C"}],', b'"substitutions":{"-a-":"b"},',
    b'"dynamic_template_data":{"a":[1]},', b'"custom_args":{"k":"%recipient%"},', b'"headers":{"X-A":"b"},', b'"X-OV-Track":"no"', b'"send_at":1790000000,',
    b'"template_id":"d-1",', b'"content":[{"type":"text/html","value":"<p>-a-"}],', b'{"type":"text/calendar","value":"x"},', b'"sections":{":s":"t"},',
    b'"attachments":[{"content":"eA==","filename":"x"}],', b'"asm":{"group_id":1},', b'"mail_settings":{"footer":{"enable":true,"text":"<% %>"}},',
    b'"tracking_settings":{"subscription_tracking":{"enable":true}},', b'"subject":"', b"{", b"}", b"[", b"]", b'"', b",", b":", b"null", b"\\u0000", b"\\r\\n",
    b"\x1f\x8b\x08\0\0\0\0\0\0\x03", b"\xff",
)  # fmt: skip
_CALL = (
    b'"personalizations":[{"to":[{"email":"b@x.example","name":"B"}],"substitutions":{"-a-":"b"},"custom_args":{"k":"1"}},'
    b'{"to":[{"email":"c@x.example"}],"substitutions":{"-a-":"c\\nd"},"custom_args":{"k":"2"}}],"from":{"email":"a@news.example.com"},'
    b'"subject":"For -a-","content":[{"type":"text/plain","value":"Hello -a-, %recipient%"}]}'
)
_CALLS = (b"\0{" + _CALL, gzip.compress(b"{" + _CALL, mtime=0))
TRANSMISSION_PIECES = (
    b'"recipients":[', b'{"address":{"email":"b@x.example","name":"B","header_to":"c@x.example, D <d@x.example>"},', b'"tags":["t"],',
    b'"metadata":{"k":"%recipient%"},', b'"substitution_data":{"a":[1,{"b":"c"}]},', b'"return_path":"r@news.example.com",', b'"content":{',
    b'"from":{"email":"a@news.example.com","name":"{{a}}"},', b'"headers":{"Cc":"{{a}} <x@y.example>"},', b'"text":"{{a', b"}}", b"{{{", b"}}}", b"{{if a == 'b'}}",
    b"{{elseif not (a or b)}}", b"{{else}}", b"{{each a}}", b"{{loop_var.b}}", b"{{loop_vars.a.b}}", b"{{end}}", b"{{a or 'it''s'}}", b"{{address.email}}",
    b'"template_id":"t",', b'"email_rfc822":"From: a@news.example.com\r\n\r\nx",', b'"options":{"start_time":"2026-11-30T08:00:00Z","sandbox":true},',
    b'"attachments":[{"name":"x","type":"a/b","data":"eA=="}],', b'"override":{"from":"a@news.example.com"},', b'"campaign_id":"c",',
    b"{", b"}", b"[", b"]", b'"', b",", b":", b"null", b"\\u0000", b"\\r\\n", b"\xff",
)  # fmt: skip
_TRANSMISSIONS = (
    (
        b'{"recipients":[{"address":{"email":"b@x.example","name":"B"},"substitution_data":{"a":"1","l":[{"n":1}]},"metadata":{"u":1}},'
        b'{"address":{"email":"c@x.example"},"substitution_data":{"a":"2\\n3"},"metadata":{"u":2}},'
        b'{"address":{"email":"d@x.example","header_to":"b@x.example"}}],"content":{"from":"{{a}} <a@news.example.com>","subject":"S {{a}}",'
        b'"headers":{"X-A":"{{a}}","Cc":"d@x.example"},"text":"{{if a == 1}}x{{else}}y{{end}}{{each l}}{{loop_var.n}}{{end}} %recipient%",'
        b'"html":"<p>{{{a}}}</p>"},"substitution_data":{"a":"0"},"campaign_id":"c","options":{"sandbox":true}}'
    ),
)
_ROUTES = (
    b'match_recipient("^(help|sales)@news\\.example\\.com$") and match_header(\'subject\', "ask\\"")\nforward("a@b.example")',
    b"catch_all()\nstop()",
)
_SESSION = b"\0MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\nSubject: x\r\n\r\nx\r\n.\r\nQUIT\r\n"
_DIALOGUE = b"\x0c" + b"250 ok\r\n" * 3 + b"354 go\r\n250 2.0.0 taken\r\n221 bye\r\n"


def _as_they_are() -> tuple[bytes, ...]:
    return MESSAGES


def _signed() -> tuple[bytes, ...]:
    # Imported late, so that the driver can instrument what it leads to.
    from tests.fuzz import dkim_verify

    return tuple(map(dkim_verify.seed, MESSAGES))


class Seeds(msgspec.Struct, frozen=True):
    """The beginnings and the pieces of one target."""

    inputs: Callable[[], tuple[bytes, ...]]
    pieces: tuple[bytes, ...]


TARGETS = {
    "arf": Seeds(lambda: REPORTS, MESSAGE_PIECES + REPORT_PIECES),
    "dsn": Seeds(lambda: RETURNED, MESSAGE_PIECES + RETURNED_PIECES),
    "pattern": Seeds(lambda: _PATTERNS, PATTERN_PIECES),
    "dkim_verify": Seeds(_signed, MESSAGE_PIECES),
    "mailgun_form": Seeds(lambda: _FORMS, FORM_PIECES),
    "mailgun_route": Seeds(lambda: _ROUTES, ROUTE_PIECES),
    "mime_header": Seeds(_as_they_are, MESSAGE_PIECES),
    "outlook_question": Seeds(lambda: (_QUESTION,), QUESTION_PIECES),
    "proxy": Seeds(lambda: _PROXY_HEADERS, PROXY_PIECES),
    "sendgrid_call": Seeds(lambda: _CALLS, CALL_PIECES),
    "smtp_replies": Seeds(lambda: (_DIALOGUE,), REPLIES),
    "smtp_server": Seeds(lambda: (_SESSION,), COMMANDS),
    "sparkpost_call": Seeds(lambda: _TRANSMISSIONS, TRANSMISSION_PIECES),
    "merge": Seeds(lambda: PLACED, MESSAGE_PIECES + PLACEHOLDER_PIECES),
    "track": Seeds(lambda: TRACKED, MESSAGE_PIECES + HTML_PIECES),
    "templates": Seeds(lambda: _TEMPLATES, TEMPLATE_PIECES),
}
"""Every fuzz target: a module of this package with ``run_one``, which raises where a promise is broken."""
