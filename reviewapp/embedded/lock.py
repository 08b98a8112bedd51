"""At most one `up` per data directory; the kernel lifts the lock whatever way its holder ends."""

import fcntl
import os
from pathlib import Path

from reviewapp.embedded.paths import Unavailable


class DataLock:
    """Holds the directory for as long as it lives and tells others who holds it."""

    def __init__(self, data: Path) -> None:
        self._path = data / "up.lock"
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._descriptor, 400, 0).decode(errors="replace").strip()
            os.close(self._descriptor)
            raise Unavailable(
                f"reviewapp is already running on {data} ({holder or 'starting'}); "
                "stop it first, or name another --data-dir."
            ) from None
        # A clean end leaves the file empty.
        self.is_after_kill = os.fstat(self._descriptor).st_size > 0

    def tell(self, holder: str) -> None:
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, holder.encode(), 0)

    def release(self) -> None:
        os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)
