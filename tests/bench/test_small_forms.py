"""The small forms run on servers of their own and answer rightly; how fast is not judged here."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


GOALS = ("G1", "G5", "G11", "G12", "G14", "G16")


@pytest.mark.timeout(280)
def test_the_small_forms_run_and_answer_rightly(tmp_path: Path) -> None:
    out = tmp_path / "samples.jsonl"
    env = {name: value for name, value in os.environ.items() if name != "REVIEWAPP_DATA_DIR"}

    done = subprocess.run(
        [sys.executable, "-m", "bench", *GOALS, "--small", "--rounds", "1", "--out", str(out)],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr[-3000:]
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    results = [line for line in lines if line["kind"] == "result"]
    assert lines[0]["kind"] == "machine"
    assert {result["goal"] for result in results} == set(GOALS)
    assert all(len(result["ratios"]) == 1 for result in results)


def test_an_unknown_goal_is_refused() -> None:
    done = subprocess.run([sys.executable, "-m", "bench", "G99"], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert "no such goal: G99" in done.stderr
