import io
import zipfile

import pytest

from inference import archive, bundle
from inference.refusal import BundleRefused
from tests.inference import onnx_files


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return onnx_files.linear_bundle()


def zip_of(entries: list[tuple[str, bytes]]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, content in entries:
            zipped.writestr(name, content)
    return target.getvalue()


def test_zip_round_trip_keeps_files_and_digest(files):
    again = bundle.read_zip(bundle.write_zip(files))

    assert again == files
    assert bundle.digest(again) == bundle.digest(files)


def test_zip_of_equal_files_is_equal(files):
    reordered = dict(reversed(files.items()))

    assert bundle.write_zip(files) == bundle.write_zip(reordered)


def test_directory_round_trip(files, tmp_path):
    bundle.write_directory(files, tmp_path / "made")

    assert bundle.read_directory(tmp_path / "made") == files


def test_directory_with_a_link_is_refused(files, tmp_path):
    bundle.write_directory(files, tmp_path)
    (tmp_path / "elsewhere").write_bytes(files["model.onnx"])
    (tmp_path / "model.onnx").unlink()
    (tmp_path / "model.onnx").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(BundleRefused, match=r"model\.onnx"):
        bundle.read_directory(tmp_path)


def test_digest_is_the_same_in_every_release():
    assert bundle.digest({"b": b"2", "a": b"1"}) == "63662dceceaac3caee9e43ac15aa0c4c567225916cd9af28900e1dd71438b73e"


def test_digest_changes_with_any_byte_or_name(files):
    plain = bundle.digest(files)

    for name in files:
        assert bundle.digest({**files, name: files[name] + b" "}) != plain
    assert bundle.digest({"ab": b"c"}) != bundle.digest({"a": b"bc"})


def test_missing_file_is_named(files):
    entries = [(name, content) for name, content in files.items() if name != "golden.parquet"]

    with pytest.raises(BundleRefused, match=r"golden\.parquet is missing") as refusal:
        bundle.read_zip(zip_of(entries))

    assert refusal.value.code == "file_missing"


@pytest.mark.parametrize(
    "name",
    ["../model.onnx", "/etc/passwd", "model.onnx/", "extra.txt", "sub/model.onnx", "MODEL.ONNX", "model.onnx\x00.txt"],
)
def test_unexpected_name_is_refused(files, name):
    data = zip_of([*files.items(), ("x" * len(name), b"payload")])
    # Written in afterwards: the zip library of the test would not let such names through.
    data = data.replace(b"x" * len(name), name.encode())

    with pytest.raises(BundleRefused) as refusal:
        bundle.read_zip(data)

    assert refusal.value.code == "file_unexpected"


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_name_that_occurs_twice_is_refused(files):
    with pytest.raises(BundleRefused) as refusal:
        bundle.read_zip(zip_of([*files.items(), ("model.onnx", b"another")]))

    assert refusal.value.code == "file_twice"


def test_bomb_is_refused_while_inflating(files, monkeypatch):
    monkeypatch.setattr(archive, "MAX_TOTAL_BYTES", 5_000_000)
    bomb = zip_of([*((name, files[name]) for name in files if name != "model.onnx"), ("model.onnx", bytes(50_000_000))])
    assert len(bomb) < 1_000_000

    with pytest.raises(BundleRefused) as refusal:
        bundle.read_zip(bomb)

    assert refusal.value.code == "bundle_too_large"


def test_bomb_that_lies_about_its_size_is_refused(files, monkeypatch):
    monkeypatch.setattr(archive, "MAX_TOTAL_BYTES", 5_000_000)
    bomb = zip_of([*((name, files[name]) for name in files if name != "model.onnx"), ("model.onnx", bytes(50_000_000))])
    lying = bomb.replace((50_000_000).to_bytes(4, "little"), (1_000).to_bytes(4, "little"))
    assert lying != bomb

    with pytest.raises(BundleRefused):
        bundle.read_zip(lying)


@pytest.mark.parametrize("cut", [0, 1, 100, -1, -30])
def test_truncated_zip_is_refused(files, cut):
    with pytest.raises(BundleRefused) as refusal:
        bundle.read_zip(bundle.write_zip(files)[:cut])

    assert refusal.value.code == "zip_unreadable"


def test_damaged_content_is_refused(files):
    whole = bytearray(bundle.write_zip(files))
    middle = len(whole) // 2
    whole[middle : middle + 20] = bytes(20)

    with pytest.raises(BundleRefused):
        bundle.read_zip(bytes(whole))
