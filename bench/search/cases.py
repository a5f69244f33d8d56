"""What is looked for, and how many messages must be found on the first page."""

from bench.search.rows import BIG, MIDDLE, NOW, SMALL
from postroad.model.delivery import Standing
from postroad.model.ids import range_of, text_of
from postroad.model.search_words import destination_term, message_id_term, recipient_term, tag_term
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
        "common word": Wanted(account_id=BIG, terms=("newsletter",)),
        "two common words": Wanted(account_id=BIG, terms=("weekly", "newsletter")),
        "common words that never meet": Wanted(account_id=BIG, terms=("password", "newsletter")),
        "common word's beginning": Wanted(account_id=BIG, beginnings=("news",)),
        "one letter": Wanted(account_id=BIG, beginnings=("n",)),
        "word with an accent left out": Wanted(account_id=BIG, terms=("cafe",)),
        "rare word": Wanted(account_id=BIG, terms=("xylophone",)),
        "rare word's beginning": Wanted(account_id=BIG, beginnings=("xylo",)),
        "rare word, all accounts": Wanted(terms=("xylophone",)),
        "word of old messages only": Wanted(account_id=BIG, terms=("campaign",)),
        "beginning of a word of old messages only": Wanted(account_id=BIG, beginnings=("campai",)),
        "word that is nowhere": Wanted(account_id=BIG, terms=("zeppelin",)),
        "rare recipient": Wanted(account_id=BIG, terms=(recipient_term("zoe@rare.example"),)),
        "rare recipient, all accounts": Wanted(terms=(recipient_term("zoe@rare.example"),)),
        "frequent recipient": Wanted(account_id=BIG, terms=(recipient_term("ops@often.example"),)),
        "recipient that is nowhere": Wanted(account_id=BIG, terms=(recipient_term("nobody@nowhere.example"),)),
        "common beginning of recipients": Wanted(account_id=BIG, beginnings=(recipient_term("user1"),)),
        "rare beginning of recipients": Wanted(account_id=BIG, beginnings=(recipient_term("zo"),)),
        "recipient domain": Wanted(account_id=BIG, terms=(destination_term("d7.example"),)),
        "common tag": Wanted(account_id=BIG, terms=(tag_term("newsletter"),)),
        "rare tag": Wanted(account_id=BIG, terms=(tag_term("rare tag"),)),
        "rare tag, all accounts": Wanted(terms=(tag_term("RARE TAG"),)),
        "tag of old messages only": Wanted(account_id=BIG, terms=(tag_term("winter campaign"),)),
        "tag of one message": Wanted(account_id=BIG, terms=(tag_term(f"order {count // 2}"),)),
        "tag that is nowhere": Wanted(account_id=BIG, terms=(tag_term("zeppelin"),)),
        "common tag, common word": Wanted(account_id=BIG, terms=(tag_term("newsletter"), "newsletter")),
        "common tag, cancelled": Wanted(account_id=BIG, terms=(tag_term("newsletter"),), standing=Standing.CANCELLED),
        "small account, tag of the big one": Wanted(account_id=SMALL, terms=(tag_term("rare tag"),)),
        "Message-ID": Wanted(account_id=BIG, terms=(message_id_term(f"<{count // 2}@example.com>"),)),
        "delivered": Wanted(account_id=BIG, standing=Standing.DELIVERED),
        "bounced": Wanted(account_id=BIG, standing=Standing.BOUNCED),
        "deferred": Wanted(account_id=BIG, standing=Standing.DEFERRED),
        "scheduled": Wanted(account_id=BIG, standing=Standing.SCHEDULED),
        "cancelled: rare": Wanted(account_id=BIG, standing=Standing.CANCELLED),
        "held: none": Wanted(account_id=BIG, standing=Standing.HELD),
        "common word, bounced": Wanted(account_id=BIG, terms=("newsletter",), standing=Standing.BOUNCED),
        "common word, cancelled": Wanted(account_id=BIG, terms=("newsletter",), standing=Standing.CANCELLED),
        "rare word, delivered": Wanted(account_id=BIG, terms=("xylophone",), standing=Standing.DELIVERED),
        "common word, rare recipient": Wanted(account_id=BIG, terms=("newsletter", recipient_term("zoe@rare.example"))),
        "frequent recipient, word, domain": Wanted(
            account_id=BIG, domain_id=11, terms=("order", recipient_term("ops@often.example"))
        ),
        "bounced a week ago": Wanted(
            account_id=BIG, standing=Standing.BOUNCED, since=NOW - 8 * _DAY_MS, until=NOW - 7 * _DAY_MS
        ),
        "middle account, everything": Wanted(account_id=MIDDLE),
        "middle account, rare word": Wanted(account_id=MIDDLE, terms=("xylophone",)),
        "middle account, frequent word": Wanted(account_id=MIDDLE, terms=("order",)),
        "small account, everything": Wanted(account_id=SMALL),
        "small account, common word": Wanted(account_id=SMALL, terms=("newsletter",)),
        "small account, recipient of the big one": Wanted(
            account_id=SMALL, terms=(recipient_term("ops@often.example"),)
        ),
        "small account, cancelled": Wanted(account_id=SMALL, standing=Standing.CANCELLED),
    }
