"""A backup of a running node, restored elsewhere, delivers what waited; and what a node refuses to start upon."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from postroad.model.event import EventType
from postroad.storage.migrate import run
from tests.peers.postgres import postgres_database
from tests.scenarios.product import DOMAIN, Product
from tests.scenarios.world import World, destination, last_event, letter, only_delivery, prepare
from tests.waiting import within

pytestmark = pytest.mark.peer("nsd")


def beside(world: World, directory: Path, database_url: str = "") -> World:
    """Return a node that asks the same name server, not yet filled or started."""
    settings: dict[str, Any] = {
        "delivery": {
            "port": world.port,
            "retry_schedule": "1s",
            "queue": {"poll_ms": 100, "first_pause_s": 1, "longest_pause_s": 1},
        },
        "dns": {"resolvers": [world.authority.resolver]},
    }
    product = Product(directory, smarthost_port=None, workers=1, database_url=database_url, settings=settings)
    other = World(product, world.authority, world.port)
    other.database_url = database_url
    return other


async def test_the_restored_node_delivers_what_waited_and_signs_it(each_world: World, tmp_path: Path) -> None:
    number = 86
    waiting = each_world.submit(f"a@{destination(number)}", content=letter(subject="waited"))
    await each_world.story_when(waiting, lambda story: only_delivery(story).attempts > 0)
    file = tmp_path / "backup.tar"
    each_world.product.run("backup", str(file))
    # Not while an attempt is under way, and there is one each second.
    cancelled = ("queue", "cancel", "--destination", destination(number), "--yes")
    within(20, lambda: each_world.product.run_json(*cancelled)["changed"], pause_s=0.3)
    assert file.stat().st_mode & 0o077 == 0

    with _empty_database(each_world) as url:
        restored = beside(each_world, tmp_path / "restored", url)
        restored.product.run("restore", str(file))
        async with restored.receiver(number) as host:
            with restored.product:
                story = await restored.finished(waiting, timeout_s=30)
                with restored.client():
                    pass
        with pytest.raises(RuntimeError, match="restore into an empty"):
            restored.product.run("restore", str(file))

    assert last_event(story, EventType.DELIVERED).data["selectors"] == [f"postroad1._domainkey.{DOMAIN}"]
    assert len(host.messages) == 1


@contextlib.contextmanager
def _empty_database(world: World) -> Iterator[str]:
    """Give the URL of an empty database of the same engine as the node's."""
    if not world.database_url:
        yield ""
        return
    with postgres_database() as server:
        yield server.url


def prepared(world: World, directory: Path) -> Product:
    """Return a node with a schema and a key of its own."""
    product = beside(world, directory).product
    prepare(product)
    return product


def test_a_second_node_on_the_same_folder_is_refused(world: World, tmp_path: Path) -> None:
    second = beside(world, tmp_path / "second").product
    second.configure({"data_dir": str(world.product.data_dir)})
    with pytest.raises(RuntimeError, match="another Postroad runs in"):
        second.start()

    assert world.product.is_ready()


def test_a_newer_schema_and_a_foreign_master_key_are_refused(world: World, tmp_path: Path) -> None:
    product = prepared(world, tmp_path / "node")
    own_key = (product.data_dir / "master.key").read_bytes()
    other = prepared(world, tmp_path / "other")
    shutil.copy2(other.data_dir / "master.key", product.data_dir / "master.key")
    with pytest.raises(RuntimeError, match="master key"):
        product.start()
    (product.data_dir / "master.key").write_bytes(own_key)

    _set_schema(product, "9999")
    with pytest.raises(RuntimeError, match="newer"):
        product.start()
    with pytest.raises(RuntimeError, match="newer"):
        product.run("domain", "list")


def _set_schema(product: Product, name: str) -> None:
    statement = sqlalchemy.text("UPDATE alembic_version SET version_num = :name")

    def change(connection: sqlalchemy.Connection) -> None:
        connection.execute(statement, {"name": name})
        connection.commit()

    run("", product.data_dir, change)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"smtp": {"lisen": ["127.0.0.1:0"]}}, "did you mean smtp.listen"),
        ({"delivery": {"retry_schedule": "soon"}}, "'soon' is not a pause"),
        ({"delivery": {"port": 70_000}}, "delivery.port"),
        ({"smtp": {"listen": ["mail.example:587"]}}, "names a host"),
        ({"tls": {"certificate": "/nonexistent.pem"}}, "/nonexistent.pem"),
        ({"dns": {"resolvers": ["not-an-address"]}}, "not-an-address"),
    ],
    ids=["unknown-key", "schedule", "bounds", "listen", "certificate", "resolver"],
)
def test_a_configuration_that_makes_no_sense_is_refused_in_a_sentence(
    world: World, tmp_path: Path, settings: dict[str, Any], sentence: str
) -> None:
    product = beside(world, tmp_path / "node").product
    product.configure(settings)
    with pytest.raises(RuntimeError, match="is not ready") as refused:
        product.start()

    assert sentence in str(refused.value)
    assert "Traceback" not in str(refused.value)
