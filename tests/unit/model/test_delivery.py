"""Deliveries: which states are final, and the lanes that take turns."""

import pytest

from postroad.model.delivery import DeliveryState, lane_of


@pytest.mark.parametrize("state", DeliveryState)
def test_only_what_still_waits_is_not_final(state: DeliveryState) -> None:
    waits = {DeliveryState.SCHEDULED, DeliveryState.LEASED, DeliveryState.HELD}

    assert state.is_final is (state not in waits)


def test_a_lane_is_one_domain_towards_one_destination() -> None:
    lanes = {lane_of(domain, destination) for domain in range(50) for destination in ("a.example", "b.example")}

    assert len(lanes) == 100
    assert all(0 <= lane < 2**63 for lane in lanes)
    assert lane_of(1, "a.example") == lane_of(1, "a.example")


def test_a_lane_is_the_same_in_every_version() -> None:
    """Lanes are stored: rows written before an upgrade share the turn of those written after it."""
    assert lane_of(1, "example.net") == 2_269_043_235_484_429_652
