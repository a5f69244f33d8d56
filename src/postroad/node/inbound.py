"""The inbound door's services, each given what it needs of the others."""

from postroad.config import Settings
from postroad.domains.settings import installation_names
from postroad.feedback.complaints import Complaints, FeedbackKeys
from postroad.feedback.forwarding import Forwarder, ForwardTerms
from postroad.feedback.inbound import Arrival, Inbound, Target
from postroad.feedback.returns import Returns
from postroad.model.ids import IdSource
from postroad.model.submission import Rejected
from postroad.net.clock import now_ms
from postroad.node.installation import hostname_of
from postroad.node.keys import InstallationKeys
from postroad.smtpd.inbound import Post
from postroad.storage.database import Database
from postroad.telemetry.metrics import Meter


class InboundDoor:
    """What the sessions of the inbound door ask."""

    def __init__(self, inbound: Inbound) -> None:
        self._inbound = inbound
        self.target_of = inbound.target_of

    async def receive(self, post: Post[Target]) -> Rejected | None:
        """Keep a message safe, or say why it is refused."""
        offer = post.offer
        return await self._inbound.receive(
            Arrival(
                reverse_path=offer.mail.reverse_path,
                targets=post.targets,
                content=offer.content,
                faults=offer.faults,
                is_utf8=offer.mail.is_utf8,
                client=post.client,
            )
        )


def inbound_door(
    settings: Settings, database: Database, keys: InstallationKeys, ids: IdSource, meter: Meter
) -> InboundDoor:
    """Return what answers the inbound door."""

    def new_id(partition: int) -> int:
        return ids.next(now_ms(), partition)

    feedback_keys = FeedbackKeys([keys.identifier], [keys.return_path])
    complaints = Complaints(database, feedback_keys, now_ms, new_id)
    names = installation_names(settings.domains)
    terms = ForwardTerms(
        hostname=hostname_of(settings),
        names=names,
        pool=settings.submission.default_pool,
        expires_after_s=settings.submission.expires_after_s,
    )
    return InboundDoor(
        Inbound(
            database,
            keys=feedback_keys,
            names=names,
            returns=Returns(database, complaints, now_ms, new_id),
            complaints=complaints,
            forwarder=Forwarder(ids, terms),
            clock=now_ms,
            new_id=new_id,
            meter=meter,
        )
    )
