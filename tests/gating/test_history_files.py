"""Labelled histories as files: what is read, and what is refused with its line."""

import gzip

import pytest

from reviewapp.domain.errors import Invalid
from reviewapp.gating import history_files
from reviewapp.gating.history_files import Columns, Row

CLASSES = ("intact", "damaged")


def read(text: str, **columns: str) -> list[Row]:
    return history_files.read(text.encode(), classes=CLASSES, columns=Columns(**columns) if columns else None)


def test_a_prediction_with_its_confidence_and_the_truth() -> None:
    rows = read("predicted,confidence,truth\nintact,0.9,intact\ndamaged,0.7,intact\n")

    assert rows == [Row("intact", 0.9, False), Row("damaged", 0.7, True)]


def test_probabilities_per_class_say_what_was_predicted() -> None:
    rows = read("p_intact;p_damaged;truth\n0.2;0.8;damaged\n0.6;0.4;damaged\n")

    assert rows == [Row("damaged", 0.8, False), Row("intact", 0.6, True)]


def test_columns_can_be_named_and_others_are_passed_over() -> None:
    rows = read("id,model,score,label\n7,intact,1,intact\n", predicted="model", confidence="score", truth="label")

    assert rows == [Row("intact", 1.0, False)]


def test_a_byte_order_mark_and_quotes_are_no_obstacle() -> None:
    assert len(read('\ufeffpredicted,confidence,truth\n"intact","0.5","intact"\n')) == 1


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("predicted,confidence\nintact,1\n", "column_missing", "“truth”"),
        ("confidence,truth\n1,intact\n", "column_missing", "“predicted”"),
        ("predicted,truth\nintact,intact\n", "column_missing", "“confidence”"),
        ("p_intact,truth\n1,intact\n", "column_missing", "“p_damaged”"),
        ("truth,truth,predicted,confidence\nintact,intact,intact,1\n", "column_twice", "twice"),
        ("predicted,confidence,truth\n", "rows_missing", "no rows"),
        ("", "column_missing", "nothing"),
        ("predicted,confidence,truth\nintact,1,intact\nintact,2,intact\n", "rows_invalid", "Line 3: “2”"),
        ("predicted,confidence,truth\nintact,nan,intact\n", "rows_invalid", "no number"),
        ("predicted,confidence,truth\nintact,1,lost\n", "rows_invalid", "“lost” in “truth” is no class"),
        ("predicted,confidence,truth\nlost,1,intact\n", "rows_invalid", "“lost” in “predicted” is no class"),
        ("predicted,confidence,truth\nintact,1,intact,7\n", "rows_invalid", "more values"),
        ("predicted,confidence,truth\nintact\n", "rows_invalid", "Line 2"),
        ("p_intact,p_damaged,truth\n0.9,0.9,intact\n", "rows_invalid", "add up to 1.8"),
        (
            "id,predicted,confidence,truth\n7,intact,1,intact\n7,intact,1,intact\n",
            "rows_invalid",
            "Line 3: “7” in “id”",
        ),
        ("x" * 200_000, "rows_invalid", "Line 1: this is no CSV"),
    ],
)
def test_a_faulty_file_is_refused_in_words(text: str, code: str, words: str) -> None:
    with pytest.raises(Invalid, match=words) as refusal:
        read(text)

    assert refusal.value.code == code


def test_every_faulty_line_is_named_up_to_a_limit() -> None:
    with pytest.raises(Invalid) as refusal:
        read("predicted,confidence,truth\n" + "intact,7,intact\n" * 50)

    assert [one["field"] for one in refusal.value.details["errors"]][:2] == ["line 2", "line 3"]
    assert len(refusal.value.details["errors"]) == history_files.MAX_TOLD


@pytest.mark.parametrize(
    ("content", "code"), [(b"\xff\xfe\x00", "file_encoding"), (b"x" * 40_000_000, "file_too_large")]
)
def test_what_is_no_text_or_too_large_is_refused(content: bytes, code: str) -> None:
    with pytest.raises(Invalid) as refusal:
        history_files.read(content, classes=CLASSES)

    assert refusal.value.code == code


def test_a_gzipped_file_is_read_like_a_plain_one() -> None:
    plain = b"predicted,confidence,truth\nintact,0.9,intact\n"

    assert history_files.read(gzip.compress(plain), classes=CLASSES) == [Row("intact", 0.9, False)]


def test_a_gzipped_file_is_neither_inflated_without_end_nor_taken_damaged() -> None:
    bomb = gzip.compress(bytes(history_files.MAX_BYTES + 1), compresslevel=1)
    with pytest.raises(Invalid, match="larger than 32 MB"):
        history_files.read(bomb, classes=CLASSES)
    with pytest.raises(Invalid, match="damaged or cut off"):
        history_files.read(bomb[:1000], classes=CLASSES)


def test_rows_without_an_id_are_not_taken_for_one_case() -> None:
    assert len(read("id,predicted,confidence,truth\n,intact,1,intact\n,intact,1,intact\n")) == 2
