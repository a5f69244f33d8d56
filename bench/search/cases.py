"""What is looked for, and how many messages must be found on the first page."""

from bench.search.rows import BIG, MIDDLE, NOW, SMALL
from postroad.model.delivery import Standing
from postroad.model.ids import range_of, text_of
from postroad.model.search_words import destination_key, message_id_key, recipient_key
from postroad.storage.message_search import Wanted

_DAY_MS = 86_400_000


def cases(count: int, some_id: int) -> dict[str, Wanted]:
    """Return searches by what they are, for a database of ``count`` messages of which one has ``some_id``."""
    first = text_of(some_id)[:7]
    return {
        "everything": Wanted(account_id=BIG),
        "everything, all accounts": Wanted(),
        "everything, one domain": Wanted(account_id=BIG, domain_id=11),
        "a day three weeks ago": Wanted(account_id=BIG, since=NOW - 21 * _DAY_MS, until=NOW - 20 * _DAY_MS),
        "id": Wanted(account_id=BIG, lowest_id=some_id, highest_id=some_id),
        "first 7 characters of an id": Wanted(
            account_id=BIG, lowest_id=range_of(first)[0], highest_id=range_of(first)[1]
        ),
        "common word": Wanted(account_id=BIG, words=("newsletter",)),
        "two common words": Wanted(account_id=BIG, words=("weekly", "newsletter")),
        "common words that never meet": Wanted(account_id=BIG, words=("password", "newsletter")),
        "common word's beginning": Wanted(account_id=BIG, word_prefix="news"),
        "one letter": Wanted(account_id=BIG, word_prefix="n"),
        "word with an accent left out": Wanted(account_id=BIG, words=("cafe",)),
        "rare word": Wanted(account_id=BIG, words=("xylophone",)),
        "rare word's beginning": Wanted(account_id=BIG, word_prefix="xylo"),
        "rare word, all accounts": Wanted(words=("xylophone",)),
        "word of old messages only": Wanted(account_id=BIG, words=("campaign",)),
        "beginning of a word of old messages only": Wanted(account_id=BIG, word_prefix="campai"),
        "word that is nowhere": Wanted(account_id=BIG, words=("zeppelin",)),
        "rare recipient": Wanted(account_id=BIG, keys=(recipient_key("zoe@rare.example"),)),
        "rare recipient, all accounts": Wanted(keys=(recipient_key("zoe@rare.example"),)),
        "frequent recipient": Wanted(account_id=BIG, keys=(recipient_key("ops@often.example"),)),
        "recipient that is nowhere": Wanted(account_id=BIG, keys=(recipient_key("nobody@nowhere.example"),)),
        "common beginning of recipients": Wanted(account_id=BIG, key_prefix=recipient_key("user1")),
        "rare beginning of recipients": Wanted(account_id=BIG, key_prefix=recipient_key("zo")),
        "recipient domain": Wanted(account_id=BIG, keys=(destination_key("d7.example"),)),
        "Message-ID": Wanted(account_id=BIG, keys=(message_id_key(f"<{count // 2}@example.com>"),)),
        "delivered": Wanted(account_id=BIG, standing=Standing.DELIVERED),
        "bounced": Wanted(account_id=BIG, standing=Standing.BOUNCED),
        "deferred": Wanted(account_id=BIG, standing=Standing.DEFERRED),
        "scheduled": Wanted(account_id=BIG, standing=Standing.SCHEDULED),
        "cancelled: rare": Wanted(account_id=BIG, standing=Standing.CANCELLED),
        "held: none": Wanted(account_id=BIG, standing=Standing.HELD),
        "common word, bounced": Wanted(account_id=BIG, words=("newsletter",), standing=Standing.BOUNCED),
        "common word, cancelled": Wanted(account_id=BIG, words=("newsletter",), standing=Standing.CANCELLED),
        "rare word, delivered": Wanted(account_id=BIG, words=("xylophone",), standing=Standing.DELIVERED),
        "common word, rare recipient": Wanted(
            account_id=BIG, words=("newsletter",), keys=(recipient_key("zoe@rare.example"),)
        ),
        "frequent recipient, word, domain": Wanted(
            account_id=BIG, domain_id=11, words=("order",), keys=(recipient_key("ops@often.example"),)
        ),
        "bounced a week ago": Wanted(
            account_id=BIG, standing=Standing.BOUNCED, since=NOW - 8 * _DAY_MS, until=NOW - 7 * _DAY_MS
        ),
        "middle account, everything": Wanted(account_id=MIDDLE),
        "middle account, rare word": Wanted(account_id=MIDDLE, words=("xylophone",)),
        "middle account, frequent word": Wanted(account_id=MIDDLE, words=("order",)),
        "small account, everything": Wanted(account_id=SMALL),
        "small account, common word": Wanted(account_id=SMALL, words=("newsletter",)),
        "small account, recipient of the big one": Wanted(account_id=SMALL, keys=(recipient_key("ops@often.example"),)),
        "small account, cancelled": Wanted(account_id=SMALL, standing=Standing.CANCELLED),
    }
