"""The page of models trained on public data."""

from pathlib import Path

import pytest

from bench import models

DATA = models.ROOT.parent / "shared/data"


def test_a_directory_without_the_data_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert models.main(["--data", str(tmp_path)]) == 2

    assert "name the directory of the data sets with --data" in capsys.readouterr().err


@pytest.mark.skipif(not DATA.is_dir(), reason="the public data sets do not come with the code")
def test_a_real_set_is_trained_on_and_its_figures_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    before = models.PAGE.read_text(encoding="utf-8")

    assert models.main(["food_inspections"]) == 0

    row = next(
        line for line in capsys.readouterr().out.splitlines() if line.startswith("| `food_inspections` | 18,712")
    )
    cells = [cell.strip() for cell in row.split("|")]
    auc, ece = float(cells[8]), float(cells[9])
    assert 0.68 < auc < 0.8  # above 0.8 something that is known only afterwards would have slipped in
    assert ece < 0.06
    assert models.PAGE.read_text(encoding="utf-8") == before


def test_the_committed_page_tells_of_every_set() -> None:
    page = models.PAGE.read_text(encoding="utf-8")

    assert all(f"| `{name}` |" in page for name in models.SETS)
