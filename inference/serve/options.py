"""How a scoring server is run."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Options:
    """Everything has a value that serves one model on one machine well."""

    host: str = "127.0.0.1"
    port: int = 8080  # 0: one that is free
    name: str = ""  # the bundle's own
    model_version: str = ""  # the bundle's digest
    token: str = ""
    threads: int = 1
    providers: Sequence[str] | None = None
    batch_rows: int = 256  # scored together at most
    max_rows: int = 4096  # of one request
    max_waiting_rows: int = 65_536
    max_body_bytes: int = 16 << 20
    max_connections: int = 1024
    run_timeout_s: float = 20.0
    request_timeout_s: float = 30.0
    idle_timeout_s: float = 300.0
    stop_timeout_s: float = 10.0
    certificate: Path | None = None
    key: Path | None = None
    reuse_port: bool = False
