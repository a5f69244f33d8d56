"""One delivery's tracked copy: the tokens of its links, for where its sending domain's links lead."""

from typing import Protocol

import msgspec

from postroad.model.delivery import Delivery
from postroad.model.domain import SendingDomain
from postroad.model.options import Options
from postroad.model.unsubscribe_group import tag_of_group
from postroad.rendering.leaving_address import make_leaving_address
from postroad.rendering.track import Layout, lay_out
from postroad.rendering.track_body import Wishes
from postroad.tracking.token import LONGEST_URL, Kind, Leaving, Place, Signer, TrackingKey, leaving_payload
from postroad.tracking.unsubscribe import ALL_MAIL, THESE_TAGS, THIS_GROUP


class LeavingByMail(msgspec.Struct, frozen=True):
    """Where mail to unsubscribe goes, and what signs its addresses."""

    host: str
    key: bytes

    def __repr__(self) -> str:
        return f"LeavingByMail({self.host!r})"


class TrackingTerms(msgspec.Struct, frozen=True):
    """Where the tracked links of a sending domain lead now, and what signs them."""

    place: Place
    key: TrackingKey
    sets_traps: bool = False
    by_mail: LeavingByMail | None = None
    """Null where no mail comes back."""


class Tracking(Protocol):
    """What delivery must know to track; it is in memory."""

    def terms_for(self, domain: SendingDomain) -> TrackingTerms | None:
        """Return the terms of a domain; None where its links have nowhere to lead."""


class Tracked:
    """What is particular to one delivery."""

    def __init__(self, terms: TrackingTerms, delivery: Delivery, options: Options) -> None:
        self._place = terms.place
        self._signer = Signer(terms.key, terms.place.host, domain_id=delivery.domain_id, delivery_id=delivery.id)
        self._wishes = Wishes(
            clicks=bool(options.tracks_clicks),
            text_clicks=bool(options.tracks_text_clicks),
            opens=bool(options.tracks_opens),
            unsubscribe=bool(options.offers_unsubscribe),
            trap=terms.sets_traps,
        )
        self.links: dict[str, str] = {}
        """Where to unsubscribe, by the placeholder that asks for it."""
        self._leaving_address = ""
        if options.offers_unsubscribe:
            self._leaving_address = _leaving_address(terms.by_mail, delivery)
            self.links[ALL_MAIL] = self._leaving(delivery.recipient)
            self.links[THESE_TAGS] = self._leaving(delivery.recipient, options.tags)
            if options.group is not None:
                tags = (tag_of_group(options.group.id),)
                self.links[THIS_GROUP] = self._leaving(delivery.recipient, tags, options.group.name)

    def copy(self, content: bytes, layouts: dict[Place, Layout]) -> bytes:
        """Return the copy; a layout that is found among ``layouts``, or put there, holds for all recipients."""
        layout = layouts.get(self._place)
        if layout is None:
            layout = layouts[self._place] = lay_out(content, self._place, self._wishes)
        leaving = self.links.get(THIS_GROUP) or self.links.get(ALL_MAIL, "")
        return layout.filled(self._signer, leaving, self._leaving_address)

    def _leaving(self, address: str, tags: tuple[str, ...] = (), title: str = "") -> str:
        payload = leaving_payload(Leaving(address, tags, title))
        link = self._place.link(Kind.UNSUBSCRIBE) + self._signer.token(Kind.UNSUBSCRIBE, payload)
        # Many long tags fit in no link; the address alone always does.
        return self._leaving(address) if tags and len(link) > LONGEST_URL else link


def _leaving_address(by_mail: LeavingByMail | None, delivery: Delivery) -> str:
    if by_mail is None:
        return ""
    return make_leaving_address(delivery.id, delivery.domain_id, delivery.recipient, host=by_mail.host, key=by_mail.key)
