"""The nodes that scenarios share: one on each engine, from the first test that asks for it to the last scenario."""

from collections.abc import Iterator

import pytest

from tests.peers.postgres import postgres_database
from tests.scenarios.product import DOMAIN
from tests.scenarios.world import FIELD, World, running_world

ZONES = {
    FIELD: (
        # Two hosts, of which the better one does not answer (nothing listens on 127.0.0.110).
        "fallback MX 10 dead\nfallback MX 20 mx20\ndead A 127.0.0.110\n"
        "ranked MX 20 mx22\nranked MX 10 mx21\n"
        "implicit A 127.0.0.24\n"
        "nomail MX 0 .\n"
        "aliased CNAME to25\n"
        "nowhere MX 10 no-such-host\n"
        # The node's own name is among the hosts, once as the best one and once behind another.
        "loop MX 10 mail.node.test.\nbefore MX 10 mx26\nbefore MX 20 mail.node.test.\n"
    ),
    # NSD answers SERVFAIL for a zone that it cannot read.
    "broken.test": "@ MX not a record",
    "node.test": "mail A 127.0.0.1",
    # The sending domain receives too: reports go there.
    DOMAIN: "@ MX 10 mx\nmx A 127.0.0.50",
}
SETTINGS = {
    "smtp": {"hostname": "mail.node.test"},
    "submission": {"expires_after_s": 600},
    "tracking": {"host": "t.node.test"},
    "domains": {"inbound_host": "mail.node.test"},
}


@pytest.fixture(scope="package")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with running_world(tmp_path_factory.mktemp("world"), zones=ZONES, settings=SETTINGS) as running:
        yield running


@pytest.fixture(scope="package")
def postgres_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with (
        postgres_database() as server,
        running_world(
            tmp_path_factory.mktemp("postgres-world"),
            zones=ZONES,
            settings=SETTINGS,
            database_url=server.url,
            workers=2,
        ) as running,
    ):
        yield running


@pytest.fixture(params=["world", "postgres_world"], ids=["sqlite", "postgres"])
def each_world(request: pytest.FixtureRequest) -> World:
    """The node on either engine: for what matters most."""
    found: World = request.getfixturevalue(request.param)
    return found
