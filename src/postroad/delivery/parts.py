"""What the tasks of one worker's delivery engine share."""

import msgspec

from postroad.delivery.contents import Contents
from postroad.delivery.givens import Givens
from postroad.delivery.leases import LeaseLedger
from postroad.delivery.router import Router
from postroad.delivery.settings import DeliverySettings
from postroad.delivery.settling import DeliveryMeter, SettlementWriter, Settler
from postroad.queue.scheduler import Scheduler
from postroad.storage.database import Database


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of a delivery engine, each the only one of its worker."""

    settings: DeliverySettings
    database: Database
    givens: Givens
    meter: DeliveryMeter
    ledger: LeaseLedger
    router: Router
    scheduler: Scheduler
    contents: Contents
    writer: SettlementWriter
    settler: Settler
