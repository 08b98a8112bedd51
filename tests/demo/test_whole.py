"""The demo as a newcomer meets it: one command, from nothing to a queue."""

import json
import shutil
import stat
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from reviewapp.embedded import paths
from tests.embedded.installation import MANAGE, Installation, environment, eventually

# Training, sending, scoring and explaining, also on a machine that has other things to do.
STEPS = 600

pytestmark = pytest.mark.timeout(2 * STEPS)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    data = tmp_path_factory.mktemp("demo")
    with Installation(data, "--port", "0", "--demo") as installation:
        assert eventually(lambda: any("API key: rva_" in line for line in installation.lines), within=STEPS), "\n".join(
            installation.lines
        )
        yield installation
    shutil.rmtree(paths.runtime_dir(data), ignore_errors=True)


def _again(running: Installation) -> str:
    done = subprocess.run(
        [*MANAGE, "demo", "--json", "--url", running.url],
        env=environment(REVIEWAPP_DATA_DIR=str(running.data)),
        capture_output=True,
        text=True,
        timeout=STEPS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def summary(running: Installation) -> Any:
    (line,) = _again(running).splitlines()
    return json.loads(line)


def test_the_model_acts_alone_where_it_is_right(summary: Any) -> None:
    for slug, tally in summary["streams"].items():
        assert tally["auto_accuracy"] > 0.98, slug
        assert tally["review"] > 0, slug
        assert tally["audit"] > 0, slug
    digits = summary["streams"]["digit-reading"]
    assert digits["auto"] >= digits["sent"] / 2


def test_the_table_printed_first_says_the_same(running: Installation, summary: Any) -> None:
    for slug, tally in summary["streams"].items():
        row = running.wait_for_line(rf"^{slug} ").split()
        assert row[1:5] == [str(tally[name]) for name in ("sent", "auto", "review", "audit")]


def test_a_second_run_changes_nothing_and_prints_the_same(running: Installation, summary: Any) -> None:
    key = {"Authorization": f"Bearer {summary['api_key']}"}
    feed = f"{running.url}api/v1/streams/digit-reading/labels"
    before = requests.get(feed, headers=key, timeout=30).content

    assert json.loads(_again(running)) == summary
    assert requests.get(feed, headers=key, timeout=30).content == before


def test_an_open_review_has_its_explanation_and_similar_cases(running: Installation, summary: Any) -> None:
    key = {"Authorization": f"Bearer {summary['api_key']}"}
    for slug in summary["streams"]:
        api = f"{running.url}api/v1"
        found = requests.get(f"{api}/streams/{slug}/cases?state=in_review", headers=key, timeout=30).json()
        case = found["items"][0]

        explanation = requests.get(f"{api}/cases/{case['id']}/explanation", headers=key, timeout=30)
        similar = requests.get(f"{api}/cases/{case['id']}/similar", headers=key, timeout=30)

        assert explanation.status_code == 200, explanation.text
        assert len(similar.json()["items"]) == 5, similar.text


def test_each_person_has_a_password_that_only_the_owner_of_the_data_can_read(
    running: Installation, summary: Any
) -> None:
    kept = running.data / "demo.json"

    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert set(summary["people"]) == {"reviewer", "second_reviewer", "lead", "policy_owner", "model_owner", "auditor"}
    assert {person["password"] for person in summary["people"].values()} <= set(json.loads(kept.read_text()).values())
