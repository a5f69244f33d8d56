import pytest

from postroad.accounts.people.links import Links, without_token

LINKS = Links("https://mail.example.com/")


@pytest.mark.parametrize("make", [LINKS.to_set_password, LINKS.to_sign_in, LINKS.to_invitation])
def test_a_link_leads_to_the_console_and_shows_itself_nowhere(make: object) -> None:
    link = make("s3cret", 5)  # type: ignore[operator]

    assert link.url.startswith("https://mail.example.com/")
    assert link.url.endswith("/s3cret")
    assert "s3cret" not in repr(link)
    assert without_token(link.url.removeprefix("https://mail.example.com")).endswith("/…")


@pytest.mark.parametrize("path", ["/", "/sign-in", "/settings/users/7", "/invitation"])
def test_other_paths_are_logged_as_they_are(path: str) -> None:
    assert without_token(path) == path
