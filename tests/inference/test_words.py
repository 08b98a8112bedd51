import numpy as np
import pytest

from inference import words

TEXTS = ["the parcel is torn"] * 10 + ["the parcel is fine"] * 10 + ["the lid is “torn”,\nagain"] * 5
TORN = np.array([[0.0, 1.0]] * 10 + [[1.0, 0.0]] * 10 + [[0.0, 1.0]] * 5)


@pytest.fixture(scope="module")
def fitted():
    return words.fit(TEXTS, TORN)


def test_words_are_split_whatever_surrounds_them():
    assert words.split("It’s “TORN”,\nwell-known…  Ünder 3 lids") == [
        "it",
        "s",
        "torn",
        "well-known",
        "ünder",
        "3",
        "lids",
    ]


def test_words_that_tell_the_outcome_weigh_most(fitted):
    assert fitted["words"]["torn"] > 5 * fitted["words"]["the"]
    assert fitted["words"]["fine"] > 5 * fitted["words"]["the"]


def test_words_of_few_texts_are_kept_out_of_the_manifest():
    fitted = words.fit([*TEXTS, "call miller"], np.vstack([TORN, [[0.0, 1.0]]]))

    assert "miller" not in fitted["words"]
    assert fitted["rare"] > 0


def test_without_outcomes_every_word_weighs_the_same():
    assert words.fit(TEXTS) == {"words": {}, "rare": 1.0}


def test_texts_of_like_meaning_lie_close_and_others_at_right_angles(fitted):
    torn, also_torn, fine = words.matrix(["the parcel is torn", "again the lid is torn", "all fine"], **fitted)

    assert np.linalg.norm(torn) == pytest.approx(1.0, abs=0.1)
    assert np.linalg.norm(torn - also_torn) < 0.8 < 1.2 < np.linalg.norm(torn - fine)


def test_a_text_without_words_sits_at_the_centre(fitted):
    assert not words.matrix(["", " … "], **fitted).any()


def test_a_text_is_placed_alike_for_ever():
    (places,) = words.matrix(["torn"], words={}, rare=1.0)

    assert np.flatnonzero(places).tolist() == [PLACE_OF_TORN]
    assert abs(places[PLACE_OF_TORN]) == 1.0


PLACE_OF_TORN = 97
