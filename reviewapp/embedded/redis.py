"""The embedded Redis: a foreground child on a Unix socket that carries wake-ups only."""

import signal
import subprocess
import time
from pathlib import Path
from urllib.parse import quote

import redis

from reviewapp.embedded import binaries, leftovers, paths, tether
from reviewapp.embedded.account import Account, server_account
from reviewapp.embedded.paths import Unavailable

STOP = ((signal.SIGTERM, 5.0),)

CONFIGURATION = """\
{listen}
dir "{directory}"
daemonize no
loglevel warning
logfile ""
save ""
appendonly yes
appendfsync everysec
maxmemory 256mb
maxmemory-policy noeviction
"""
SOCKET = 'port 0\nunixsocket "{socket}"\nunixsocketperm 700'
TCP = 'bind 127.0.0.1\nport {port}\nrequirepass "{password}"'


class EmbeddedRedis:
    """One server below the data directory; the caller holds the lock of that directory."""

    def __init__(self, data: Path, *, tcp_port: int | None = None) -> None:
        self.data = data
        self.directory = data / "redis"
        self._tcp_port = tcp_port
        self._account = Account()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """What REDIS_URL would say for this server."""
        if self._tcp_port is None:
            return paths.redis_client_url(self.data)
        password = quote(paths.secret(self.data, "redis_password"), safe="")
        return f"redis://:{password}@127.0.0.1:{self._tcp_port}/0"

    @property
    def account(self) -> Account:
        return self._account

    def prepare(self) -> None:
        """Ends what a killed supervisor left and writes the configuration."""
        program = binaries.redis_server()
        self._account = server_account()
        paths.ensure_data_dir(self.data)
        self._account.check_access(program=program, directory=self.data)
        self._account.own(paths.ensure_runtime_dir(self.data, owner=self._account.uid))
        self.directory.mkdir(mode=0o700, exist_ok=True)
        self._account.own(self.directory)
        leftovers.end(self.directory, "redis-server")
        self._configure()

    def command(self) -> list[str]:
        """The argument list of the server in the foreground."""
        return [*self._account.prefix, str(binaries.redis_server()), str(self._configuration)]

    def start(self) -> None:
        """Spawns the server and waits until it answers."""
        self.prepare()
        log = self.data / "redis.log"
        with log.open("wb") as output:
            self._process = tether.spawn(
                self.command(),
                account=self._account,
                death_signal=signal.SIGTERM,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        while not self.ready():
            if self._process.poll() is not None:
                said = log.read_text(errors="replace").strip().splitlines()[-3:]
                raise Unavailable(f"Redis did not start in {self.directory}: {' '.join(said)}")
            time.sleep(0.02)

    def stop(self) -> None:
        if self._process is not None:
            tether.stop(self._process, signals=STOP)
            self._process = None

    def ready(self) -> bool:
        client = redis.Redis.from_url(self.url, socket_timeout=2, socket_connect_timeout=2)
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
        finally:
            client.close()

    @property
    def _configuration(self) -> Path:
        return self.directory / "redis.conf"

    def _configure(self) -> None:
        """A file, not arguments: every user sees those in the process list, the password with them."""
        if self._tcp_port is None:
            listen = SOCKET.format(socket=_quoted(paths.redis_socket(self.data)))
        else:
            password = paths.secret(self.data, "redis_password")
            listen = TCP.format(port=self._tcp_port, password=password)
        self._configuration.touch(mode=0o600)
        self._configuration.write_text(CONFIGURATION.format(listen=listen, directory=_quoted(self.directory)))
        self._account.own(self._configuration)


def _quoted(path: Path) -> str:
    return str(path).replace("\\", "\\\\").replace('"', '\\"')
