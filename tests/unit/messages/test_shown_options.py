"""A message's options as programs and people are told of them."""

from postroad.messages.shown_options import document_of, facts_of
from postroad.model.options import (
    NO_OPTIONS,
    CallbackFormat,
    FrozenTemplate,
    OnMissing,
    Options,
    TemplateName,
    TlsDemand,
)
from postroad.model.unsubscribe_group import MailGroup

ASKED = Options(
    tags=("Welcome", "eu"),
    is_test=True,
    tracks_clicks=True,
    tracks_text_clicks=True,
    tracks_opens=True,
    offers_unsubscribe=True,
    on_missing=OnMissing.KEEP,
    escapes_html=True,
    tls=TlsDemand.VERIFY,
    variables={"order": 17, "paid": True, "rate": 0.5, "none": None},
    template=TemplateName("welcome", "2"),
    frozen_template=FrozenTemplate((1,)),
    callback_url="https://app.example/events",
    callback_format=CallbackFormat.MAILGUN,
    expires_at=5,
    idempotency_key="order-17",
    batch_id="b-1",
    sent_with=2**60,
    ignores_unsubscribes=True,
    group=MailGroup(12, "Weekly news"),
)


def test_programs_get_what_was_asked_for_with_its_types() -> None:
    assert document_of(NO_OPTIONS, str) == {}
    assert document_of(ASKED, "at {}".format) == {
        "tags": ("Welcome", "eu"),
        "is_test": True,
        "tracks_clicks": True,
        "tracks_text_clicks": True,
        "tracks_opens": True,
        "offers_unsubscribe": True,
        "on_missing": "keep",
        "escapes_html": True,
        "tls": "yes",
        "variables": {"order": 17, "paid": True, "rate": 0.5, "none": None},
        "template": {"name": "welcome", "version": "2"},
        "callback_url": "https://app.example/events",
        "callback_format": "mailgun",
        "expires_at": "at 5",
        "idempotency_key": "order-17",
        "batch_id": "b-1",
        "sent_with": "1000000000000",
        "ignores_unsubscribes": True,
        "group": {"id": 12, "name": "Weekly news"},
    }


def test_people_are_told_the_same_in_words() -> None:
    assert list(facts_of(NO_OPTIONS, str)) == []
    assert dict(facts_of(ASKED, "at {}".format)) == {
        "tags": "Welcome, eu",
        "test mode": "yes: nothing leaves",
        "tracks": "clicks (in plain text too) and opens",
        "offers": "to unsubscribe",
        "placeholders without a value": "stay as they are written",
        "values in HTML": "escaped",
        "requires TLS": "yes",
        "template": "welcome:2",
        "variables": '{"order":17,"paid":true,"rate":0.5,"none":null}',
        "callback": "https://app.example/events as mailgun",
        "expires": "at 5",
        "idempotency key": "order-17",
        "goes to": "those who unsubscribed, too",
        "group": "Weekly news (12)",
        "batch": "b-1",
        "sent with": "1000000000000",
    }


def test_long_variables_are_cut_for_people_only() -> None:
    asked = Options(variables={"text": "x" * 3_000})

    shown = dict(facts_of(asked, str))["variables"]

    assert len(shown) < 2_100
    assert shown.endswith("… (3,011 characters)")
    assert document_of(asked, str)["variables"] == asked.variables
