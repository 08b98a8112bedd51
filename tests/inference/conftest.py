import pytest

from inference import model
from inference.model import Model
from inference.training.demo import TrainedDemo, demo_bundle


@pytest.fixture(scope="session")
def tumours() -> TrainedDemo:
    return demo_bundle("tumour-triage")


@pytest.fixture(scope="session")
def digits() -> TrainedDemo:
    return demo_bundle("digit-reading")


@pytest.fixture(scope="session")
def tumour_model(tumours: TrainedDemo) -> Model:
    return model.load(tumours.files)


@pytest.fixture(scope="session")
def digit_model(digits: TrainedDemo) -> Model:
    return model.load(digits.files)
