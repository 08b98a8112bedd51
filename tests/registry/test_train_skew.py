"""The same rows through the fitted pipeline, its bundle and the REST API."""

from pathlib import Path

import numpy as np
import pytest

from inference import model, predict
from inference.training.run import Task, train
from reviewapp.cases.models import Prediction
from reviewapp.registry.actions import training
from reviewapp.registry.actions.streams import default_team
from reviewapp.registry.actors import SYSTEM
from tests.api.calling import Caller
from tests.factories import cases, policies, training_files

pytestmark = pytest.mark.django_db

TASKS = {
    "words and numbers": training_files.OPTIONS,
    "numbers in three classes": {"target": "outcome", "id": "parcel", "exclude": ("day", "note")},
}


@pytest.mark.parametrize("name", TASKS)
def test_pipeline_bundle_and_rest_give_the_same_probabilities(tmp_path: Path, api_key: str, name: str) -> None:
    table = training_files.parcels(500, three="three" in name)
    path = training_files.write(tmp_path / "parcels.csv.gz", table)
    trained = train(path, Task(name="parcels", **TASKS[name]))
    registered = training.register(team=default_team(), slug="parcels", files=trained.files, by=SYSTEM)
    policies.active(registered.version.stream)
    # Upstream leaves out what it does not have, and may know values that training did not.
    sent = [{name: value for name, value in row.items() if value is not None} for row in trained.rows[:40]]
    sent += [{**sent[0], "depot": "depot new", "weight": 7}]
    if "note" in trained.manifest.column_names:
        sent += [{**sent[0], "note": 'a "quote",\nand more ✓'}]
    api = Caller(key=api_key)

    for number, features in enumerate(sent):
        answer = api.post("streams/parcels/cases", {"external_id": f"p{number}", "features": features})
        assert answer.status_code == 202
    cases.score_all()

    by_rest = np.array(
        [Prediction.objects.get(case__external_id=f"p{number}").probabilities for number in range(len(sent))]
    )
    loaded = model.load(trained.files)
    by_bundle = predict.predict(loaded, sent).probabilities
    by_pipeline = trained.score(loaded.decoder.feeds(sent))
    assert np.abs(by_rest - by_bundle).max() < 1e-6
    assert np.abs(by_bundle - by_pipeline).max() < 1e-5
    assert len(np.unique(by_rest[:, 0].round(6))) > 30
