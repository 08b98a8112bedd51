import pytest

from reviewapp.domain.novelty import in_words, why_reviewed


@pytest.mark.parametrize(
    ("novelty", "sentence"),
    [
        (0.0, "Unlike anything the model learned from: none of its training cases was stranger."),
        (0.0007, "Very unusual for this model: fewer than 0.1% of its training cases were stranger."),
        (0.006, "Very unusual for this model: only 0.6% of its training cases were stranger."),
        (0.03, "Unusual for this model: only 3.0% of its training cases were stranger."),
        (0.2, "Less usual than most: 20.0% of the model's training cases were stranger."),
        (0.8, "A case like those the model learned from: 80.0% of them were stranger."),
    ],
)
def test_novelty_is_said_in_words_with_its_figure(novelty, sentence):
    assert in_words(novelty) == sentence


def test_the_guardrail_says_what_it_saw_and_what_the_policy_asks():
    assert why_reviewed(0.006, 0.02) == (
        "The case is unlike those the model learned from: only 0.6% of its training cases were stranger, "
        "below the 2.0% at which it may act alone."
    )
    assert "none of its training cases were stranger" in why_reviewed(0.0, 0.02)
