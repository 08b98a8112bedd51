"""Where a bundle without a graph of its own is served: an Open Inference Protocol v2 server."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from inference import fields

TIMEOUT_S, MAX_TIMEOUT_S = 2.0, 20.0
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True)
class RemoteSource:
    """The `remote` object of bundle.json. The version is pinned: a bundle never changes what it answers."""

    url: str
    model: str
    version: str
    timeout_s: float = TIMEOUT_S

    @property
    def origin(self) -> str:
        """Scheme, host and port, as an operator names the servers that may be called."""
        return origin_of(self.url)

    @property
    def path(self) -> str:
        return f"{urlsplit(self.url).path.rstrip('/')}/v2/models/{self.model}/versions/{self.version}"

    @classmethod
    def from_json(cls, source: Mapping[str, Any]) -> "RemoteSource | None":
        """Read the object out of bundle.json; None without one. Raises BundleRefused naming the field."""
        if source.get("remote") is None:
            return None
        given = fields.mapping(source, "remote")
        url = fields.text(given, "url", required=True)
        _check_url(url)
        for name in ("model", "version"):
            if not _NAME.fullmatch(fields.text(given, name)):
                raise fields.invalid(f"`remote.{name}`", "must be letters, digits, dots, dashes and underscores")
        timeout_s = fields.number(given, "timeout_s")
        timeout_s = TIMEOUT_S if timeout_s is None else timeout_s
        if not 0 < timeout_s <= MAX_TIMEOUT_S:
            raise fields.invalid("`remote.timeout_s`", f"must be above 0 and at most {MAX_TIMEOUT_S:g} seconds")
        return cls(url=url, model=given["model"], version=given["version"], timeout_s=timeout_s)


def origin_of(url: str) -> str:
    """Scheme, host and port of an address, with the port that is meant where none is named."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}:{port}"


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        is_plain = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        is_plain = False
    if not is_plain or parts.username or parts.password or parts.query or parts.fragment or not url.isascii():
        raise fields.invalid("`remote.url`", "must read http(s)://host:port, without user, query or fragment")
