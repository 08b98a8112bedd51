from datetime import timedelta

from django.db.models.functions import Now, TruncDate

from reviewapp.domain.gate import ReviewMode
from reviewapp.domain.policy import AuditRule, Policy
from reviewapp.gating import rulebook
from reviewapp.gating.models import AuditRate
from reviewapp.registry.models import Stream
from tests.factories import bundles, policies, streams


def test_the_rulebook_is_the_stream_its_rollout_and_its_policy(stream: Stream) -> None:
    rules = rulebook.read_locked(stream.pk)

    assert (rules.stream, rules.rollout_id) == (stream, stream.live_rollout_id)
    assert (rules.policy_number, rules.is_held, rules.review_mode) == (1, False, ReviewMode.ASSISTED)
    assert rules.policy.thresholds == {"intact": 0.9, "damaged": 0.9}


def test_a_stream_without_a_policy_has_none(bare_stream: Stream) -> None:
    rules = rulebook.read_locked(bare_stream.pk)

    assert (rules.policy, rules.policy_version_id, rules.rollout_id) == (None, None, None)


def test_a_draft_does_not_rule(bare_stream: Stream) -> None:
    policies.draft(bare_stream)

    assert rulebook.read_locked(bare_stream.pk).policy is None


def test_the_body_of_a_policy_is_read_whole(bare_stream: Stream) -> None:
    policies.active(
        bare_stream, thresholds={"intact": 0.8}, audit_rate=0.05, never_automate=["damaged"], novelty_floor=0.01
    )

    assert rulebook.read_locked(bare_stream.pk).policy == Policy(
        thresholds={"intact": 0.8},
        audit_rates={"intact": 0.05, "damaged": 0.05},
        never_automate=frozenset({"damaged"}),
        novelty_floor=0.01,
        audit=AuditRule(second_read_share=0.0),
    )


def test_a_class_without_a_rate_by_hand_has_the_days_and_until_there_is_one_the_most_that_is_allowed(db: None) -> None:
    stream = streams.bare()
    version = bundles.version(stream)
    policies.active(stream, audit_rates={"damaged": 0.05}, audit={"ceiling": 0.8})
    for answer in ("intact", "damaged"):
        AuditRate.objects.create(
            stream=stream, model_version=version, answer=answer, day=TruncDate(Now()), rate=0.4, cause="planned"
        )

    assert rulebook.read_locked(stream.pk).policy_for(version.pk).audit_rates == {"intact": 0.4, "damaged": 0.05}
    AuditRate.objects.update(day=TruncDate(Now() - timedelta(days=1)))
    assert rulebook.read_locked(stream.pk).policy_for(version.pk).audit_rates == {"intact": 0.8, "damaged": 0.05}
