"""What a User-Agent says of program, system and device."""

import pytest

from postroad.tracking.client import Client, client_of


@pytest.mark.parametrize(
    ("agent", "client"),
    [
        ("", Client()),
        ("Mozilla/5.0", Client()),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", Client("Firefox", "Linux", "desktop")),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0 Safari/537.36 Edg/131.0",
            Client("Edge", "Windows", "desktop"),
        ),
        (
            "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0 Mobile Safari/537.36",
            Client("Chrome", "Android", "mobile"),
        ),
        ("Mozilla/5.0 (Linux; Android 14; SM-X710) AppleWebKit/537.36 Chrome/131.0 Safari/537.36", Client("Chrome", "Android", "tablet")),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
            Client("Safari", "iOS", "mobile"),
        ),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)", Client("Apple Mail", "macOS", "desktop")),
        ("Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)", Client("Gmail")),
        ("Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.5)", Client("Outlook", "Windows", "desktop")),
    ],
)  # fmt: skip
def test_a_user_agent_is_read(agent: str, client: Client) -> None:
    assert client_of(agent) == client
