"""Where a served model is found, and the bundle that has it asked there.

`python -m inference.serve.places BUNDLE URL OUT` writes that bundle: everything but the graph, and in its place the
server's address with the model's name and the digest that it is served under.
"""

import argparse
import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from inference import bundle
from inference.refusal import BundleRefused

_ODD = re.compile(r"[^A-Za-z0-9._-]+")


def path_name(text: str) -> str:
    """A model's name as it can stand in a path."""
    return _ODD.sub("-", text).strip("-._")[:128] or "model"


def read(path: Path) -> dict[str, bytes]:
    """A bundle's files, out of a zip or a directory. Raises BundleRefused and OSError."""
    return bundle.read_directory(path) if path.is_dir() else bundle.read_zip(path.read_bytes())


def pointer(files: Mapping[str, bytes], url: str, *, timeout_s: float) -> dict[str, bytes]:
    """The bundle that has this one asked at a server, under the names the server gives it unasked.

    Raises BundleRefused for an address that cannot be called.
    """
    manifest = bundle.read_manifest(files)
    if manifest.remote is not None:
        raise BundleRefused("remote_not_served", "This bundle names a remote model already.")
    remote = {
        "url": url,
        "model": path_name(manifest.name),
        "version": bundle.digest(files),
        "timeout_s": timeout_s,
    }
    content = json.dumps({**json.loads(files["bundle.json"]), "remote": remote}).encode()
    found = {**files, "model.onnx": b"", "bundle.json": content}
    bundle.check(found)
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """0 when the bundle is written; 1 with one sentence otherwise."""
    parser = argparse.ArgumentParser(
        prog="python -m inference.serve.places",
        description="Writes the bundle that has a model asked at its scoring server.",
    )
    parser.add_argument("bundle", type=Path, help="the bundle that is served: zip or directory")
    parser.add_argument("url", help="where installations reach the server, as http(s)://host:port")
    parser.add_argument("out", type=Path, help="the zip to write")
    parser.add_argument("--timeout-s", type=float, default=2.0, help="seconds for one batch, at most 20 (2)")
    given = parser.parse_args(argv)
    try:
        found = pointer(read(given.bundle), given.url, timeout_s=given.timeout_s)
        given.out.write_bytes(bundle.write_zip(found))
    except (BundleRefused, OSError) as refusal:
        print(refusal, file=sys.stderr)  # noqa: T201 what a command answers
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
