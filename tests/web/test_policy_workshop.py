"""The policy's pages: the workshop's figures, the editor, the steps of a version and its back-test."""

import re

import pytest
from django.urls import reverse

from reviewapp.cases.actions import back_testing, certifying
from reviewapp.gating.actions import activation, exams
from reviewapp.gating.models import BackTest, Certificate
from reviewapp.registry.actions import policies
from reviewapp.registry.actions.versions import primary_of
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.models import PolicyVersion, Role
from reviewapp.web.forms.policy import PolicyForm
from reviewapp.web.queries import policy_versions
from tests.factories import bundles, cases, evidence, teams
from tests.factories import policies as policy_drafts
from tests.web.test_policy import FORM

pytestmark = pytest.mark.django_db
WHOLE = {
    "thresholds": {"damaged": 0.973},
    "audit_rates": {"damaged": 0.05},
    "never_automate": [],
    "novelty_floor": 0.02,
    "promises": {"intact": {"target_error": 0.02, "confidence": 0.9}},
    "is_joint": True,
    "audit": {"expected_per_day": 12.5, "floor": 0.04},
    "certificate_days": 30.0,
    "false_trips_per_year": 0.1,
    "required_columns": ["dent"],
    "stale_after": 5400.0,
    "is_range_checked": True,
    "rules": [{"name": "large dents", "when": "dent > 3.0"}],
    "cap": {"limit": 100, "seconds": 900},
    "segment": "tear",
    "value": {"column": "dent", "cap": 500.0, "promised_loss": 2.5},
    "wrong_per_thousand": 3.0,
}


def content(response):
    return " ".join(response.content.decode().split())


def filled(form):
    """What a browser sends when the form is sent as it stands."""
    values = {}
    for field in form:
        value = field.value()
        if value is True:
            values[field.html_name] = "on"
        elif value not in (None, False, ""):
            values[field.html_name] = value
    return values


@pytest.fixture
def colleague(db):
    """A second policy owner."""
    return teams.member("Pia Policy", role=Role.POLICY_OWNER)


@pytest.fixture
def promised(stream):
    """A stream that promises 5% of “intact”, whose one case of that class is scored and labelled."""
    body = {"thresholds": {}, "promises": {"intact": {"target_error": 0.05, "confidence": 0.95}}}
    made = policies.draft(stream=stream, body=body, by=SYSTEM)
    activation.activate(policy=made, by=SYSTEM)
    cases.scored(stream, bundles.CLEARLY_INTACT)
    return stream


def test_the_editor_keeps_every_word_of_a_policy(stream):
    shown = PolicyForm(stream, body=WHOLE)

    again = PolicyForm(stream, filled(shown), body=WHOLE)

    assert again.is_valid(), again.errors
    assert again.body() == WHOLE
    policies.draft(stream=stream, body=again.body(), by=SYSTEM)


def test_a_plain_policy_stays_plain(stream):
    plain = {"thresholds": {"intact": 0.9}, "audit_rates": {}, "never_automate": ["damaged"], "novelty_floor": None}

    again = PolicyForm(stream, filled(PolicyForm(stream, body=plain)))

    assert again.is_valid(), again.errors
    assert again.body() == plain


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("target_0", "0", "must lie between 0 and 1"),
        ("confidence_0", "40", "must lie between 0.5 and 1"),
        ("rule_when_0", "dend > 3.0", "did you mean “dent”?"),
        ("floor", "200", "less than or equal to 100"),
        ("cap_limit", "0", "greater than or equal to 1"),
        ("rule_name_0", "", "A rule needs both its name and its condition."),
    ],
)
def test_what_is_wrong_is_said_at_its_field(field, value, sentence, stream, policy_owner, signed_in):
    given = {**FORM, "target_0": "2", "confidence_0": "95", "rule_name_0": "dents", "rule_when_0": "dent > 3.0"}

    response = signed_in(policy_owner).post(reverse("policy_draft", args=[stream.slug]), {**given, field: value})

    assert response.status_code == 422
    assert sentence in content(response).replace("&quot;", '"')
    assert PolicyVersion.objects.filter(stream=stream).count() == 1


def test_a_rule_is_told_whatever_its_name_and_condition_hold(stream, rosa, signed_in):
    rule = {"name": "EU: large → small", "when": "dent > 3.0 ? tear > 1.0 : false"}
    made = policy_drafts.draft(stream, rules=[rule])

    page = content(signed_in(rosa).get(reverse("policy_version", args=[stream.slug, made.number])))

    assert "<dt>Rule “EU: large → small”</dt>" in page
    assert "dent &gt; 3.0 ? tear &gt; 1.0 : false</dd>" in page


def test_older_versions_are_a_page_away(stream, rosa, signed_in, monkeypatch):
    monkeypatch.setattr(policy_versions, "SHOWN", 2)
    policy_drafts.draft(stream)
    policy_drafts.draft(stream)
    page, client = reverse("policy_versions", args=[stream.slug]), signed_in(rosa)

    newest, older = content(client.get(page)), content(client.get(f"{page}?before=2"))

    assert 'href="?before=2"' in newest
    assert ("Policy 3<" in newest, "Policy 2<" in newest, "Policy 1<" in newest) == (True, True, False)
    assert "Policy 1<" in older
    assert "?before=" not in older
    assert client.get(f"{page}?before={'9' * 30}").status_code == 200


def test_a_faulty_rule_is_told_at_its_own_row_below_one_that_was_emptied(stream, policy_owner, signed_in):
    given = {**FORM, "rule_name_0": "", "rule_when_0": "", "rule_name_1": "dents", "rule_when_1": "dend > 3.0"}

    response = signed_in(policy_owner).post(reverse("policy_draft", args=[stream.slug]), given)

    assert [*response.context["form"].errors] == ["rule_when_1"]


def test_only_policy_owners_write(stream, rosa, lead, signed_in):
    policy_drafts.draft(stream)
    for person in (rosa, lead):
        client = signed_in(person)
        assert client.get(reverse("policy_new", args=[stream.slug])).status_code == 403
        assert client.get(reverse("policy_edit", args=[stream.slug, 2])).status_code == 403
        assert client.post(reverse("policy_propose", args=[stream.slug, 1])).status_code == 403
        assert client.post(reverse("policy_roll_back", args=[stream.slug, 1]), {"reason": "x"}).status_code == 403


def test_a_draft_goes_from_one_person_to_another_and_into_force(stream, policy_owner, colleague, signed_in):
    cases.decided(stream)
    writer, approver = signed_in(policy_owner), signed_in(colleague)
    steps = {name: reverse(f"policy_{name}", args=[stream.slug, 2]) for name in ("propose", "approve", "activate")}
    page = reverse("policy_version", args=[stream.slug, 2])
    writer.post(reverse("policy_draft", args=[stream.slug]), FORM)

    unexplained = writer.post(steps["propose"])
    assert unexplained.status_code == 422
    assert "Back-test the draft first, or say why" in content(unexplained)
    assert writer.post(steps["activate"]).status_code == 409

    writer.post(steps["propose"], {"untested_because": "nothing has arrived yet"})
    assert "Approve" not in content(writer.get(page))
    assert writer.post(steps["approve"]).status_code == 403
    waiting = content(approver.get(page))
    assert "nothing has arrived yet" in waiting
    assert "Threshold of “intact”: 0.9 by hand → 0.97 by hand." in waiting
    approver.post(steps["approve"])
    writer.post(steps["activate"])

    version = PolicyVersion.objects.get(stream=stream, number=2)
    assert (version.state, version.approved_by) == ("active", f"user:{colleague.pk}")
    now = content(writer.get(reverse("policy", args=[stream.slug])))
    assert "uncertified, by hand" in now
    assert "97%" in now
    listed = content(writer.get(reverse("policy_versions", args=[stream.slug])))
    assert "0.97 by hand, uncertified: intact" in listed


def test_a_proposal_is_sent_back_with_its_reason_and_edited(stream, policy_owner, colleague, signed_in):
    writer = signed_in(policy_owner)
    writer.post(reverse("policy_draft", args=[stream.slug]), FORM)
    writer.post(reverse("policy_propose", args=[stream.slug, 2]), {"untested_because": "new stream"})

    signed_in(colleague).post(reverse("policy_send_back", args=[stream.slug, 2]), {"reason": "too strict"})
    shown = content(writer.get(reverse("policy_version", args=[stream.slug, 2])))
    writer.post(reverse("policy_save", args=[stream.slug, 2]), {**FORM, "threshold_0": "93.5"})

    assert "Sent back: too strict" in shown
    version = PolicyVersion.objects.get(stream=stream, number=2)
    assert version.state == "draft"
    assert version.body["thresholds"] == {"intact": 0.935}


def test_a_rollback_is_one_click_and_a_reason(stream, policy_owner, signed_in):
    client = signed_in(policy_owner)
    client.post(reverse("policy_draft", args=[stream.slug]), FORM)
    client.post(reverse("policy_activate", args=[stream.slug, 2]))

    client.post(reverse("policy_roll_back", args=[stream.slug, 2]), {"reason": "too many reviews"})

    active = PolicyVersion.objects.get(stream=stream, state="active")
    assert active.number == 3
    assert active.body == PolicyVersion.objects.get(stream=stream, number=1).body
    listed = content(client.get(reverse("policy_versions", args=[stream.slug])))
    assert "Puts policy 1 back: too many reviews" in listed


def test_a_back_test_is_watched_and_then_read(stream, policy_owner, rosa, signed_in):
    case = cases.decided(stream)
    client = signed_in(policy_owner)
    client.post(reverse("policy_draft", args=[stream.slug]), {**FORM, "threshold_0": "100", "never_0": "on"})
    page = client.get(reverse("policy_version", args=[stream.slug, 2]))
    period = {name: page.context["back_test_form"][name].value() for name in ("first", "last")}

    started = client.post(reverse("back_test_start", args=[stream.slug, 2]), period)
    waiting = content(client.get(started["Location"]))
    while back_testing.run_waiting():
        pass
    watched = client.get(started["Location"], headers={"HX-Target": "back-test-progress", "HX-Request": "true"})
    done = content(client.get(started["Location"]))

    assert "It waits for a worker." in waiting
    assert watched["HX-Refresh"] == "true"
    assert BackTest.objects.get().state == "done"
    assert "1 case: 0 would act alone, 1 would go to people instead" in done
    assert case.external_id in done
    assert "What cannot be known" in done
    assert case.external_id not in content(client.get(started["Location"], {"to": "auto"}))
    assert signed_in(rosa).get(started["Location"]).status_code == 403


def test_the_workshop_tells_what_the_labels_prove(promised, policy_owner, signed_in):
    version = primary_of(promised)
    evidence.labels(version, right=200, confidences=[0.9999])
    client, url = signed_in(policy_owner), reverse("policy_workshop", args=[promised.slug])

    shown = client.get(url, {"answer": "intact"})
    few = client.get(url, {"answer": "intact", "by": "target", "target": "0.5", "confidence": "95"})
    by_hand = content(client.get(url, {"answer": "intact", "by": "threshold", "threshold": "50"}))

    assert shown.context["estimate"].state == "certified"
    assert "Proven from 99.96% on: 200 honest labels there, 0 wrong" in content(shown)
    assert "200 honest labels" in content(shown)
    assert few.context["estimate"].more_clean
    assert f"{few.context['estimate'].more_clean} more clean ones" in content(few)
    assert "uncertified" in by_hand


def test_the_workshop_tells_what_the_first_exam_proved(promised, policy_owner, signed_in):
    file = "\n".join(["predicted,confidence,truth", *[f"intact,{0.9 + at / 1500},intact" for at in range(150)]])
    exams.history_import(
        version=primary_of(promised),
        upload=exams.Upload(file.encode(), "july.csv", "random", "A random tenth of July."),
        by=SYSTEM,
    )
    certifying.look(policy=policies.active_policy(promised))

    response = signed_in(policy_owner).get(reverse("policy_workshop", args=[promised.slug]), {"answer": "intact"})

    shown = content(response)
    assert "Proven from 90% on by the first exam: 150 rows, 0 wrong, at most" in shown
    assert "Since then 0 honest labels there" in shown
    assert "First exam, at most" in shown
    assert min(rung.examined for rung in response.context["charts"].rungs) < 0.05


def test_the_workshop_answers_a_typed_target_with_the_figures_alone(promised, policy_owner, signed_in):
    client, url = signed_in(policy_owner), reverse("policy_workshop", args=[promised.slug])
    asked = {"answer": "intact", "by": "target", "target": "3", "confidence": "95", "threshold": "95"}
    as_htmx = {"HX-Request": "true", "HX-Target": "estimate"}

    part = content(client.get(url, asked, headers=as_htmx))
    refused = client.get(url, {**asked, "target": "nothing"}, headers=as_htmx)

    assert "What it would mean" in part
    assert "<html" not in part
    assert 'data-target="0.03"' in part
    assert refused.status_code == 422
    assert "Target error: Enter a number." in content(refused)


def test_the_workshop_starts_a_draft_with_what_was_found(promised, policy_owner, signed_in):
    client = signed_in(policy_owner)
    shown = content(client.get(reverse("policy_workshop", args=[promised.slug]), {"answer": "damaged"}))
    link = re.search(r'href="([^"]*/policy/new\?[^"]*)"', shown).group(1).replace("&amp;", "&")

    form = client.get(link).context["form"]

    number = promised.classes.index("damaged")
    assert form[f"target_{number}"].value() == "2"
    assert form[f"threshold_{number}"].value() is None


def test_certificates_show_their_ladder_and_what_is_missing(promised, auditor, signed_in):
    version = primary_of(promised)
    certificate = Certificate.objects.create(
        stream=promised,
        model_version=version,
        scope="intact",
        number=1,
        target_error=0.05,
        confidence=0.95,
        evidence={"sentence": "12 audits, 1 wrong, bound now 31%, 140 more clean audits needed."},
    )
    client = signed_in(auditor)

    listed = content(client.get(reverse("certificates", args=[promised.slug])))
    shown = content(client.get(reverse("certificate", args=[promised.slug, certificate.pk])))
    now = content(client.get(reverse("policy", args=[promised.slug])))

    for page in (listed, shown, now):
        assert "140 more clean audits needed" in page
        assert "unproven" in page
    assert "No ladder yet" in shown
    assert "Nothing acts alone yet" in now


def test_a_labelled_history_is_brought_with_its_declaration(stream, policy_owner, rosa, signed_in, tmp_path):
    path = tmp_path / "history.csv"
    path.write_text("truth,predicted,confidence\nintact,intact,0.9\ndamaged,intact,0.7\n", encoding="utf-8")
    given = {"model": "1", "drawn": "random", "declaration": "Every tenth parcel of May, read by two people."}
    url, page = reverse("certificates_history", args=[stream.slug]), reverse("certificates", args=[stream.slug])

    def send(person, **more):
        with path.open("rb") as file:
            return signed_in(person).post(url, {**given, **more, "file": file})

    assert send(rosa).status_code == 403
    assert send(policy_owner, declaration=" ").status_code == 422
    assert send(policy_owner).status_code == 302
    assert "history.csv" in content(signed_in(policy_owner).get(page))
    again = send(policy_owner)
    assert again.status_code == 422
    path.write_text("truth,predicted,confidence\nintact,intact,ninety\n", encoding="utf-8")
    faulty = send(policy_owner, drawn="otherwise")
    assert faulty.status_code == 422
    assert "Line 2" in content(faulty)
