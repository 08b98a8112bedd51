"""What no test may do: leave the machine, render a variable that does not exist, or count on an order by chance."""

import inspect
import ipaddress
import random
import socket
import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.template import Template, engines
from django.template.base import Origin


class LeavesTheMachine(RuntimeError):
    """A test tried to reach another machine."""


class UndefinedVariable(AssertionError):
    """One of our templates renders a variable that its context does not hold."""


def block_other_machines() -> None:
    """From now on every connection and name lookup beyond loopback fails; an audit hook cannot be patched away."""
    sys.addaudithook(_refuse_other_machines)


def _refuse_other_machines(event: str, arguments: tuple[Any, ...]) -> None:
    if event in {"socket.connect", "socket.sendto"}:
        connection, address = arguments
        if connection.family in {socket.AF_INET, socket.AF_INET6} and not _is_here(address[0]):
            raise LeavesTheMachine(f"a test connects to {address}")
    elif event in {"socket.getaddrinfo", "socket.gethostbyname"} and not _is_local_name(arguments[0]):
        raise LeavesTheMachine(f"a test looks up {arguments[0]!r}")


def _is_local_name(host: Any) -> bool:
    name = host.decode() if isinstance(host, bytes) else host
    return name in {None, "", "localhost", socket.gethostname()} or _is_address(name)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_here(host: str) -> bool:
    return host == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback)


class FailOnUndefined:
    """Django's `string_if_invalid`: raises for our templates, stays silent for those of our dependencies.

    No string: an empty one would count as not set.
    """

    def __contains__(self, key: object) -> bool:
        return key == "%s"

    def __mod__(self, variable: object) -> str:
        origin = _origin()
        if origin is not None and _is_ours(origin):
            raise UndefinedVariable(f"{origin.name} renders “{variable}”, which its context does not hold")
        return ""


def fail_on_undefined_variables() -> None:
    engines["django"].engine.string_if_invalid = FailOnUndefined()


def _origin() -> Origin | None:
    """The template whose node is being rendered, found on the stack: Django tells the variable only."""
    frame = inspect.currentframe()
    while frame is not None:
        node = frame.f_locals.get("self")
        if frame.f_code.co_name in {"render", "render_annotated"}:
            origin = node.origin if isinstance(node, Template) else getattr(node, "origin", None)
            if isinstance(origin, Origin):
                return origin
        frame = frame.f_back
    return None


def _is_ours(origin: Origin) -> bool:
    path = Path(origin.name)
    return path.is_relative_to(settings.BASE_DIR / "templates") or path.is_relative_to(settings.BASE_DIR / "reviewapp")


def shuffle_unordered_querysets() -> None:
    """Without an order the database may answer in any: code and tests that count on one fail here, not one day."""
    fetch_all = QuerySet._fetch_all

    def fetch_and_shuffle(self: QuerySet[Any]) -> None:
        is_fresh = self._result_cache is None
        fetch_all(self)
        if is_fresh and not self.ordered and not self.query.combinator:
            random.shuffle(self._result_cache or [])

    QuerySet._fetch_all = fetch_and_shuffle  # type: ignore[method-assign]
