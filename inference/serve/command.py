"""`python -m inference.serve BUNDLE`: one bundle, served by the Open Inference Protocol v2 over HTTP."""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from inference.refusal import BundleRefused
from inference.serve import places
from inference.serve.options import Options

if TYPE_CHECKING:
    from inference.model import Model

_DEFAULTS = Options()
_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_GROUPS: dict[str, dict[str, str]] = {
    "where": {
        "host": "address to listen at",
        "port": "port; 0 takes a free one",
        "name": "the model's name in paths (the bundle's own)",
        "model_version": "its version in paths (the bundle's digest)",
    },
    "limits": {
        "batch_rows": "rows scored together at most",
        "max_rows": "rows of one request",
        "max_waiting_rows": "rows that may wait before requests are answered 503",
        "max_body_bytes": "bytes of one request's body",
        "max_connections": "open connections",
        "run_timeout_s": "seconds of one run of the model",
        "request_timeout_s": "seconds in which a request must have come whole",
        "idle_timeout_s": "seconds after which an idle connection is closed",
        "stop_timeout_s": "seconds to answer what was asked when the server is stopped",
    },
}


def main(argv: Sequence[str] | None = None) -> int:
    """0 after a stop; 1 with one sentence where the bundle, the address or an option will not do."""
    given = parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    try:
        serve(given.bundle, options(given))
    except (BundleRefused, OSError, ValueError) as refusal:
        print(refusal, file=sys.stderr)  # noqa: T201 what a command answers
        return 1
    return 0


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    found = argparse.ArgumentParser(prog="python -m inference.serve", description=__doc__)
    found.add_argument("bundle", type=Path, help="a bundle: zip or directory")
    add_options(found)
    return found


def add_options(found: argparse.ArgumentParser) -> None:
    """Every option of the server; whoever reads them back uses `options`."""
    for title, names in _GROUPS.items():
        group = found.add_argument_group(title)
        for name, about in names.items():
            default = getattr(_DEFAULTS, name)
            shown = about if default == "" else f"{about} ({default})"
            group.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=default, help=shown)
    group = found.add_argument_group("safety")
    group.add_argument("--token-file", type=Path, help="file with the bearer token (or the variable SERVE_TOKEN)")
    group.add_argument("--certificate", type=Path, help="TLS certificate chain, PEM")
    group.add_argument("--key", type=Path, help="its private key, PEM")
    group = found.add_argument_group("running")
    group.add_argument("--threads", type=int, default=1, help="threads of one run on the CPU (1)")
    group.add_argument("--provider", choices=tuple(_PROVIDERS), help="where to run (CUDA when there is one that works)")
    group.add_argument("--reuse-port", action="store_true", help="several servers share the port: one for each core")


def options(given: argparse.Namespace) -> Options:
    """What was asked for. Raises ValueError with a sentence, and OSError for a token that cannot be read."""
    numbers = {name: getattr(given, name) for names in _GROUPS.values() for name in names}
    for name, value in numbers.items():
        if not isinstance(value, str) and not (value > 0 or (name == "port" and value == 0)):
            raise ValueError(f"--{name.replace('_', '-')} must be above 0; it is {value:g}.")
    if given.threads < 1:
        raise ValueError(f"--threads must be 1 or more; it is {given.threads}.")
    if given.key is not None and given.certificate is None:
        raise ValueError("--key needs the certificate it belongs to; name it with --certificate.")
    token = given.token_file.read_text(encoding="utf-8") if given.token_file else os.environ.get("SERVE_TOKEN", "")
    if given.token_file and not token.strip():
        raise ValueError(f"{given.token_file} is empty; write the token into it.")
    return replace(
        _DEFAULTS,
        **numbers,
        token=token.strip(),
        threads=given.threads,
        providers=[_PROVIDERS[given.provider]] if given.provider else None,
        certificate=given.certificate,
        key=given.key,
        reuse_port=given.reuse_port,
    )


def serve(path: Path, chosen: Options, *, expected_digest: str | None = None) -> None:
    """Load, warm up and serve until stopped. Raises BundleRefused, OSError, and ValueError with a sentence."""
    try:
        from inference.serve import server
    except ModuleNotFoundError as error:
        raise ValueError(f"Serving needs the package {error.name}; install the dependency group `serve`.") from error

    if not chosen.token and chosen.host not in _LOOPBACK:
        logging.getLogger(__name__).warning("serve.open host=%s: without a token everybody may ask", chosen.host)
    server.run(_loaded(path, chosen, expected_digest), chosen, say=_say)


def _loaded(path: Path, chosen: Options, expected_digest: str | None) -> "Model":
    from inference import model

    serving = model.Serving(threads=chosen.threads, providers=chosen.providers)
    return model.load(places.read(path), expected_digest=expected_digest, serving=serving)


def _say(sentence: str) -> None:
    print(sentence, flush=True)  # noqa: T201 whoever started it waits for this line
