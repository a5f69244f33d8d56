"""Sending by HTTP, in whatever dialect: for which domain a key sends, and a call's message handed in like any other."""

from collections.abc import Sequence

import msgspec
from starlette.requests import Request

from postroad.dialects.call import Call
from postroad.httpd.api.proof import client_address
from postroad.httpd.api.services import ApiServices, Receipt, Refusals
from postroad.model.credential import CredentialKind, KeyPrincipal, Principal
from postroad.model.dedupe import NamedCall
from postroad.model.domain import SendingDomain
from postroad.model.envelope import Envelope
from postroad.model.submission import ClientFacts, Rejected, Submission
from postroad.net.address import Networks
from postroad.policy.admission import RULES
from postroad.policy.explanation import ExplainedCall
from postroad.policy.network_list import networks_in
from postroad.protocol.smtp.address import AddressError, normal_domain
from postroad.storage import domains

_BY_ACCOUNT_KEY = "sent with an API key of the whole account; one of the domain can do less harm"
_NOBODY = Envelope("", ())


class Sending(msgspec.Struct, frozen=True, kw_only=True):
    """One call that sends: who calls, and for which domain."""

    services: ApiServices
    key: KeyPrincipal
    domain: SendingDomain
    client: ClientFacts
    received_at: int
    call: NamedCall | None = None
    """What the call is known by when it is repeated, where its caller named it."""

    async def submit(self, call: Call) -> Receipt | Rejected:
        """Hand the message in; returns once it is on disk. Raises StorageError."""
        return await self.services.submissions.submit(self._submission(call))

    async def submit_all(
        self, calls: Sequence[Call], *, is_kept: bool = True, is_held: bool = False
    ) -> tuple[Receipt, ...] | Refusals:
        """Hand several messages in, all of them or none; returns once they are on disk. Raises StorageError."""
        submissions = [self._submission(one, is_held=is_held) for one in calls]
        return await self.services.submissions.submit_all(submissions, is_kept=is_kept)

    async def explain(self, calls: Sequence[Call]) -> ExplainedCall:
        """Return what would become of messages; nothing is stored or counted."""
        return await self.services.submissions.explain([self._submission(one) for one in calls])

    def _submission(self, call: Call, *, is_held: bool = False) -> Submission:
        notes = call.option_notes if self.key.sending_domain else (*call.option_notes, _BY_ACCOUNT_KEY)
        return Submission(
            principal=self._principal(),
            envelope=call.envelope,
            content=call.content,
            subject=call.subject,
            options=call.options,
            option_sources=call.option_sources,
            option_notes=notes,
            received_at=self.received_at,
            client=self.client,
            is_held=is_held,
            call=self.call,
        )

    async def note_refused(self, text: str, size: int) -> None:
        """Record that a call was refused for what it says, so that people find it among the events."""
        submission = Submission(
            principal=self._principal(),
            envelope=_NOBODY,
            content=b"",
            received_at=self.received_at,
            client=self.client,
        )
        rejected = Rejected("call_malformed", RULES["call_malformed"][0], text)
        await self.services.submissions.note_rejected(submission, rejected, size)

    def _principal(self) -> Principal:
        key = self.key.key
        return Principal(key.account_id, self.domain.id, self.domain.name, key.id, key.prefix, CredentialKind.API_KEY)


async def domain_for(services: ApiServices, key: KeyPrincipal, name: str) -> SendingDomain | None:
    """Return the domain that a call names, if the key sends for it: its one domain, or one of its account's."""
    try:
        wanted = normal_domain(name)
    except AddressError:
        return None
    domain_id = key.key.domain_id
    if domain_id is not None:
        return await services.domains.get(domain_id) if wanted == key.sending_domain else None
    found = await services.database.read(domains.by_name, wanted)
    return found if found is not None and found.account_id == key.key.account_id else None


def refusal_of_way(request: Request, key: KeyPrincipal, domain: SendingDomain) -> str | None:
    """Return why a domain takes no calls that come this way, or None."""
    settings = domain.settings
    if settings.submission_requires_tls and request.scope["scheme"] != "https":
        return f"{domain.name} takes mail over encrypted connections only: call https."
    address = client_address(request)
    # A domain's own key was held to them when it was checked.
    if key.sending_domain is None and settings.submission_networks:
        networks = networks_in(settings.submission_networks)
        if networks and address not in Networks(networks):
            return f"{domain.name} takes no mail from {address or 'this address'}."
    return None


def sending_by(
    services: ApiServices, request: Request, key: KeyPrincipal, domain: SendingDomain, channel: str
) -> Sending:
    """Return what hands in the messages of a call that came now."""
    protocol = "HTTPS" if request.scope["scheme"] == "https" else "HTTP"
    client = ClientFacts(address=client_address(request), protocol=protocol, channel=channel)
    return Sending(services=services, key=key, domain=domain, client=client, received_at=services.clock())
