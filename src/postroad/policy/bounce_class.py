"""Why a reply refuses mail, in the small vocabulary that statistics count.

What the text says is asked first, because many hosts give the same code for everything; then the enhanced status
(RFC 3463), then the basic code with the phase it came in.
"""

import re

from postroad.model.outcome import BounceClass, Phase

_WORDS: tuple[tuple[BounceClass, tuple[str, ...]], ...] = (
    # First what is about us, whatever it says of addresses: "Sender address rejected: Domain not found" is about ours.
    (
        BounceClass.SPAM,
        (
            r"\bip\b.{0,60}\b(?:blocked|banned|listed|denied|refused|rejected)\b",
            (
                r"\b(?:(?:your|client|sending) (?:host|server|network|address)|host is|server is)\b.{0,40}\b"
                r"(?<!not )(?:blocked|banned|listed|denied|refused|rejected)\b"
            ),
            (
                r"\b(?:mail|messages?|connections?) from \[?(?:\d{1,3}\.){3}\d{1,3}\b.{0,40}"
                r"(?:blocked|denied|refused|rejected|not accepted)"
            ),
            r"low trust",
        ),
    ),
    (
        BounceClass.POLICY,
        (
            (
                r"\b(?:sender|mail[ -]?from|(?:from|return|envelope)[ -](?:address|path|from))\b.{0,40}\b"
                r"(?:reject|refus|den(?:y|ied)|block|bann|disabled|suspended|invalid|unknown|bad|not (?:found|exist|"
                r"allow|permit|accept|valid|authori)|does(?: not|n't) (?:exist|have|resolve)|no such)"
            ),
            r"sender verif|verif\w{1,20} (?:failed )?(?:of|for) (?:the )?sender|badmailfrom|\(#5\.7\.\d{1,3}\)",
            r"(?:invalid|unknown|bad|rejected|blocked|denied) (?:envelope )?sender\b",
            r"\byour (?:account|domain|organi[sz]ation)\b.{0,60}(?:suspended|disabled|blocked|not allowed)",
            r"(?:not allowed|not permitted|no permission) to send|(?:administrative|local) (?:prohibition|polic)",
            r"\b(?:helo|ehlo)\b.{0,40}(?:invalid|reject|bad|not)|(?:invalid|bad) (?:helo|ehlo)",
            r"at a rate that|rate limit|receiving (?:mail|messages) too (?:quickly|fast|often)",
        ),
    ),
    (BounceClass.OTHER, (r"(?:internal|configuration|server|system|database) (?:\w+ )?error|\b\w{0,40}exception\b",)),
    (
        BounceClass.QUOTA,
        (
            r"over ?quota",
            r"quota (?:exceeded|full)",
            r"exceed\w{0,20} .{0,40}quota",
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
            r"no such (?:local )?(?:user|mailbox|recipient|person|account|address)",
            r"not a (?:valid|known|local) (?:user|mailbox|recipient|address)",
            (
                # An IP address that is not found has no name (PTR).
                r"(?:user|mailbox|recipient|account|(?<!ip )(?<!client )(?<!host )(?<!server )address)\b.{0,60}"
                r"(?:not found|does(?: not|n't) exist|unknown|invalid|not exist)"
            ),
            r"(?:unknown|invalid) (?:recipient|mailbox|address)",
            r"not our customer|undeliverable address|(?:doesn't|does not) have an? .{1,60}account",
            r"no mailbox (?:here )?by that name|not listed in (?:the )?(?:domino|public name|address)",
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

_MOST_TEXT = 4096
"""What a host says behind these is not looked at: it may send 64 KB."""
# The local part is looked for once, where it begins, and not at each letter of it.
_ADDRESS = re.compile(r"(?<![^\s<>@])[^\s<>@]++@[^\s<>@]++")
"""An address says nothing: ``<spam@receiver.example>: user unknown`` is not about spam."""
_BARELY_GONE = re.compile(
    # RFC 5321 §4.2.3: the text of 550, whole or cut short.
    r"mailbox (?:is )?(?:unavailable|not available)|requested (?:mail )?action not taken\W{0,40}(?:$|\(in reply)|^no mailbox\b",
    re.IGNORECASE,
)
"""What hosts say, with the code of a bad mailbox, that say no more."""
_GONE = frozenset({BounceClass.BAD_MAILBOX, BounceClass.INACTIVE_MAILBOX})

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
    named = _of_text(text)
    if named is not None:
        return named
    if enhanced_status is not None:
        found = _of_status(enhanced_status)
        if found is not None:
            return found
    if code is None:
        return BounceClass.OTHER
    if phase is Phase.RCPT and code in _BY_CODE_AT_RCPT:
        return _BY_CODE_AT_RCPT[code]
    return _BY_CODE.get(code, BounceClass.OTHER)


def says_mailbox_is_gone(text: str) -> bool:
    """Whether the words of a refusal say, without its codes, that nobody reads mail at the address."""
    named = _of_text(text)
    return named in _GONE if named is not None else _BARELY_GONE.search(text[:_MOST_TEXT]) is not None


def _of_text(text: str) -> BounceClass | None:
    words = _ADDRESS.sub("", text[:_MOST_TEXT])
    return next((bounce_class for pattern, bounce_class in _BY_TEXT if pattern.search(words)), None)


def _of_status(enhanced_status: str) -> BounceClass | None:
    # RFC 3463 §2: X.0.Z says nothing about the reason, so the code is asked.
    _, subject, detail = (int(number) for number in enhanced_status.split("."))
    return _BY_STATUS.get((subject, detail)) or _BY_STATUS.get((subject, None))
