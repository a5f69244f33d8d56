"""``/api/postroad/v1/messages/{message_id}``: how a message stands, and what can be done to what waits of it."""

from collections.abc import Awaitable, Callable

from postroad.dialects.postroad.message_states import (
    CANCEL_MESSAGE,
    HOLD_MESSAGE,
    RELEASE_MESSAGE,
    RETRY_MESSAGE,
    SHOW_MESSAGE,
    SteeredMessage,
)
from postroad.httpd.api.postroad.calls import Call, served, served_as_it_is
from postroad.httpd.api.postroad.messages import cancel, show
from postroad.messages.steering import Verb
from postroad.model.ids import from_text
from postroad.model.refused import MissingError


def _steering(verb: Verb) -> Callable[[Call[None, None]], Awaitable[SteeredMessage]]:
    async def steer(call: Call[None, None]) -> SteeredMessage:
        try:
            message_id = from_text(call.request.path_params["message_id"])
        except ValueError as error:
            raise MissingError("There is no such message.") from error
        return SteeredMessage(deliveries=await call.management.messages.steer(call.managing.actor, message_id, verb))

    return steer


SERVED = (
    served_as_it_is(SHOW_MESSAGE, show),
    served_as_it_is(CANCEL_MESSAGE, cancel),
    served(HOLD_MESSAGE, _steering(Verb.HOLD)),
    served(RELEASE_MESSAGE, _steering(Verb.RELEASE)),
    served(RETRY_MESSAGE, _steering(Verb.RETRY)),
)
