from reviewapp.gating.models.back_test import BackTest, BackTestChange
from reviewapp.gating.models.breaker import Breaker
from reviewapp.gating.models.cap import AutomaticCount
from reviewapp.gating.models.certificate import Certificate, LabelledHistory
from reviewapp.gating.models.circuit import Circuit
from reviewapp.gating.models.hold import Hold
from reviewapp.gating.models.ledger import AuditRate, LedgerEntry

__all__ = [
    "AuditRate",
    "AutomaticCount",
    "BackTest",
    "BackTestChange",
    "Breaker",
    "Certificate",
    "Circuit",
    "Hold",
    "LabelledHistory",
    "LedgerEntry",
]
