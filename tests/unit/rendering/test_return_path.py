"""Return paths of our own."""

import pytest

from postroad.policy.identifier import sign_identifier
from postroad.rendering.return_path import make_return_path, read_return_path

KEY = b"k" * 32
DELIVERY = 123_456_789_012_345_678


def test_a_return_path_leads_back_to_its_delivery() -> None:
    path = make_return_path(DELIVERY, "bounce.example.com", KEY)

    assert path.startswith("bounce+03dmv9ek31wte")
    assert path.endswith("@bounce.example.com")
    assert len(path.partition("@")[0]) == 36
    assert read_return_path(path, [b"other", KEY]) == DELIVERY
    assert read_return_path(path.upper(), [KEY]) == DELIVERY


@pytest.mark.parametrize(
    "address",
    [
        "",
        "bounce+@bounce.example.com",
        "info@bounce.example.com",
        "bounce@bounce.example.com",
        "bounce+" + "0" * 29 + "@bounce.example.com",
        f"bounce+{sign_identifier(DELIVERY, 'message', KEY)}@bounce.example.com",
    ],
)
def test_what_we_did_not_make_leads_nowhere(address: str) -> None:
    assert read_return_path(address, [KEY]) is None
