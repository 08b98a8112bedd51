import pytest

from tests.factories import cases


def path(stream):
    return f"streams/{stream.slug}/policies/preview-rule"


def test_a_rule_is_tried_on_past_cases(api, stream):
    case = cases.decided(stream)
    cases.in_review(stream)

    told = api.post(path(stream), {"when": "dent < 2.0 && predicted == 'intact'"}).json()

    assert told == {
        "cases": 2,
        "is_sample": False,
        "matched": 1,
        "share": 0.5,
        "matched_automatic": 1,
        "failed": 0,
        "failures": [],
        "examples": [
            {
                "case": str(case.pk),
                "external_id": case.external_id,
                "received_at": told["examples"][0]["received_at"],
            }
        ],
    }


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({"when": "dent >"}, "when", "rule_malformed"),
        ({"when": "dend > 1.0"}, "when", "rule_unknown_column"),
        ({"when": "dent"}, "when", "rule_not_boolean"),
        ({"when": "true", "days": 0}, "days", "min_value"),
        ({"when": "true", "hours": 3}, "hours", "unknown_field"),
        ({}, "when", "required"),
    ],
)
def test_what_no_policy_may_hold_is_refused_by_field(api, stream, body, field, code):
    response = api.post(path(stream), body)

    (error,) = response.json()["errors"]
    assert (response.status_code, error["field"], error["code"]) == (422, field, code)


def test_a_stream_of_another_team_is_not_known(foreign_api, stream):
    assert foreign_api.post(path(stream), {"when": "true"}).status_code == 404


def test_the_key_needs_its_scope(new_key, stream):
    from tests.api.calling import Caller

    assert Caller(key=new_key("cases:write")).post(path(stream), {"when": "true"}).status_code == 403
