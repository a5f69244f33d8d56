"""The data plane: large, and named by ``partition``. Instants are BIGINT milliseconds since 1970."""

from sqlalchemy import BigInteger, Boolean, Column, Integer, LargeBinary, Table, Text

from postroad.storage.schema.metadata import metadata

messages = Table(
    "messages",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("partition", Integer, nullable=False),
    Column("account_id", BigInteger, nullable=False),
    Column("domain_id", BigInteger, nullable=False),
    Column("credential_id", BigInteger, nullable=False),
    Column("reverse_path", Text, nullable=False),
    Column("header_from", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("message_id_header", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("recipient_count", Integer, nullable=False),
    Column("accepted_at", BigInteger, nullable=False),
    Column("client_address", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("is_eight_bit", Boolean, nullable=False),
    Column("is_utf8", Boolean, nullable=False),
    Column("ret", Text),
    Column("envid", Text),
    Column("is_report", Boolean, nullable=False),
    Column("keep_content_ms", BigInteger, nullable=False),
    Column("open_deliveries", Integer, nullable=False),
    Column("finished_at", BigInteger),
    Column("content_until", BigInteger),
    Column("options", Text),
    Column("told_header", LargeBinary),
)
"""``told_header`` is read for webhook calls alone, and outlasts the content (``policy.told_header``)."""

bodies = Table(
    "bodies",
    metadata,
    Column("message_id", BigInteger, primary_key=True),
    Column("partition", Integer, nullable=False),
    Column("content", LargeBinary, nullable=False),
)
"""The first 256 KB of each message's content."""

body_chunks = Table(
    "body_chunks",
    metadata,
    Column("message_id", BigInteger, primary_key=True),
    Column("sequence", Integer, primary_key=True),
    Column("partition", Integer, nullable=False),
    Column("content", LargeBinary, nullable=False),
)
"""What comes after the first 256 KB, numbered from 1: apart, because one short key keeps ordinary messages cheap (decision
0004)."""

rendered = Table(
    "rendered",
    metadata,
    Column("delivery_id", BigInteger, primary_key=True),
    Column("partition", Integer, nullable=False),
    Column("message_id", BigInteger, nullable=False),
    Column("content", LargeBinary, nullable=False),
)
"""What deliveries in test mode would have sent."""

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("partition", Integer, nullable=False),
    Column("message_id", BigInteger, nullable=False),
    Column("account_id", BigInteger, nullable=False),
    Column("domain_id", BigInteger, nullable=False),
    Column("recipient", Text, nullable=False),
    Column("destination", Text, nullable=False),
    Column("pool", Text, nullable=False),
    Column("lane", BigInteger, nullable=False),
    # Minus the priority, so that one ascending index serves a lane in the order in which it leaves.
    Column("rank", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("due_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("accepted_at", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("notify", Integer, nullable=False),
    Column("original_recipient", Text),
    Column("lease_owner", BigInteger),
    Column("lease_epoch", Integer, nullable=False),
    Column("lease_until", BigInteger),
    Column("last_reply", Text),
    Column("maybe_delivered", Boolean, nullable=False),
    Column("options", Text),
)

dedupe_keys = Table(
    "dedupe_keys",
    metadata,
    Column("key", LargeBinary, primary_key=True),
    Column("partition", Integer, nullable=False),
    Column("message_id", BigInteger, nullable=False),
    Column("delivery_id", BigInteger, nullable=False),
    Column("content", LargeBinary),
    Column("expires_at", BigInteger, nullable=False, index=True),
)
"""What repeated messages are noticed by, one row for each recipient; distributed by the key, which is a hash. The partition
is that of the delivery."""

call_keys = Table(
    "call_keys",
    metadata,
    Column("key", LargeBinary, primary_key=True),
    Column("content", LargeBinary, nullable=False),
    Column("answer", LargeBinary, nullable=False),
    Column("expires_at", BigInteger, nullable=False, index=True),
)
"""What calls were answered with, by the key that names them; distributed by that key, which is a hash."""

"""Whom sending domains do not mail; distributed by the key, a hash of domain and address. Lists go by two more indexes."""

"""Uploaded lists and how far each has come."""

batch_messages = Table(
    "batch_messages",
    metadata,
    Column("message_id", BigInteger, primary_key=True),
    Column("partition", Integer, nullable=False),
    Column("domain_id", BigInteger, nullable=False),
    Column("batch_id", Text, nullable=False, index=True),
)
"""Which messages a client will hold or cancel together."""

search_entries = Table(
    "search_entries",
    metadata,
    Column("message_id", BigInteger, primary_key=True),
    Column("partition", Integer, nullable=False),
    Column("account_id", BigInteger, nullable=False),
    Column("domain_id", BigInteger, nullable=False),
    Column("terms", Text, nullable=False),
)
"""What each message is found by, filled behind the flow (decision 0012); its terms have a full-text index."""

search_progress = Table(
    "search_progress",
    metadata,
    Column("name", Text, primary_key=True),
    Column("message_id", BigInteger, nullable=False),
)
"""How far each pass of filling the search index has come."""

events = Table(
    "events",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("partition", Integer, nullable=False),
    Column("type", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("account_id", BigInteger, nullable=False),
    Column("domain_id", BigInteger, nullable=False),
    Column("message_id", BigInteger),
    Column("delivery_id", BigInteger),
    Column("recipient", Text),
    Column("data", Text, nullable=False),
)

"""How many feedback reports came to what, since the installation was made: commands read them too, whom nobody scrapes."""

webhook_calls = Table(
    "webhook_calls",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("partition", Integer, nullable=False),
    Column("receiver", BigInteger, nullable=False),
    Column("account_id", BigInteger, nullable=False),
    Column("domain_id", BigInteger, nullable=False),
    Column("event_id", BigInteger, nullable=False),
    Column("message_id", BigInteger),
    Column("created_at", BigInteger, nullable=False),
    Column("due_at", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("url", Text),
    Column("format", Text),
)
"""Events that are still to be posted; address and format only where a message names them."""

webhook_attempts = Table(
    "webhook_attempts",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("partition", Integer, nullable=False),
    Column("call_id", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("account_id", BigInteger, nullable=False),
    Column("domain_id", BigInteger, nullable=False),
    Column("receiver", BigInteger, nullable=False),
    Column("url", Text, nullable=False),
    Column("format", Text, nullable=False),
    Column("event_ids", Text, nullable=False),
    Column("event_types", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("result", Text, nullable=False),
    Column("duration_ms", Integer, nullable=False),
    Column("status", Integer),
    Column("error", Text, nullable=False),
    Column("request_headers", Text, nullable=False),
    Column("reply", Text, nullable=False),
    Column("is_test", Boolean, nullable=False),
)
"""The log of calls: one row for each attempt."""

webhook_attempt_messages = Table(
    "webhook_attempt_messages",
    metadata,
    Column("message_id", BigInteger, primary_key=True),
    Column("attempt_id", BigInteger, primary_key=True),
    Column("partition", Integer, nullable=False),
)
"""The messages that attempts told of, for as long as those are kept."""

counter_deltas = Table(
    "counter_deltas",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("partition", Integer, nullable=False),
    Column("domain_id", BigInteger, nullable=False),
    Column("hour", Integer, nullable=False),
    Column("dimension", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("destination", Text, nullable=False),
    Column("bounce_class", Text, nullable=False),
    Column("is_expired", Boolean, nullable=False),
)
"""Counts of one transaction each; with what it counts by, the id of the first event it counts names a row, so that no
sequence is needed. The last three tell events of the dimension ``all`` apart: folding counts by them too, so that writing
events needs no row for each of them."""

counters_hourly = Table(
    "counters_hourly",
    metadata,
    Column("domain_id", BigInteger, primary_key=True),
    Column("dimension", Text, primary_key=True),
    Column("hour", Integer, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("type", Text, primary_key=True),
    Column("count", BigInteger, nullable=False),
)

counters_daily = Table(
    "counters_daily",
    metadata,
    Column("domain_id", BigInteger, primary_key=True),
    Column("dimension", Text, primary_key=True),
    Column("day", Integer, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("type", Text, primary_key=True),
    Column("count", BigInteger, nullable=False),
)

counters_four_weekly = Table(
    "counters_four_weekly",
    metadata,
    Column("domain_id", BigInteger, primary_key=True),
    Column("dimension", Text, primary_key=True),
    Column("four_weeks", Integer, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("type", Text, primary_key=True),
    Column("count", BigInteger, nullable=False),
)
