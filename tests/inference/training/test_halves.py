from pathlib import Path

import pytest

from inference.training import halves, source
from inference.training.refused import TrainingRefused
from inference.training.source import Source


def table(tmp_path: Path, *halves_of_rows: str) -> Source:
    path = tmp_path / "labels.csv"
    rows = [f"{number},{half}" for number, half in enumerate(halves_of_rows)]
    path.write_text("\n".join(["weight,half", *rows]) + "\n", encoding="utf-8")
    return source.read(path)


def test_rows_that_are_kept_to_certify_train_nothing(tmp_path: Path) -> None:
    read, note = halves.trainable(table(tmp_path, "train", "certify", "train", "certify", "certify"), target="weight")

    assert read.fields.keys() == {"weight"}
    assert read.fields["weight"].values.to_pylist() == ["0", "2"]
    assert read.numbers.tolist() == [1, 3]
    assert "Left out 3 rows" in note


def test_a_column_of_that_name_with_another_meaning_is_left_alone(tmp_path: Path) -> None:
    given = table(tmp_path, "first", "second", "train")

    assert halves.trainable(given, target="weight") == (given, "")


def test_the_column_may_be_what_is_to_be_learned(tmp_path: Path) -> None:
    given = table(tmp_path, "train", "certify")

    assert halves.trainable(given, target="half") == (given, "")


def test_nothing_but_rows_that_certify_is_refused_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(TrainingRefused, match=r"All 2 rows are of the half “certify”.*half=train"):
        halves.trainable(table(tmp_path, "certify", "certify"), target="weight")
