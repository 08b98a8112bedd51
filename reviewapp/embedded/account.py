"""The account that the embedded servers run under: PostgreSQL refuses to run as root."""

import os
import pwd
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from reviewapp.embedded.paths import Unavailable

# PostgreSQL sees user 1000 while the files stay root's, so directories closed to everybody else still work.
NAMESPACE = ("unshare", "--user", "--map-user=1000", "--map-group=1000", "--")
REMEDY = "run reviewapp as an ordinary user, or set DATABASE_URL and REDIS_URL to servers of your own"


@dataclass(frozen=True)
class Account:
    """How to become the account: a command in front, or another user."""

    prefix: tuple[str, ...] = ()
    uid: int | None = None
    gid: int | None = None

    @property
    def popen(self) -> dict[str, Any]:
        if self.uid is None:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def own(self, path: Path) -> None:
        """Hands a directory of ours to the account; a no-op unless it is another user."""
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)

    def check_access(self, *, program: Path, directory: Path) -> None:
        """Refuses, with the remedy, when the account cannot run the program or enter the directory."""
        for path, test in ((program, "-x"), (directory, "-x")):
            if not self._runs("test", test, str(path)):
                raise Unavailable(f"PostgreSQL does not run as root, and its account may not use {path}: {REMEDY}.")

    def _runs(self, *argv: str) -> bool:
        try:
            done = subprocess.run(  # noqa: S603 fixed programs
                [*self.prefix, *argv], capture_output=True, timeout=10, check=False, cwd="/", **self.popen
            )
        except (OSError, subprocess.SubprocessError):
            return False
        return done.returncode == 0


@cache
def server_account() -> Account:
    """Ourselves, or, for root, a user namespace; where those are refused, the user nobody."""
    if os.geteuid() != 0:
        return Account()
    candidates = [Account(prefix=NAMESPACE)]
    try:
        nobody = pwd.getpwnam("nobody")
        candidates.append(Account(uid=nobody.pw_uid, gid=nobody.pw_gid))
    except KeyError:
        pass
    for account in candidates:
        if account._runs("true"):
            return account
    raise Unavailable(
        "PostgreSQL does not run as root, and this system refuses user namespaces "
        f"(unshare of util-linux 2.38 or newer) and a change of user: {REMEDY}."
    )
