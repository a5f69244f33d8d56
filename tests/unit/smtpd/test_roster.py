"""What sessions share: their number, their clients and the octets they hold."""

import asyncio

from postroad.smtpd.roster import ByteBudget, Roster


class Guest:
    def __init__(self, roster: Roster, *, leaves: bool) -> None:
        self.roster = roster
        self.leaves = leaves
        self.was_aborted = False

    def leave(self) -> None:
        if self.leaves:
            self.roster.quit(self)

    def abort(self) -> None:
        self.was_aborted = True
        self.roster.quit(self)


def test_a_budget_gives_no_more_than_it_has() -> None:
    budget = ByteBudget(100)

    assert budget.take(60)
    assert not budget.take(41)
    assert budget.used == 60
    assert budget.take(40)
    budget.give_back(100)
    assert budget.used == 0


def test_sessions_beyond_the_limit_are_not_let_in() -> None:
    roster = Roster(2, 10)

    assert [roster.enter(Guest(roster, leaves=True)) for _ in range(3)] == [True, True, False]
    assert (roster.opened, roster.turned_away) == (3, 1)


def test_one_client_has_only_so_many_sessions() -> None:
    roster = Roster(10, 2)

    assert [roster.claim("192.0.2.1") for _ in range(3)] == [True, True, False]
    assert roster.claim("192.0.2.2")
    roster.release("192.0.2.1")
    roster.release("192.0.2.1")
    assert roster.claim("192.0.2.1")


async def test_dismissing_waits_for_those_who_leave_and_ends_those_who_do_not() -> None:
    roster = Roster(10, 10)
    polite, stubborn = Guest(roster, leaves=True), Guest(roster, leaves=False)
    roster.enter(polite)
    roster.enter(stubborn)
    await asyncio.wait_for(roster.dismiss(0.01), 5)

    assert not polite.was_aborted
    assert stubborn.was_aborted
    assert not roster.enter(Guest(roster, leaves=True))
