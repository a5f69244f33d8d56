from postroad.upkeep.pulse import Pulse


def test_signs_of_life_are_steady_since_the_first_of_an_unbroken_row() -> None:
    pulse = Pulse(1_000_000)
    for at in range(1_005_000, 1_065_000, 5_000):
        pulse.beat(at)
    assert pulse.steady_ms(1_062_000) == 62_000


def test_one_that_could_not_be_written_breaks_the_row() -> None:
    pulse = Pulse(1_000_000)
    pulse.beat(1_005_000)
    pulse.miss()
    assert pulse.steady_ms(1_010_000) == 0
    pulse.beat(1_015_000)
    assert pulse.steady_ms(1_016_000) == 1_000


def test_one_that_came_late_breaks_the_row_as_does_one_that_is_awaited() -> None:
    pulse = Pulse(1_000_000)
    pulse.beat(1_015_000)
    assert pulse.steady_ms(1_030_000) == 30_000
    assert pulse.steady_ms(1_030_001) == 0
    pulse.beat(1_030_001)
    assert pulse.steady_ms(1_031_001) == 1_000


def test_a_clock_that_was_put_back_makes_nobody_steady() -> None:
    assert Pulse(1_000_000).steady_ms(900_000) == 0
