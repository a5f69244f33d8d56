"""Replies of the SMTP doors to what services decided: the only place where a verdict gets a reply code."""

from postroad.model.ids import text_of
from postroad.model.submission import Rejected
from postroad.policy.rbl import Listing
from postroad.protocol.smtp.reply import Reply

# RFC 5321 §4.2.3: the codes with a meaning of their own; any other rejection is 550, or 451 where it may pass.
_CODES = {
    "5.3.4": 552,
    "5.2.2": 552,
    "5.4.6": 554,
    "5.1.7": 553,
    "5.7.0": 530,
    "5.7.8": 535,
    "4.2.1": 450,
    "4.2.2": 452,
    "4.3.1": 452,
    "4.5.3": 452,
    "4.7.1": 452,
}

# Not for lack of room, as other mail that is put off with the same status: the mailbox is not available for now.
_CODES_OF_RULES = {"domain_paused": 450}

STORAGE_FAILED = Reply(451, "4.3.0", "The message could not be stored; try again later")
NO_ROOM = Reply(452, "4.3.1", "Too much mail is being received at once; try again later")
TIMED_OUT = Reply(421, "4.4.2", "Nothing came for too long, or too slowly; connect again")
TOO_MANY_SESSIONS = Reply(421, "4.7.0", "Too many connections; close some or try again later")
GOING_DOWN = Reply(421, "4.3.2", "The server is going down; try again soon")
RECIPIENT_OK = Reply(250, "2.1.5", "Recipient ok")
LOGGED_IN = Reply(235, "2.7.0", "Logged in")
LOGIN_WRONG = Reply(535, "5.7.8", "Name or password is wrong")
LOGIN_LOCKED = Reply(454, "4.7.0", "Too many logins have failed for this name or from this network; try again later")
LOGIN_BUSY = Reply(454, "4.7.0", "Logins cannot be checked at the moment; try again later")
LOGIN_ENDED = Reply(535, "5.7.8", "This login has ended; connect and log in again")
# RFC 4954 §6
LOGIN_NEEDS_TLS = Reply(538, "5.7.11", "This user logs in over encrypted connections only; use TLS")
ADDRESS_UNKNOWN = Reply(554, "5.7.1", "No user sends from this network address; log in on the submission port instead")


def reply_to(rejected: Rejected) -> Reply:
    """Return the reply that refuses a submission."""
    usual = 451 if rejected.enhanced_status.startswith("4") else 550
    code = _CODES_OF_RULES.get(rejected.rule) or _CODES.get(rejected.enhanced_status, usual)
    return Reply(code, rejected.enhanced_status, rejected.text)


def accepted_as(message_id: int) -> Reply:
    """Return the reply that takes responsibility for a message, with the id it can be found by."""
    return Reply(250, "2.0.0", f"Accepted as {text_of(message_id)}")


def listed(client_address: str, listing: Listing, *, is_permanent: bool) -> Reply:
    """Return the reply to a log-in from an address that is on a blocklist, with the list's own words."""
    text = f"{client_address} is listed by {listing.zone}" + (f": {listing.text}" if listing.text else "")
    # A client that is told to give up may drop the mail, and listings pass: the installation says which it wants.
    return Reply(554, "5.7.1", text) if is_permanent else Reply(454, "4.7.0", text)
