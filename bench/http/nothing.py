"""``python -m bench.http.nothing``: the product's HTTP server with an application that reads a form and does nothing.

It is the limit of what any application can reach on this server. Prints its port once it listens.
"""

import asyncio
import os

import uvloop
from starlette.types import Receive, Scope, Send

from postroad.httpd.server import HttpServer
from postroad.net.listen import Endpoint, bind

_ANSWER = b'{"id":"<06n1dhyh1r810@bench.example>","message":"Queued. Thank you."}'
_PROCESSES = 2


async def app(_scope: Scope, receive: Receive, send: Send) -> None:
    """Read a body and answer as if it had been taken."""
    while (await receive()).get("more_body"):
        pass
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(_ANSWER))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": _ANSWER})


def main() -> None:
    """Serve in as many processes as a node of the bench has workers, until ended."""
    slots = bind(Endpoint("127.0.0.1", 0), _PROCESSES)
    if os.fork() == 0:
        sockets = slots[1]
    else:
        sockets = slots[0]
        print(sockets[0].getsockname()[1], flush=True)

    async def serve() -> None:
        await HttpServer(app, sockets).start()
        while os.getppid() != 1:
            await asyncio.sleep(0.5)

    uvloop.run(serve())


if __name__ == "__main__":
    main()
