"""PostgreSQL as Django speaks to it, but whether a kept connection still stands is seen without a trip there."""

import select

from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    """Asked at the start of every request, Django's own check would be a third of a small request's statements."""

    def is_usable(self) -> bool:
        """Whether the server has left the connection open: an idle one has nothing to read, an ended one its end."""
        if self.connection is None or self.connection.closed:
            return False
        poller = select.poll()
        poller.register(self.connection.fileno(), select.POLLIN | select.POLLRDHUP)
        return not poller.poll(0)
