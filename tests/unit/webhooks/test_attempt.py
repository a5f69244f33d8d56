"""What an attempt at a call is signed with."""

import msgspec
import pytest

from postroad.dialects.samples import sample
from postroad.model.credential import Secret, SigningKeys
from postroad.model.domain import DomainState, SendingDomain
from postroad.model.event import EventType
from postroad.model.options import CallbackFormat
from postroad.model.webhook import Receiver
from postroad.webhooks.attempt import sealed
from postroad.webhooks.facts import ReceiverFacts

ENDS_AT = 1_795_775_400_000
KEYS = SigningKeys(
    account_id=1, key=Secret("prw_new"), previous_key=Secret("prw_old"), previous_until=ENDS_AT, changed_at=0
)
DOMAIN = SendingDomain(id=2, account_id=1, name="news.example", state=DomainState.ACTIVE, created_at=0)


def facts(form: CallbackFormat, keys: SigningKeys) -> ReceiverFacts:
    url = "https://r.example/"
    receiver = Receiver(id=3, account_id=1, domain_id=2, url=url, format=form)
    return ReceiverFacts(receiver=receiver, url=url, username="", domain=DOMAIN, keys=keys)


@pytest.mark.parametrize("form", [CallbackFormat.MAILGUN, CallbackFormat.STANDARD])
def test_an_overlap_of_keys_ends_on_time_for_facts_that_are_kept(form: CallbackFormat) -> None:
    happenings = [sample(EventType.DELIVERED)]
    alone = msgspec.structs.replace(KEYS, previous_key=None, previous_until=None)

    during = sealed(facts(form, KEYS), 7, happenings, ENDS_AT - 1)
    after = sealed(facts(form, KEYS), 7, happenings, ENDS_AT)

    assert during != sealed(facts(form, alone), 7, happenings, ENDS_AT - 1)
    assert after == sealed(facts(form, alone), 7, happenings, ENDS_AT)


def test_a_token_outlives_the_signing_key_between_two_attempts() -> None:
    changed = msgspec.structs.replace(KEYS, key=Secret("prw_newer"), previous_key=None, previous_until=None)

    signed = [
        msgspec.json.decode(sealed(facts(CallbackFormat.MAILGUN, keys), 7, [sample(EventType.DELIVERED)], at).body)
        for keys, at in [(KEYS, ENDS_AT), (changed, ENDS_AT + 60_000)]
    ]

    first, second = (one["signature"] for one in signed)
    assert first["token"] == second["token"]
    assert first["signature"] != second["signature"]
