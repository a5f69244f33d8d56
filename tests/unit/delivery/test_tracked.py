"""What is particular to one delivery's tracked copy: the links to unsubscribe."""

import pytest

from postroad.delivery.tracked import Tracked, TrackingTerms
from postroad.model.delivery import Delivery
from postroad.model.options import MAX_TAG_LENGTH, MAX_TAGS, Options
from postroad.model.unsubscribe_group import MailGroup
from postroad.tracking.token import LONGEST_URL, Leaving, Place, TrackingKey, read_leaving, read_token

KEY = TrackingKey(1, 0, b"k" * 32)
HOST = "t.example.com"
LONGEST_ADDRESS = "a" * 64 + "@" + ".".join(["b" * 60] * 3) + ".test"


def links(address: str, tags: tuple[str, ...]) -> list[str]:
    tracked = made(address, Options(offers_unsubscribe=True, tags=tags))
    return [tracked.links[name] for name in ("unsubscribe_url", "tag_unsubscribe_url")]


def made(address: str, options: Options) -> Tracked:
    delivery = Delivery(
        id=1, message_id=1, account_id=1, domain_id=1, recipient=address, destination="dest.test", pool="default",
        lane=1, due_at=0, expires_at=1, accepted_at=0,
    )  # fmt: skip
    terms = TrackingTerms(Place(f"https://{HOST}", HOST), KEY)
    return Tracked(terms, delivery, options)


def meaning(link: str) -> Leaving:
    token = read_token(link.rpartition("/")[2], HOST, {1: KEY.secret})
    assert token is not None
    return read_leaving(token.payload)


@pytest.mark.parametrize("address", ["ann@example.org", LONGEST_ADDRESS, '"' + '\\"' * 31 + '"' + LONGEST_ADDRESS[64:]])
@pytest.mark.parametrize("letter", ["x", '"', "ж", "💩"])
@pytest.mark.parametrize("number", range(0, MAX_TAGS + 1, 2))
def test_every_link_to_unsubscribe_can_be_read(address: str, letter: str, number: int) -> None:
    tags = tuple(f"{at}".ljust(MAX_TAG_LENGTH, letter) for at in range(number))
    all_mail, these_tags = links(address, tags)

    assert meaning(all_mail) == Leaving(address)
    assert meaning(these_tags) in (Leaving(address, tags), Leaving(address))
    assert len(all_mail) <= 700
    assert len(these_tags) <= LONGEST_URL


def test_a_link_holds_the_tags_up_to_the_longest_url() -> None:
    met = set()
    for length in range(1200, 1500):
        tags = ("x" * (length // 2), "y" * (length - length // 2))
        link = links("ann@example.org", tags)[1]
        leaving = meaning(link)
        met.add((bool(leaving.tags), len(link) > LONGEST_URL - 4))
        assert leaving.tags in (tags, ())
    assert met == {(True, False), (True, True), (False, False)}


def test_mail_of_a_group_is_left_by_a_link_of_the_group() -> None:
    options = Options(offers_unsubscribe=True, tags=("sale",), group=MailGroup(12, "Weekly news"))
    tracked = made("ann@example.org", options)

    assert meaning(tracked.links["group_unsubscribe_url"]) == Leaving("ann@example.org", ("group:12",), "Weekly news")
    assert meaning(tracked.links["unsubscribe_url"]) == Leaving("ann@example.org")
    copy = tracked.copy(b"Subject: x\r\n\r\nHello.\r\n", {})
    assert f"List-Unsubscribe: <{tracked.links['group_unsubscribe_url']}>".encode() in copy
    assert "group_unsubscribe_url" not in made("ann@example.org", Options(offers_unsubscribe=True)).links


def test_links_that_were_made_before_groups_are_read() -> None:
    assert read_leaving(b'["ann@example.org",["sale"]]') == Leaving("ann@example.org", ("sale",))
