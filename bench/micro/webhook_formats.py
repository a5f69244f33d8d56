"""From a happening to a signed call, in each format: one event, and a full batch."""

from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from postroad.dialects import formats
from postroad.dialects.samples import sample
from postroad.model.credential import Secret
from postroad.model.event import EventType
from postroad.model.options import CallbackFormat
from postroad.model.webhook import Seal

_EVENT_KEY = ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
SEAL = Seal(
    call_id="06MPSP1ES0000",
    token="0123456789" * 5,
    now=1_795_775_401_000,
    keys=(Secret("prw_" + "k" * 49),),
    event_key=_EVENT_KEY,
)


def cases() -> dict[str, Callable[[], object]]:
    """Return the operations to time."""
    delivered = sample(EventType.DELIVERED)

    def calling(chosen: CallbackFormat, number: int) -> Callable[[], object]:
        made, happenings = formats.of(chosen), [delivered] * number
        return lambda: made.call(happenings, SEAL)

    single = {f"{one.value}, 1 delivered": calling(one, 1) for one in CallbackFormat}
    batches = {one: formats.of(one).batch for one in CallbackFormat}
    return single | {f"{one.value}, {size} delivered": calling(one, size) for one, size in batches.items() if size > 1}
