"""How often a client may do something within a minute."""

from postroad.smtpd.rates import Rates


def test_each_client_has_a_share_of_each_minute() -> None:
    rates = Rates(2)
    assert [rates.take("a", 1_000) for _ in range(3)] == [True, True, False]
    assert rates.take("b", 1_000)
    assert not rates.take("a", 60_999)
    assert rates.take("a", 61_000)


def test_nought_is_no_limit() -> None:
    rates = Rates(0)
    assert all(rates.take("a", 1) for _ in range(10_000))
