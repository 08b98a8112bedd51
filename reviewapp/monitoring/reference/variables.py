"""The environment variables that the settings read, found in their source, with a sentence on each."""

import ast
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

KINDS = {
    "text": "text",
    "boolean": "1 or 0",
    "integer": "whole number",
    "words": "words, with commas",
    "origins": "addresses, with commas",
}
SENTENCES = {
    "PUBLIC_URL": "Address that people and upstream systems use. With `https://` cookies become secure and "
    "plain HTTP is redirected.",
    "ALLOWED_HOSTS": "Host names that are answered.",
    "CSRF_TRUSTED_ORIGINS": "Further origins whose forms are accepted, with their scheme.",
    "SECRET_KEY": "Signs sessions; 32 characters or more. Without `DATABASE_URL` one is made and kept in the data "
    "directory.",
    "COIN_KEY": "Draws each case's coins. It must stay the same for ever; empty means `SECRET_KEY`.",
    "DATABASE_URL": "`postgresql://user:password@host:port/name`, PostgreSQL 16 or newer with pgvector. Empty means "
    "the embedded server.",
    "REDIS_URL": "`redis://…`, the broker of the wake-ups. Empty means the embedded server.",
    "REVIEWAPP_DATA_DIR": "Where embedded servers, local copies of bundles and generated secrets are kept.",
    "PORT": "Port at which `manage.py demo` looks for a running installation; `up` sets it for its processes.",
    "DATABASE_LOCK_TIMEOUT": "How long a statement waits for a lock.",
    "DATABASE_STATEMENT_TIMEOUT": "How long a statement may run.",
    "DATABASE_IDLE_TIMEOUT": "How long a transaction may be idle.",
    "CELERY_SOFT_SHUTDOWN": "Seconds a worker gets to finish its batch when it is stopped; `up` sets 5.",
    "INGEST_RATE": "Cases per second that one key may send to one web process.",
    "WEBHOOK_ALLOW_PRIVATE": "Permits endpoints that are plain HTTP, loopback or private; `up` sets 1.",
    "WEBHOOK_PROXY": "Proxy through which deliveries leave.",
    "REMOTE_MODELS": "Servers of the Open Inference Protocol that bundles may be served by, as `http(s)://host:port`. "
    "Empty means none is ever called.",
    "REMOTE_MODEL_TOKEN": "Bearer token sent to these servers.",
    "EMAIL_BACKEND": "Django's mail backend.",
    "DEFAULT_FROM_EMAIL": "Sender of mails.",
    "STATIC_ROOT": "Where `collectstatic` puts the static files; empty means they are served from the source.",
    "LOG_JSON": "One JSON object per log line.",
    "LOG_LEVEL": "Least level that is logged.",
    "DEBUG": "Django's debug pages; never in production.",
    "NO_COLOR": "Any value: no colours in the terminal of `up`.",
}
# Read before or beside the settings.
OUTSIDE = {
    "REVIEWAPP_DATA_DIR": ("text", ".data"),
    "PORT": ("whole number", "8000"),
    "NO_COLOR": ("text", ""),
}


class Undescribed(Exception):
    """A variable that is read and not described, or described and not read."""


@dataclass(frozen=True)
class Variable:
    name: str
    kind: str
    default: str
    sentence: str


def variables() -> list[Variable]:
    """Every variable, in the order of the sentences. Raises Undescribed when source and sentences differ."""
    read = {**_read_by(Path(settings.BASE_DIR) / "reviewapp" / "settings.py"), **OUTSIDE}
    differing = sorted(read.keys() ^ SENTENCES.keys())
    if differing:
        raise Undescribed(f"{', '.join(differing)}: read and described must be the same; see {Path(__file__).name}.")
    return [Variable(name, *read[name], sentence) for name, sentence in SENTENCES.items()]


def _read_by(path: Path) -> dict[str, tuple[str, str]]:
    """Variable → kind and default, from calls such as `env.integer("INGEST_RATE", 2000)`."""
    found = {}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Name("env"), attr=kind), args=[ast.Constant(str(name)), *rest]
            ) if kind in KINDS:
                given = rest[0] if rest else next((keyword.value for keyword in node.keywords), None)
                default = ast.literal_eval(given) if given else None
                found[name] = (KINDS[kind], _written(default) or ("0" if kind == "boolean" else ""))
    return found


def _written(default: object) -> str:
    if isinstance(default, tuple):
        return ",".join(map(str, default))
    return "" if default is None else str(default)
