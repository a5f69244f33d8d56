"""What a User-Agent says of a recipient's program, system and device, as far as events show it (RFC 9110 §10.1.5)."""

import functools

import msgspec

_PROGRAMS = (
    ("googleimageproxy", "Gmail"), ("ggpht.com", "Gmail"), ("yahoomailproxy", "Yahoo Mail"), ("thunderbird/", "Thunderbird"),
    ("microsoft outlook", "Outlook"), ("ms-office", "Outlook"), ("msoffice", "Outlook"), ("edg/", "Edge"), ("edga/", "Edge"),
    ("edgios/", "Edge"), ("opr/", "Opera"), ("samsungbrowser/", "Samsung Internet"), ("firefox/", "Firefox"),
    ("fxios/", "Firefox"), ("crios/", "Chrome"), ("chrome/", "Chrome"),
)  # fmt: skip
_SYSTEMS = (
    ("windows", "Windows"), ("iphone", "iOS"), ("ipad", "iPadOS"), ("android", "Android"), ("cros", "ChromeOS"),
    ("mac os x", "macOS"), ("macintosh", "macOS"), ("linux", "Linux"),
)  # fmt: skip


class Client(msgspec.Struct, frozen=True):
    """A program as people know it; empty where its own words do not say."""

    program: str = ""
    system: str = ""
    device: str = ""
    """``desktop``, ``mobile`` or ``tablet``."""


@functools.lru_cache(maxsize=2000)
def client_of(agent: str) -> Client:
    """Read a User-Agent."""
    words = agent.lower()
    program = next((name for word, name in _PROGRAMS if word in words), "")
    if program in {"Gmail", "Yahoo Mail"}:
        # Their proxies ask, and make the rest up.
        return Client(program)
    system = next((name for word, name in _SYSTEMS if word in words), "")
    if not program and "applewebkit" in words and system in {"iOS", "iPadOS", "macOS"}:
        # Mail shows pages by the same engine, and leaves out the browser's own name.
        program = "Safari" if "safari/" in words else "Apple Mail"
    return Client(program, system, _device(words, system))


def _device(words: str, system: str) -> str:
    if system == "iPadOS" or "tablet" in words or (system == "Android" and "mobile" not in words):
        return "tablet"
    if system in {"iOS", "Android"}:
        return "mobile"
    return "desktop" if system else ""
