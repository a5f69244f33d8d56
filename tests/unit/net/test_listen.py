"""Reading the endpoints of the configuration."""

import pytest

from postroad.net.listen import Endpoint, parse_endpoint


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("0.0.0.0:587", Endpoint("0.0.0.0", 587)),
        ("[::]:587", Endpoint("::", 587)),
        (":587", Endpoint("", 587)),
        (" 127.0.0.1:0 ", Endpoint("127.0.0.1", 0)),
        ("localhost:25", Endpoint("127.0.0.1", 25)),
        ("[2001:db8::1]:65535", Endpoint("2001:db8::1", 65535)),
    ],
)
def test_an_endpoint_is_read(text: str, endpoint: Endpoint) -> None:
    assert parse_endpoint(text) == endpoint


@pytest.mark.parametrize(
    "text", ["", "587", "0.0.0.0", "0.0.0.0:", "::1:587", "[127.0.0.1]:587", "1.2.3.4:65536", "1.2.3.4:x"]
)
def test_what_is_no_endpoint_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"write 0\.0\.0\.0:587"):
        parse_endpoint(text)


def test_a_host_name_is_refused_because_it_may_mean_anything() -> None:
    with pytest.raises(ValueError, match=r"names a host: .*such as 127\.0\.0\.1:587"):
        parse_endpoint("mail.example.com:587")


@pytest.mark.parametrize("text", ["0.0.0.0:587", "[::1]:25", ":465"])
def test_an_endpoint_is_shown_as_it_is_written(text: str) -> None:
    assert str(parse_endpoint(text)) == text
