"""Reading what is piped to the command."""

import io

from postroad.cli.complaint import all_that_matters
from postroad.protocol.arf import MAX_OCTETS


def test_a_pipe_is_emptied_though_only_its_beginning_is_kept() -> None:
    pipe = io.BytesIO(b"a" * MAX_OCTETS + b"b" * 3 * MAX_OCTETS)

    assert all_that_matters(pipe) == b"a" * MAX_OCTETS
    assert pipe.read() == b""
