"""Whether what was found in DNS does what an expected record is for; equal text is not what matters."""

import enum

import msgspec

from postroad.policy.records import ExpectedRecord, RecordPurpose
from postroad.protocol.dkim.key import RecordFault, parse_record, parse_tags


class Found(msgspec.Struct, frozen=True):
    """What a look-up gave: the records of one name and type."""

    texts: tuple[str, ...] = ()
    """TXT records with their strings joined, ``10 host`` of MX, ``0 1 587 host`` of SRV, targets of CNAME."""
    failure: str = ""
    """Why nothing is known, in one sentence; empty where the look-up worked."""


class VerdictStatus(enum.Enum):
    """How a published record compares with the expected one."""

    OK = "ok"
    MISSING = "missing"
    DIFFERENT = "different"
    UNKNOWN = "unknown"
    """DNS gave no answer: neither a reason to start nor one to stop."""


class RecordVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """The comparison of one record."""

    expected: ExpectedRecord
    status: VerdictStatus
    found: str = ""
    """What is published, in one line."""
    hint: str = ""
    """One sentence that says what to change, where something should."""


def compare(expected: ExpectedRecord, found: Found) -> RecordVerdict:
    """Judge what was found at an expected record's name."""
    if found.failure:
        return RecordVerdict(
            expected=expected, status=VerdictStatus.UNKNOWN, hint=f"DNS gave no answer ({found.failure}); try again."
        )
    status, hint = _judge(expected, found.texts)
    return RecordVerdict(expected=expected, status=status, found=" | ".join(found.texts), hint=hint)


_Judgement = tuple[VerdictStatus, str]
_OK: _Judgement = (VerdictStatus.OK, "")


def _missing(hint: str) -> _Judgement:
    return VerdictStatus.MISSING, hint


def _different(hint: str) -> _Judgement:
    return VerdictStatus.DIFFERENT, hint


def _judge(expected: ExpectedRecord, texts: tuple[str, ...]) -> _Judgement:
    if expected.form == "CNAME":
        return _judge_alias(expected, texts)
    if expected.form == "MX":
        return _judge_exchanger(expected, texts)
    if expected.form == "SRV":
        return _judge_service(expected, texts)
    match expected.purpose:
        case RecordPurpose.RETURN_PATH_SPF:
            return _judge_spf(expected, texts)
        case RecordPurpose.DMARC:
            return _judge_dmarc(texts)
        case _:
            return _judge_key(expected, texts)


def _judge_alias(expected: ExpectedRecord, texts: tuple[str, ...]) -> _Judgement:
    if not texts:
        return _missing(f"Publish a CNAME at {expected.name} that leads to {expected.value}.")
    if [_host(text) for text in texts] == [_host(expected.value)]:
        return _OK
    return _different(f"The CNAME at {expected.name} leads elsewhere; it should lead to {expected.value}.")


def _judge_exchanger(expected: ExpectedRecord, texts: tuple[str, ...]) -> _Judgement:
    if not texts:
        return _missing(f"Publish the MX record {expected.value} at {expected.name}.")
    wanted = _host(expected.value.partition(" ")[2])
    preferences = [(int(preference), _host(host)) for preference, _, host in (text.partition(" ") for text in texts)]
    hosts = {host for _, host in preferences}
    if wanted not in hosts:
        return _different(f"Mail to {expected.name} goes to another host; its MX should be {wanted}.")
    # RFC 5321 §5.1: the lowest preference is tried first, so another host there would swallow what comes back.
    if hosts != {wanted} and min(preferences)[1] != wanted:
        return _different(f"Another host comes before {wanted} in the MX records of {expected.name}; remove it.")
    return _OK


def _judge_service(expected: ExpectedRecord, texts: tuple[str, ...]) -> _Judgement:
    if not texts:
        return _missing(f"Publish the SRV record {expected.value} at {expected.name}.")
    wanted = _place_of(expected.value)[1]
    places = sorted(_place_of(text) for text in texts)
    if wanted not in [place for _, place in places]:
        return _different(f"The SRV record at {expected.name} leads elsewhere; it should be {expected.value}.")
    # RFC 2782: clients try the lowest priority first.
    if places[0][0] < min(priority for priority, place in places if place == wanted):
        return _different(f"Another host comes before {wanted[1]} in the SRV records of {expected.name}; remove it.")
    return _OK


def _place_of(service: str) -> tuple[int, tuple[int, str]]:
    """Return priority, port and host of an SRV record; its weight says nothing of where it leads."""
    priority, _, port, host = service.split(" ", 3)
    return int(priority), (int(port), _host(host))


def _judge_spf(expected: ExpectedRecord, texts: tuple[str, ...]) -> _Judgement:
    # RFC 7208 §4.5: the version is a word of its own, other TXT records do not count, and two SPF records are an error.
    records = [text.lower().split() for text in texts]
    records = [words for words in records if words and words[0] == "v=spf1"]
    if not records:
        return _missing(f"Publish the TXT record {expected.value} at {expected.name}.")
    if len(records) > 1:
        return _different(
            f"There are {len(records)} SPF records at {expected.name}; receivers then use none: merge them."
        )
    needed = [word for word in expected.value.lower().split()[1:] if word != "-all"]
    lacking = [word for word in needed if word not in _passing(records[0])]
    if lacking:
        return _different(f"The SPF record at {expected.name} lacks {' '.join(lacking)} before its all.")
    return _OK


def _passing(words: list[str]) -> set[str]:
    """Return the mechanisms that let senders pass; those after ``all`` are never reached (RFC 7208 §5.1)."""
    passing = set()
    for word in words[1:]:
        if word.lstrip("+-~?") == "all":
            break
        if word[0] not in "-~?":
            passing.add(word.removeprefix("+"))
    return passing


def _judge_dmarc(texts: tuple[str, ...]) -> _Judgement:
    # RFC 9989 §4.10: records that do not begin with the version are discarded; of several none is used.
    records = [text for text in texts if text.partition(";")[0].replace(" ", "") == "v=DMARC1"]
    if not records:
        return _missing("Publish at least v=DMARC1; p=none, here or at a parent domain.")
    if len(records) > 1:
        return _different(f"There are {len(records)} DMARC records; receivers then use none: keep one.")
    # RFC 9989 §4.7: a record without p= means none; one with an unknown policy is most likely a slip.
    tags = parse_tags(records[0])
    if tags is None or tags.get("p", "none").lower() not in {"none", "quarantine", "reject"}:
        return _different("The DMARC record cannot be read: it should say p=none, p=quarantine or p=reject.")
    return _OK


def _judge_key(expected: ExpectedRecord, texts: tuple[str, ...]) -> _Judgement:
    """Compare key records by their key, however the text is cut and spaced."""
    if not texts:
        return _missing(f"Publish the TXT record at {expected.name}.")
    records = [text for text in texts if "p" in (parse_tags(text) or {})]
    if not records:
        return _different(f"The TXT record at {expected.name} is not a DKIM key: publish the value as it is shown.")
    # RFC 6376 §3.6.2.2: with several key records at one name the result is undefined.
    if len(records) > 1:
        return _different(f"There are {len(records)} DKIM keys at {expected.name}; remove all but the expected one.")
    record = parse_record(records[0])
    if isinstance(record, RecordFault):
        return _different(f"Receivers cannot use it: {record.text}.")
    if _key_value(records[0]) != _key_value(expected.value):
        return _different(f"Another key is published at {expected.name}: publish the value as it is shown.")
    if record.hashes and "sha256" not in record.hashes:
        return _different("The record's h= tag rules out SHA-256: remove the tag.")
    if not {"*", "email"} & set(record.services):
        return _different("The record's s= tag rules out mail: remove the tag.")
    if "y" in record.flags:
        return VerdictStatus.OK, "The record's t=y says that signatures are a test; remove it once mail flows."
    return _OK


def _key_value(text: str) -> str:
    return "".join((parse_tags(text) or {}).get("p", "").split())


def _host(text: str) -> str:
    return text.strip().rstrip(".").lower()
