"""Which addresses an endpoint may have; asked when it is saved and again at every send."""

import ipaddress
import socket
from urllib.parse import SplitResult, urlsplit

import requests
from django.conf import settings
from requests_hardened.ip_filter import get_ip_address

from reviewapp.domain.errors import Invalid

PORTS = frozenset({443, 8443})
MAX_LENGTH = 500


def check_url(url: str) -> None:
    """Raise Invalid unless the address may be sent to, as far as it can be told without resolving a name.

    What a name resolves to is checked at every send, on the very address the connection is made to.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        _refuse("This is no address; use the form https://host/path.")
    allow_private = settings.WEBHOOK_ALLOW_PRIVATE
    host = parts.hostname or ""
    if len(url) > MAX_LENGTH or not url.isascii() or not url.isprintable() or " " in url:
        _refuse(f"Use at most {MAX_LENGTH} ASCII characters without spaces.")
    if not host or parts.scheme not in ({"https", "http"} if allow_private else {"https"}):
        _refuse("Use an https address.")
    if "@" in parts.netloc or parts.fragment:
        _refuse("An address must not carry a user name, a password or a fragment.")
    if not allow_private and (port or 443) not in PORTS:
        _refuse(f"Use port {' or '.join(map(str, sorted(PORTS)))}.")
    _check_host(host, parts)


def _check_host(host: str, parts: SplitResult) -> None:
    if (literal := _literal(host)) is not None:
        try:
            get_ip_address(literal, parts.port or 443, settings.WEBHOOK_ALLOW_PRIVATE)
        except (requests.RequestException, OSError):
            _refuse("Private addresses cannot be sent to.")
    elif "." not in host.rstrip(".") and not settings.WEBHOOK_ALLOW_PRIVATE:
        _refuse("Private addresses cannot be sent to; use a full domain name.")


def _literal(host: str) -> str | None:
    """An address in numbers, from any of the forms that the system's resolver understands (2130706433, 0x7f.1)."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        try:
            return socket.inet_ntoa(socket.inet_aton(host))
        except OSError:
            return None


def _refuse(message: str) -> None:
    raise Invalid(message, code="url_refused", errors=[{"field": "url", "code": "url_refused", "message": message}])
