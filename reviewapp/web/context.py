"""What every page shows around its content."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import SimpleLazyObject

from reviewapp.web.access import actor_of, can_see_integration


def navigation(request: HttpRequest) -> dict[str, Any]:
    """The main menu and the person's own links; nothing is read from the database until a page shows them."""
    return {
        "nav": SimpleLazyObject(lambda: _main(request)),
        "user_links": SimpleLazyObject(lambda: _personal(request)),
    }


def _main(request: HttpRequest) -> list[dict[str, Any]]:
    if not request.user.is_authenticated:
        return []
    items = [
        _item(request, "Streams", "home", "stack-2", also=("/s/", "/reviews/")),
        _item(request, "Inbox", "inbox", "inbox"),
        _item(request, "Cases", "find", "search", also=("/cases/",)),
        _item(request, "Alerts", "alerts", "bell"),
    ]
    if can_see_integration(actor_of(request)):
        items[3:3] = [
            _item(request, "Deliveries", "deliveries", "send"),
            _item(request, "Endpoints", "endpoints", "webhook"),
        ]
    return items


def _personal(request: HttpRequest) -> list[dict[str, str]]:
    if not request.user.is_authenticated:
        return []
    links = [{"label": "Your page", "url": reverse("me"), "icon": "user"}]
    if can_see_integration(actor_of(request)):
        links.append({"label": "API keys", "url": reverse("keys"), "icon": "key"})
    return links


def _item(request: HttpRequest, label: str, name: str, icon: str, *, also: tuple[str, ...] = ()) -> dict[str, Any]:
    url = reverse(name)
    active = request.path == url if url == "/" else request.path.startswith(url)
    return {
        "label": label,
        "url": url,
        "icon": icon,
        "active": active or request.path.startswith(also or ("\0",)),
        "badge": "",
    }
