import ipaddress

import pytest

from postroad.policy.person import networks_refusal, person_password_refusal

EMAIL = "ada.lovelace@acme.example"


@pytest.mark.parametrize("password", ["seven quiet lanterns", "ünïcödé wörds", "x" * 11 + "yzab", "a1b2" * 64])
def test_length_is_what_counts(password: str) -> None:
    assert person_password_refusal(password, EMAIL) is None


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("elevenchars", "at least 12 characters (it has 11)"),
        ("", "at least 12 characters (it has 0)"),
        ("a1b2" * 64 + "x", "at most 256"),
        ("seven quiet\tlanterns", "no control characters"),
        ("seven quiet \ud800 lanterns", "no control characters"),
        (" Ada.Lovelace@acme.example ", "must not be the email address"),
        ("ababababababab", "over and over"),
    ],
)
def test_what_will_not_do_is_told(password: str, why: str) -> None:
    refusal = person_password_refusal(password, EMAIL)

    assert refusal is not None
    assert why in refusal


NETWORKS = [ipaddress.ip_network("198.51.100.0/24"), ipaddress.ip_network("2001:db8::/32")]


@pytest.mark.parametrize("address", ["198.51.100.9", "2001:db8::9"])
def test_a_list_that_holds_ones_own_address_will_do(address: str) -> None:
    assert networks_refusal(NETWORKS, ipaddress.ip_address(address), is_own=True) is None


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db9::9"])
def test_a_list_that_locks_the_editor_out_will_not(address: str) -> None:
    own = ipaddress.ip_address(address)

    assert address in (networks_refusal(NETWORKS, own, is_own=True) or "")
    assert networks_refusal(NETWORKS, own, is_own=False) is None
    assert networks_refusal([], own, is_own=True) is None
