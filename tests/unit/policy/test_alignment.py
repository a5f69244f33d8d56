"""Which From a sending domain may use."""

import pytest

from postroad.policy.alignment import OrganisationalDomains, header_from_is_aligned


@pytest.fixture(scope="module")
def organisational() -> OrganisationalDomains:
    return OrganisationalDomains()


@pytest.mark.parametrize(
    ("sending", "header_from", "expected"),
    [
        ("news.example.com", "news.example.com", True),
        ("news.example.com", "example.com", True),
        ("a.b.example.co.uk", "b.example.co.uk", True),
        ("a.b.example.co.uk", "example.co.uk", True),
        ("a.b.example.co.uk", "co.uk", False),
        ("news.example.com", "com", False),
        ("news.example.com", "a.news.example.com", False),
        ("news.example.com", "shop.example.com", False),
        ("news.example.com", "ample.com", False),
        ("news.example.com", "s.example.com", False),
        ("news.example.com", "example.org", False),
        ("xn--bcher-kva.example.de", "example.de", True),
        ("shop.github.io", "github.io", False),
        ("co.uk", "uk", False),
    ],
)
def test_alignment(sending: str, header_from: str, expected: bool, organisational: OrganisationalDomains) -> None:
    assert header_from_is_aligned(sending, header_from, organisational) is expected


def test_a_public_suffix_has_no_organisational_domain(organisational: OrganisationalDomains) -> None:
    assert organisational("co.uk") is None
    assert organisational("a.b.example.co.uk") == "example.co.uk"
    assert organisational("a.b.example.co.uk") == "example.co.uk"
