"""Which command is in order when: what the module does is what the table in its docstring says."""

import pytest

from postroad.protocol.smtp import order
from postroad.protocol.smtp.command import parse_command
from postroad.protocol.smtp.order import SILENT, TRANSACTION, State, out_of_order

LINES = {
    "EHLO": b"EHLO c",
    "HELO": b"HELO c",
    "AUTH": b"AUTH PLAIN",
    "STARTTLS": b"STARTTLS",
    "MAIL": b"MAIL FROM:<a@b.test>",
    "RCPT": b"RCPT TO:<c@d.test>",
    "DATA": b"DATA",
    "BDAT": b"BDAT 1",
}
ALWAYS = (b"RSET", b"NOOP", b"VRFY a", b"EXPN a", b"HELP", b"QUIT")
TAKES_COMMANDS = [State.GREETED, State.READY, State.MAIL, State.RCPT, State.CHUNKS]


def _table() -> dict[State, set[str]]:
    """Return the verbs that the docstring's table has in order in each state that takes commands."""
    rows = [line.split("  ") for line in (order.__doc__ or "").splitlines() if line.startswith("    ")]
    cells = {row[2].split()[0]: next(cell for cell in row[3:] if cell) for row in rows if row[2:]}
    return {state: {verb for verb in cells[state.name].split() if verb in LINES} for state in TAKES_COMMANDS}


@pytest.mark.parametrize("state", TAKES_COMMANDS)
def test_a_command_is_in_order_where_the_table_says_so(state: State) -> None:
    in_order = {verb for verb, line in LINES.items() if out_of_order(parse_command(line), state) is None}

    # EHLO and HELO are never refused for their place: they end what was begun.
    assert in_order == _table()[state] | {"EHLO", "HELO"}


@pytest.mark.parametrize("line", ALWAYS)
@pytest.mark.parametrize("state", TAKES_COMMANDS)
def test_some_commands_are_in_order_wherever_one_is(line: bytes, state: State) -> None:
    assert out_of_order(parse_command(line), state) is None


@pytest.mark.parametrize(
    ("line", "state", "reply"),
    [
        (b"MAIL FROM:<a@b.test>", State.GREETED, "503 5.5.1 Send EHLO first"),
        (b"RCPT TO:<c@d.test>", State.READY, "503 5.5.1 Send MAIL FROM first"),
        (b"DATA", State.MAIL, "554 5.5.1 No valid recipients; send RCPT TO first"),
        (b"MAIL FROM:<a@b.test>", State.RCPT, "503 5.5.1 Not within a transaction; finish it or send RSET first"),
        (b"AUTH PLAIN", State.RCPT, "503 5.5.1 Not within a transaction; finish it or send RSET first"),
        (b"DATA", State.CHUNKS, "503 5.5.1 The message is being sent by BDAT; go on so, or send RSET first"),
    ],
)
def test_the_reply_says_what_comes_first(line: bytes, state: State, reply: str) -> None:
    assert str(out_of_order(parse_command(line), state)) == reply


def test_no_state_is_both_silent_and_in_a_transaction() -> None:
    assert not SILENT & TRANSACTION
