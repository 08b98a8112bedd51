import os
import signal
import threading
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand

# Results are written under leases and in transactions: to end in the middle of work loses none of it.
GRACE = 1.5


class Command(BaseCommand):
    help = (
        "Finds work that nobody was told of, frees leases that ran out and runs the periodic jobs; "
        "does the work itself while the broker is away. Several may run: one leads, the others wait."
    )
    requires_system_checks: list[str] = []

    def handle(self, *_: Any, **_options: Any) -> None:
        from reviewapp.embedded.lanes import LANES
        from reviewapp.monitoring.sweeper import Sweeper

        sweeper = Sweeper(LANES)

        def end(_signal: int, _frame: FrameType | None) -> None:
            sweeper.stop.set()
            timer = threading.Timer(GRACE, os._exit, [0])
            timer.daemon = True
            timer.start()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, end)
        sweeper.run()
