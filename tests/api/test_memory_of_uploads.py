"""Many large calls at once: how much memory what is made of them takes together."""

import asyncio
import base64
import json
import tracemalloc
from collections.abc import AsyncIterator, Iterator

import httpx2
import pytest

from postroad.accounts.api_key_check import ApiKeyCheck
from postroad.accounts.api_keys import ApiKeys
from postroad.httpd.api.app import api_app
from postroad.httpd.api.uploads import UploadLimits
from postroad.model.actor import SYSTEM
from postroad.model.domain import SendingDomain
from postroad.model.submission import Rejected, Submission
from postroad.submission.batch import Refusals

from .services import Receipt, TakenDown, api_services

MIB = 1024 * 1024
FILE = bytes(range(256)) * (4 * MIB // 256)
SMALL = UploadLimits(largest=16 * MIB, in_memory=16 * MIB, on_disk=1024 * MIB)
CALLS = 8
MOST = 40 * MIB
"""One call of 4 to 6 MB takes five times as much; eight of them would take more than a hundred."""


class Slow(TakenDown):
    """Takes a while to store a message, and lets go of it then."""

    async def submit(self, submission: Submission) -> Receipt | Rejected:
        await asyncio.sleep(0.1)
        return Receipt(len(submission.content), "<1@news.example.com>")

    async def submit_all(self, submissions: object, *, is_kept: bool = True) -> tuple[Receipt, ...] | Refusals:
        await asyncio.sleep(0.1)
        return (Receipt(1, "<1@news.example.com>"),)


@pytest.fixture
async def caller(check: ApiKeyCheck, keys: ApiKeys, domain: SendingDomain) -> AsyncIterator[httpx2.AsyncClient]:
    key = str((await keys.add_for_domain(SYSTEM, domain.name)).text)
    transport = httpx2.ASGITransport(app=api_app(api_services(check, Slow(), limits=SMALL)))
    base = "http://api.example.net"
    async with httpx2.AsyncClient(transport=transport, base_url=base, auth=("api", key)) as made:
        yield made


@pytest.fixture
def traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


def form() -> tuple[str, str, bytes]:
    fields = {"from": "hello@news.example.com", "to": "ada@example.net", "subject": "x", "text": "x"}
    part = b'--b\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n'
    texts = [part % (name.encode(), b"", value.encode()) for name, value in fields.items()]
    file = part % (b"attachment", b'; filename="a.bin"', FILE)
    return "/v3/news.example.com/messages", "multipart/form-data; boundary=b", b"".join((*texts, file, b"--b--\r\n"))


def document() -> tuple[str, str, bytes]:
    body = {
        "from": {"email": "hello@news.example.com"},
        "personalizations": [{"to": [{"email": "ada@example.net"}]}],
        "subject": "x",
        "content": [{"type": "text/plain", "value": "x"}],
        "attachments": [{"filename": "a.bin", "content": base64.b64encode(FILE).decode()}],
    }
    return "/v3/mail/send", "application/json", json.dumps(body).encode()


async def pieces(body: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(body), 65_536):
        yield body[at : at + 65_536]
        await asyncio.sleep(0)


@pytest.mark.parametrize("call", [form, document])
async def test_what_large_calls_become_takes_memory_for_a_few_at_a_time(
    caller: httpx2.AsyncClient, traced: None, call: object
) -> None:
    path, kind, body = form() if call is form else document()
    before, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()

    answers = await asyncio.gather(
        *(caller.post(path, content=pieces(body), headers={"Content-Type": kind}) for _ in range(CALLS))
    )

    assert {one.status_code for one in answers} <= {200, 202}
    _, peak = tracemalloc.get_traced_memory()
    assert peak - before < MOST
