"""What Mailgun's routes say is read; what is none is refused at once."""

import time

import pytest

from postroad.dialects.mailgun.routes import read_actions
from postroad.model.refused import RefusedError


@pytest.mark.parametrize(
    "text", ['forward("' + "a" * 4_000_000, "forward(" + " " * 4_000_000, 'forward("' + "\\" * 4_000_000]
)
def test_an_action_beyond_all_measure_is_refused_at_once(text: str) -> None:
    begun = time.process_time()
    with pytest.raises(RefusedError, match="is not understood"):
        read_actions([text])

    assert time.process_time() - begun < 0.1
