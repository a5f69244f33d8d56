"""Which large mailbox provider a destination belongs to, for metrics that must not grow with every domain."""

OTHER = "other"

_DOMAINS = {
    "gmail": ("gmail.com", "googlemail.com"),
    "microsoft": ("outlook.com", "hotmail.com", "live.com", "msn.com", "hotmail.co.uk", "hotmail.fr", "outlook.de"),
    "yahoo": ("yahoo.com", "ymail.com", "rocketmail.com", "aol.com", "yahoo.co.uk", "yahoo.fr", "yahoo.de"),
    "apple": ("icloud.com", "me.com", "mac.com"),
    "gmx": ("gmx.de", "gmx.net", "gmx.com", "gmx.at", "gmx.ch", "web.de"),
    "comcast": ("comcast.net", "xfinity.com"),
    "orange": ("orange.fr", "wanadoo.fr"),
    "seznam": ("seznam.cz", "email.cz", "post.cz"),
    "proton": ("proton.me", "protonmail.com", "pm.me"),
    "mail_ru": ("mail.ru", "bk.ru", "list.ru", "inbox.ru"),
    "yandex": ("yandex.ru", "yandex.com", "ya.ru"),
    "qq": ("qq.com", "foxmail.com"),
}
_PROVIDERS = {domain: provider for provider, domains in _DOMAINS.items() for domain in domains}

PROVIDERS = (*_DOMAINS, OTHER)
"""Every class there is; the cap of the label."""


def provider_of(destination: str) -> str:
    """Return the provider of a destination, or ``other``."""
    return _PROVIDERS.get(destination, OTHER)
