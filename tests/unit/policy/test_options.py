"""What holds for a message: its sender's word over the domain's defaults."""

from typing import Any

import pytest

from postroad.model.domain import DomainSettings
from postroad.model.options import NO_OPTIONS, CallbackFormat, OptionFault, Options, TlsDemand
from postroad.policy.options import resolved, stray_variables

NOW = 1_795_000_000_000
DAY = 86_400_000


DEFAULTS = DomainSettings()


def held(settings: DomainSettings = DEFAULTS, **asked: Any) -> Options:
    found = resolved(Options(**asked), settings, NOW)
    assert isinstance(found, Options), found
    return found


def test_nothing_asked_for_and_nothing_set_is_the_one_value() -> None:
    assert held() is NO_OPTIONS
    assert held(is_test=False, tracks_opens=False, tls=TlsDemand.NOTHING) is NO_OPTIONS


def test_the_domains_defaults_hold_where_the_message_says_nothing() -> None:
    settings = DomainSettings(test_mode=True, tracks_clicks=True, tracks_opens=True, require_tls=TlsDemand.ENCRYPT)
    assert held(settings) == Options(is_test=True, tracks_clicks=True, tracks_opens=True, tls=TlsDemand.ENCRYPT)


def test_clicks_in_plain_text_are_asked_for_by_themselves() -> None:
    assert held(DomainSettings(tracks_text_clicks=True)) == Options(tracks_text_clicks=True)
    assert held(DomainSettings(tracks_text_clicks=True), tracks_text_clicks=False) is NO_OPTIONS
    assert not Options(tracks_text_clicks=True).is_tracked


def test_unsubscribing_is_offered_in_transactional_mail_only_where_the_message_asks() -> None:
    offering = DomainSettings(offers_unsubscribe=True)
    assert held(offering) == Options(offers_unsubscribe=True)
    assert held(offering, offers_unsubscribe=False) is NO_OPTIONS
    transactional = DomainSettings(offers_unsubscribe=True, is_transactional=True)
    assert held(transactional) is NO_OPTIONS
    assert held(transactional, offers_unsubscribe=True) == Options(offers_unsubscribe=True)


def test_the_messages_word_lifts_what_the_domain_sets() -> None:
    settings = DomainSettings(test_mode=True, tracks_clicks=True, tracks_opens=True, require_tls=TlsDemand.VERIFY)
    asked = {"is_test": False, "tracks_clicks": False, "tracks_opens": False, "tls": TlsDemand.NOTHING}
    assert held(settings, **asked) is NO_OPTIONS


def test_a_callback_has_a_format_and_a_format_alone_means_nothing() -> None:
    assert held(callback_url="https://a.test").callback_format is CallbackFormat.MAILGUN
    assert held(callback_url="https://a.test", callback_format=CallbackFormat.STANDARD).callback_format is (
        CallbackFormat.STANDARD
    )
    assert held(callback_format=CallbackFormat.STANDARD) is NO_OPTIONS


def test_a_callback_must_not_lead_to_a_private_host_unless_any_is_allowed() -> None:
    asked = Options(callback_url="http://app@Inside.test:8080/events")
    outside = Options(callback_url="https://outside.test/inside.test")
    found = resolved(asked, DEFAULTS, NOW, is_private_host="inside.test".__eq__)

    assert isinstance(found, OptionFault)
    assert found.name == "X-OV-Callback-URL"
    named = resolved(asked, DEFAULTS, NOW, sources={"callback_url": "callback_url"}, is_private_host=lambda _: True)
    assert isinstance(named, OptionFault)
    assert named.name == "callback_url"
    assert found.text.startswith("must not lead to inside.test: ")
    assert "webhooks.allow_private_addresses" in found.text
    assert isinstance(resolved(asked, DEFAULTS, NOW), Options)
    assert isinstance(resolved(outside, DEFAULTS, NOW, is_private_host="inside.test".__eq__), Options)


@pytest.mark.parametrize(
    ("asked", "name", "words"),
    [
        ({"deliver_at": NOW + 30 * DAY + 1}, "X-OV-Deliver-At", "30 days"),
        ({"expires_at": NOW}, "X-OV-Expires", "over before"),
        ({"expires_at": NOW + DAY, "deliver_at": NOW + DAY}, "X-OV-Expires", "over before"),
        ({"expires_at": NOW + 30 * DAY + 1}, "X-OV-Expires", "more than 30 days after"),
        ({"expires_at": 999_999_999_999_000}, "X-OV-Expires", "more than 30 days after"),
        ({"expires_at": NOW + 40 * DAY, "deliver_at": NOW + 9 * DAY}, "X-OV-Expires", "more than 30 days after"),
    ],
)
def test_times_that_make_no_sense_are_refused(asked: dict[str, Any], name: str, words: str) -> None:
    found = resolved(Options(**asked), DomainSettings(), NOW)
    assert isinstance(found, OptionFault)
    assert found.name == name
    assert words in found.text


def test_a_fault_names_the_header_that_the_client_wrote() -> None:
    far, sources = Options(deliver_at=NOW + 31 * DAY), {"deliver_at": "send_at of X-SMTPAPI", "tags": "X-OV-Tag"}
    found = resolved(far, DomainSettings(), NOW, sources=sources)
    assert found == OptionFault("send_at of X-SMTPAPI", "is more than 30 days ahead")
    found = resolved(Options(expires_at=NOW), DomainSettings(), NOW, sources={"expires_at": "x-ov-expires"})
    assert found == OptionFault("x-ov-expires", "is over before the message could be sent")


def test_times_within_bounds_are_kept() -> None:
    assert held(deliver_at=NOW + 30 * DAY, expires_at=NOW + 31 * DAY).deliver_at == NOW + 30 * DAY
    assert held(deliver_at=NOW - DAY).deliver_at == NOW - DAY


@pytest.mark.parametrize(
    ("addresses", "note"),
    [
        (["ada@a.test"], None),
        (["ada@a.test", "x@y.test"], "variables for x@y.test, who is no recipient"),
        (["x@y.test", "z@y.test"], "variables for x@y.test, z@y.test, who are no recipients"),
        (
            [f"{n}@y.test" for n in range(4)],
            "variables for 0@y.test, 1@y.test, 2@y.test and 1 other, who are no recipients",
        ),
        (
            [f"{n}@y.test" for n in range(999)],
            "variables for 0@y.test, 1@y.test, 2@y.test and 996 others, who are no recipients",
        ),
    ],
)
def test_variables_for_those_who_get_no_copy_are_told(addresses: list[str], note: str | None) -> None:
    variables: dict[str, dict[str, Any]] = {address: {} for address in addresses}
    assert stray_variables(Options(recipient_variables=variables), ["Ada@a.test", "bob@a.test"]) == note


def test_nothing_is_told_of_a_message_without_recipient_variables() -> None:
    assert stray_variables(NO_OPTIONS, ["ada@a.test"]) is None
    assert stray_variables(Options(recipient_variables={}), ["ada@a.test"]) is None
