"""What would leave of messages that are only looked at: made by what makes every message that leaves."""

from collections.abc import Callable, Mapping, Sequence

from postroad.delivery.contents import Contents, Outgoing
from postroad.model.delivery import Delivery
from postroad.model.message import Accepted
from postroad.policy.explanation import Copy, NoCopy


class Previews:
    """Makes copies of messages that are not stored."""

    def __init__(self, make_contents: Callable[[], Contents]) -> None:
        self._make_contents = make_contents

    async def copies(self, accepted: Accepted, deliveries: Sequence[Delivery]) -> Mapping[int, Copy | NoCopy]:
        """Return what would leave for some of a message's recipients, by delivery."""
        contents = self._make_contents()
        contents.keep(accepted.message, accepted.content)
        made = await contents.outgoing(deliveries, {accepted.message.id: accepted.message})
        return {
            delivery_id: Copy(one.rendered.content, one.rendered.missing_variables)
            if isinstance(one, Outgoing)
            else NoCopy(one.text)
            for delivery_id, one in made.items()
        }
