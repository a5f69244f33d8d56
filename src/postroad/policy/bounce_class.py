"""Why a reply refuses mail, in the small vocabulary that statistics count.

What the text says is asked first, because many hosts give the same code for everything; then the enhanced status
(RFC 3463), then the basic code with the phase it came in.
"""

import re

from postroad.model.outcome import BounceClass, Phase

_WORDS: tuple[tuple[BounceClass, tuple[str, ...]], ...] = (
    (
        BounceClass.QUOTA,
        (
            r"over ?quota",
            r"quota (?:exceeded|full)",
            r"exceed\w* .{0,40}quota",
            r"(?:mailbox|inbox) (?:is |has been |was )?(?:full|exceeded)",
            r"(?:not enough|insufficient) (?:system )?(?:storage|disk|space)",
            r"out of (?:storage|space)",
        ),
    ),
    (
        BounceClass.INACTIVE_MAILBOX,
        (
            (
                r"(?:account|mailbox|user|recipient|address)\b.{0,60}\b"
                r"(?:disabled|inactive|suspended|deactivated|expired)"
            ),
            r"no longer (?:active|in use|available|with us)",
        ),
    ),
    (
        BounceClass.SPAM,
        (
            r"\bspam\b|\buce\b|unsolicited|bulk mail|junk ?mail",
            r"spamhaus|spamcop|barracuda",
            r"\b[dr]n?s?bl\b|\bblock ?list|\bblack ?list|reputation",
        ),
    ),
    (BounceClass.CONTENT, (r"\bvirus|malware|phish|infected|attachment|executable content",)),
    (
        BounceClass.BAD_MAILBOX,
        (
            r"user unknown|unknown user",
            r"no such (?:user|mailbox|recipient|person|account|address)",
            (
                r"(?:user|mailbox|recipient|account|address)\b.{0,60}"
                r"(?:not found|does(?: not|n't) exist|unknown|invalid|not exist)"
            ),
            r"(?:unknown|invalid) (?:recipient|mailbox|address)",
            r"not our customer|undeliverable address",
        ),
    ),
    (
        BounceClass.BAD_DOMAIN,
        (r"(?:domain|host) (?:not found|does not exist|unknown)", r"unrout(?:e)?able|no such domain"),
    ),
    (
        BounceClass.ROUTING,
        (r"relay(?:ing)? (?:access )?(?:denied|not permitted|not allowed)", r"too many hops|mail loop"),
    ),
    (
        BounceClass.POLICY,
        (
            r"\bspf\b|\bdkim\b|\bdmarc\b|\bptr\b|reverse dns",
            r"policy|not authori[sz]ed|access denied",
            r"rate limit|throttl|too many (?:messages|connections|recipients)|gr[ae]y ?list",
        ),
    ),
)

_BY_TEXT = tuple((re.compile("|".join(words), re.IGNORECASE), bounce_class) for bounce_class, words in _WORDS)

# RFC 3463 §3: by subject and detail; a null detail stands for the rest of its subject.
_BY_STATUS: dict[tuple[int, int | None], BounceClass] = {
    (1, 2): BounceClass.BAD_DOMAIN,
    (1, 7): BounceClass.POLICY,  # A bad sender's mailbox address.
    (1, 8): BounceClass.POLICY,  # A bad sender's system address.
    (1, 10): BounceClass.BAD_DOMAIN,  # RFC 7505 §4.1: null MX.
    (1, None): BounceClass.BAD_MAILBOX,
    (2, 1): BounceClass.INACTIVE_MAILBOX,
    (2, 2): BounceClass.QUOTA,
    (2, 3): BounceClass.CONTENT,  # Longer than this mailbox takes.
    (2, None): BounceClass.BAD_MAILBOX,
    (3, 1): BounceClass.QUOTA,
    (3, 4): BounceClass.CONTENT,  # Too big for the system.
    (3, None): BounceClass.OTHER,
    (4, None): BounceClass.ROUTING,
    (5, 3): BounceClass.POLICY,  # Too many recipients.
    (5, None): BounceClass.PROTOCOL,
    (6, 7): BounceClass.PROTOCOL,  # RFC 6531 §3.5: SMTPUTF8 is needed.
    (6, None): BounceClass.CONTENT,
    (7, None): BounceClass.POLICY,
}

_BY_CODE: dict[int, BounceClass] = {
    500: BounceClass.PROTOCOL,
    501: BounceClass.PROTOCOL,
    502: BounceClass.PROTOCOL,
    503: BounceClass.PROTOCOL,
    504: BounceClass.PROTOCOL,
    521: BounceClass.BAD_DOMAIN,  # RFC 7504 §4: a host that takes no mail at all.
    556: BounceClass.BAD_DOMAIN,  # RFC 7504 §5: a domain that takes no mail.
    555: BounceClass.PROTOCOL,
    452: BounceClass.QUOTA,
    552: BounceClass.QUOTA,
}

_BY_CODE_AT_RCPT: dict[int, BounceClass] = {
    550: BounceClass.BAD_MAILBOX,
    551: BounceClass.BAD_MAILBOX,
    553: BounceClass.BAD_MAILBOX,
}


def bounce_class_of(phase: Phase, code: int | None, enhanced_status: str | None, text: str) -> BounceClass:
    """Return the class of a refusal."""
    for pattern, bounce_class in _BY_TEXT:
        if pattern.search(text):
            return bounce_class
    if enhanced_status is not None:
        found = _of_status(enhanced_status)
        if found is not None:
            return found
    if code is None:
        return BounceClass.OTHER
    if phase is Phase.RCPT and code in _BY_CODE_AT_RCPT:
        return _BY_CODE_AT_RCPT[code]
    return _BY_CODE.get(code, BounceClass.OTHER)


def _of_status(enhanced_status: str) -> BounceClass | None:
    # RFC 3463 §2: X.0.Z says nothing about the reason, so the code is asked.
    _, subject, detail = (int(number) for number in enhanced_status.split("."))
    return _BY_STATUS.get((subject, detail)) or _BY_STATUS.get((subject, None))
