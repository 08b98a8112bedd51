"""Copies the pinned front-end packages into static/vendor with a manifest; run by hand when a pin changes."""

import hashlib
import json
import re
import subprocess
import tarfile
import tempfile
from pathlib import Path

VENDOR = Path(__file__).resolve().parent.parent / "static" / "vendor"
# name → version, licence, file in the package → file here
PACKAGES = {
    "@tabler/core": (
        "1.6.1",
        "MIT",
        {"dist/css/tabler.min.css": "tabler.min.css", "dist/js/tabler.min.js": "tabler.min.js"},
    ),
    "@tabler/icons": ("3.48.0", "MIT", {"LICENSE": "LICENSE-tabler.txt"}),
    # The build without maps, graphs and the like: lines, bars, points, marks and tooltips.
    "echarts": (
        "6.1.0",
        "Apache-2.0",
        {
            "dist/echarts.common.min.js": "echarts.common.min.js",
            "LICENSE": "LICENSE-echarts.txt",
            "NOTICE": "NOTICE-echarts.txt",
            "licenses/LICENSE-d3": "LICENSE-echarts-d3.txt",
        },
    ),
}
# The maps are not copied, and a dangling reference stops hashed static storage.
SOURCE_MAP = re.compile(rb"\s*(?://|/\*)# sourceMappingURL=\S+?(?:\s*\*/)?\s*\Z")
SYMBOL = (
    '<symbol id="{name}" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" '
    'stroke-linecap="round" stroke-linejoin="round">{paths}</symbol>'
)


def unpack(name: str, version: str, target: Path) -> Path:
    packed = subprocess.run(  # noqa: S603
        ["npm", "pack", "--silent", f"{name}@{version}"],  # noqa: S607
        cwd=target,
        check=True,
        capture_output=True,
        text=True,
    )
    with tarfile.open(target / packed.stdout.split()[-1]) as archive:
        archive.extractall(target / name, filter="data")
    return target / name / "package"


def sprite(icons: Path, names: list[str]) -> bytes:
    symbols = []
    for name in names:
        paths = re.findall(r"<(?!svg|/svg)[^>]+>", (icons / f"{name}.svg").read_text(encoding="utf-8"))
        drawn = "".join(path for path in paths if 'd="M0 0h24v24H0z"' not in path)
        symbols.append(SYMBOL.format(name=name, paths=drawn))
    return "\n".join(['<svg xmlns="http://www.w3.org/2000/svg">', *symbols, "</svg>", ""]).encode()


def main() -> None:
    entries = []
    names = sorted(set((VENDOR / "icons.txt").read_text(encoding="utf-8").split()))
    with tempfile.TemporaryDirectory() as scratch:
        for name, (version, licence, files) in PACKAGES.items():
            package = unpack(name, version, Path(scratch))
            contents = {file: SOURCE_MAP.sub(b"\n", (package / source).read_bytes()) for source, file in files.items()}
            if name == "@tabler/icons":
                contents["tabler-icons.svg"] = sprite(package / "icons" / "outline", names)
            for file, content in contents.items():
                (VENDOR / file).write_bytes(content)
                digest = hashlib.sha256(content).hexdigest()
                entries.append({"name": name, "version": version, "licence": licence, "file": file, "sha256": digest})
    (VENDOR / "manifest.json").write_text(json.dumps(entries, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
