"""Where the embedded services keep their files and sockets; read by settings, so standard library only."""

import fcntl
import hashlib
import os
import secrets
import stat
import tempfile
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent.parent
DATABASE = "reviewapp"
POSTGRES_PORT = 5432


class Unavailable(Exception):
    """Something this machine lacks; str() is one sentence that names the remedy."""


def data_dir() -> Path:
    """The directory of everything an installation without its own servers keeps."""
    given = os.environ.get("REVIEWAPP_DATA_DIR")
    return Path(given).expanduser().absolute() if given else BASE_DIR / ".data"


def ensure_data_dir(data: Path) -> None:
    """Creates the data directory and proves that a file can be written in it.

    Root's may be entered, though not read: its servers may have to run as somebody else.
    """
    mode = 0o711 if os.geteuid() == 0 else 0o700
    try:
        data.mkdir(mode=mode, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=data):
            pass
    except OSError as error:
        raise Unavailable(
            f"The data directory {data} cannot be written ({error.strerror}); "
            "name another with --data-dir or REVIEWAPP_DATA_DIR."
        ) from error


def runtime_dir(data: Path) -> Path:
    """The directory of the sockets: short, because a Unix socket path ends at 107 bytes.

    It does not follow TMPDIR where /tmp serves: two shells on one data directory find the same sockets.
    """
    digest = hashlib.sha256(os.fsencode(os.path.realpath(data))).hexdigest()[:12]
    parent = Path("/tmp")  # noqa: S108 ownership and mode are verified before use
    if not os.access(parent, os.W_OK | os.X_OK):
        parent = Path(tempfile.gettempdir())
    return parent / f"reviewapp-{os.getuid()}-{digest}"


def ensure_runtime_dir(data: Path, *, owner: int | None = None) -> Path:
    """Creates the socket directory; refuses one that others could have put there or can enter."""
    directory = runtime_dir(data)
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
        found = directory.lstat()
    except OSError as error:
        raise Unavailable(f"The socket directory {directory} cannot be made ({error.strerror}).") from error
    trusted = {os.geteuid()} if owner is None else {os.geteuid(), owner}
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in trusted or stat.S_IMODE(found.st_mode) & 0o077:
        raise Unavailable(f"The socket directory {directory} is not private to this user; remove it.")
    return directory


def postgres_conninfo(data: Path) -> dict[str, str]:
    """Django's DATABASES keys; the port is named because PGPORT would stand in for an empty one."""
    return {"HOST": str(runtime_dir(data)), "PORT": str(POSTGRES_PORT), "NAME": DATABASE, "USER": DATABASE}


def redis_socket(data: Path) -> Path:
    return runtime_dir(data) / "redis.sock"


def redis_url(data: Path) -> str:
    """The address as kombu, and so Celery, reads it."""
    return f"redis+socket://{redis_socket(data)}"


def redis_client_url(data: Path) -> str:
    """The address as redis-py reads it."""
    return f"unix://{redis_socket(data)}"


def secret(data: Path, name: str) -> str:
    """A random value kept in a private file; made once, also when several processes ask at the same time."""
    ensure_data_dir(data)
    try:
        descriptor = os.open(data / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "r+", encoding="ascii") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            value = file.read().strip()
            if not value:
                value = secrets.token_urlsafe(48)
                file.write(value)
        return value
    except OSError as error:
        raise Unavailable(f"The file {data / name} cannot be read ({error.strerror}).") from error
