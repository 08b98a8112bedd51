"""A bundle's files: as one zip, as a directory, and their digest."""

import hashlib
import io
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

from inference.refusal import BundleRefused

FILES = ("model.onnx", "bundle.json", "background.parquet", "reference.json", "golden.parquet")
MAX_TOTAL_BYTES = 200 * 1024 * 1024
MAX_ENTRIES = 1000
_PIECE = 1024 * 1024
# One moment for every entry, so that the same files always make the same zip.
_EPOCH = (1980, 1, 1, 0, 0, 0)


def digest(files: Mapping[str, bytes]) -> str:
    """SHA-256 over names and contents in canonical order: the identity of the bundle."""
    whole = hashlib.sha256()
    for name in sorted(files):
        for part in (name.encode(), files[name]):
            # The length before each part keeps bytes from moving between a name and its content unseen.
            whole.update(len(part).to_bytes(8, "big"))
            whole.update(part)
    return whole.hexdigest()


def read_zip(data: bytes) -> dict[str, bytes]:
    """The files of a zip that holds exactly the bundle's names, inflated under a cap."""

    def exactly_the_bundle(names: list[str]) -> dict[str, str]:
        check_names(names)
        return {name: name for name in names}

    return read_members(data, exactly_the_bundle)


def read_members(data: bytes, choose: Callable[[list[str]], Mapping[str, str]]) -> dict[str, bytes]:
    """Some files of a zip, inflated under a cap; `choose` answers which entries are read, and what to call each."""
    if len(data) > MAX_TOTAL_BYTES:
        raise too_large()
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            if len(entries) > MAX_ENTRIES:
                raise BundleRefused("zip_unreadable", f"The zip holds more than {MAX_ENTRIES} files.")
            chosen = choose([entry.orig_filename for entry in entries])
            taken = [entry for entry in entries if entry.orig_filename in chosen]
            if len(taken) > len(chosen):
                raise BundleRefused("file_twice", "A file occurs twice in the zip; keep one.")
            return {chosen[name]: content for name, content in _inflate_all(archive, taken).items()}
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        raise BundleRefused(
            "zip_unreadable", "The upload is not a readable zip file; make it again and upload it whole."
        ) from error


def write_zip(files: Mapping[str, bytes]) -> bytes:
    """The bundle's files as one zip; equal files give equal bytes."""
    check_names(list(files))
    return pack({name: files[name] for name in FILES})


def pack(files: Mapping[str, bytes]) -> bytes:
    """Any files as one zip, in the order given."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name in files:
            entry = zipfile.ZipInfo(name, date_time=_EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, files[name])
    return target.getvalue()


def read_directory(path: Path) -> dict[str, bytes]:
    """The bundle's files out of a directory; other files in it are ignored, links are not followed."""
    files: dict[str, bytes] = {}
    total = 0
    for name in FILES:
        place = path / name
        if place.is_symlink() or not place.is_file():
            raise BundleRefused("file_missing", f"{name} is missing in the bundle's directory.")
        total += place.stat().st_size
        if total > MAX_TOTAL_BYTES:
            raise too_large()
        files[name] = place.read_bytes()
    return files


def write_directory(files: Mapping[str, bytes], path: Path) -> None:
    """Write the bundle's files into a directory, made when absent."""
    check_names(list(files))
    path.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        (path / name).write_bytes(files[name])


def _inflate_all(archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo]) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    room = MAX_TOTAL_BYTES
    for entry in entries:
        if entry.flag_bits & 0x1:
            raise BundleRefused("zip_encrypted", f"{entry.filename} is encrypted; upload it without a password.")
        files[entry.filename] = _inflate(archive, entry, room=room)
        room -= len(files[entry.filename])
    return files


def _inflate(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, *, room: int) -> bytes:
    # The size in the zip's own directory is a claim; only what comes out counts.
    content = bytearray()
    with archive.open(entry) as stream:
        while piece := stream.read(_PIECE):
            content += piece
            if len(content) > room:
                raise too_large()
    return bytes(content)


def check_names(names: list[str]) -> None:
    for name in names:
        if name not in FILES:
            raise BundleRefused(
                "file_unexpected",
                f"{name!r} does not belong into a bundle; it holds exactly {', '.join(FILES)}.",
            )
        if names.count(name) > 1:
            raise BundleRefused("file_twice", f"{name} occurs twice in the upload; keep one.")
    for name in FILES:
        if name not in names:
            raise BundleRefused("file_missing", f"{name} is missing; a bundle holds exactly {', '.join(FILES)}.")


def too_large() -> BundleRefused:
    return BundleRefused(
        "bundle_too_large",
        f"The bundle is larger than {MAX_TOTAL_BYTES // 1024 // 1024} MB; serve a larger model remotely.",
    )
