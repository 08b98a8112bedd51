"""G4: one case to a call over four connections, beside the plainest DRF view."""

from bench import cases, fill, load
from bench.anchors import bare_drain
from bench.samples import Goal, Result, Sample, check
from bench.workbench import Workbench

CONNECTIONS = 4
GOAL = Goal(
    "G4",
    f"single POST, {CONNECTIONS} connections, key, contract, once per external_id",
    "minimal DRF view (no key, no contract)",
    "req/s",
    target=0.5,
    stretch=0.7,
)
PEER = Goal("G4", "the same", "Label Studio POST /api/tasks/", "req/s", target=6, stretch=10)


def measure(bench: Workbench) -> list[Result]:
    number = bench.size(3000, 200)
    bare_drain.create(bench.database)

    with (
        bench.installation.product("web") as url,
        bench.installation.wsgi(
            "django.core.wsgi:get_wsgi_application()", DJANGO_SETTINGS_MODULE="bench.anchors.drf_settings"
        ) as anchor_url,
    ):

        def product() -> Sample:
            fill.clear(bench.database)
            requests = [load.post(bench.path, cases.encoded(body), key=bench.key) for body in bench.bodies(number)]
            sent = load.closed_loop(url, requests, connections=CONNECTIONS)
            check(set(sent.statuses) == {202}, f"answered {set(sent.statuses)}: {bench.installation.said('web')}")
            waiting = bench.one(
                "SELECT count(*) FROM cases_case c JOIN cases_caseinput i ON i.case_id = c.id JOIN cases_work w "
                "ON w.subject = c.id::text JOIN events_event e ON e.case_id = c.id::text WHERE c.state = 'scoring'"
            )
            check(waiting == number, f"{waiting} of {number} cases are stored with input, work and event")
            return _sample(sent)

        def anchor() -> Sample:
            bench.database.execute("TRUNCATE bench_case")
            requests = [load.post("/cases", cases.encoded(body)) for body in bench.bodies(number)]
            sent = load.closed_loop(anchor_url, requests, connections=CONNECTIONS)
            check(set(sent.statuses) == {201}, f"the DRF view answered {set(sent.statuses)}")
            check(bench.one("SELECT count(*) FROM bench_case") == number, "the DRF view lost a case")
            return _sample(sent)

        result = bench.compare(GOAL, product=product, anchor=anchor)
    fill.clear(bench.database)
    return [result, Result(PEER)]


def _sample(sent: load.Sent) -> Sample:
    times = sent.latencies
    facts = {"p50_ms": load.percentile(times, 0.5) * 1e3, "p95_ms": load.percentile(times, 0.95) * 1e3}
    return Sample(len(times) / sent.seconds, facts)
