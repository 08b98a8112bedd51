"""G18: resident memory of a web process and of an inference worker, after work."""

import re
from contextlib import suppress
from pathlib import Path

from bench import fill, latency
from bench.samples import Goal, Result, Sample, check
from bench.workbench import Workbench

GOAL = Goal("G18", "memory per web process", "Label Studio worker", "MB", 0.5, 0.33, is_less_better=True)
WORKER = Goal(
    "G18", "memory per inference worker, one model", "Label Studio worker", "MB", 0.5, 0.33, is_less_better=True
)


def measure(bench: Workbench) -> list[Result]:
    number = bench.size(1000, 100)
    with bench.installation.product("web", "inference") as url:
        latency.offer(bench, url, rate=100, number=number)
        web = [_resident(pid) for pid in bench.installation.processes_of("reviewapp.wsgi:application")]
        worker = [_resident(pid) for pid in bench.installation.processes_of("--queues=inference")]
    fill.clear(bench.database)
    check(len(web) == 3 and len(worker) == 1, f"found {len(web)} web processes and {len(worker)} workers")
    results = []
    # The first web process only supervises the two that answer.
    for goal, sizes in ((GOAL, sorted(web, key=lambda size: size["rss"])[1:]), (WORKER, worker)):
        for place, size in enumerate(sizes, 1):
            bench.recorder.sample(goal, "product", place, Sample(size["rss"], {"pss_mb": size["pss"]}))
        results.append(Result(goal, product=[size["rss"] for size in sizes]))
    return results


def _resident(pid: int) -> dict[str, float]:
    """Megabytes: all that is resident, and the share of it that counts pages used by several only in part."""
    with suppress(FileNotFoundError):
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        return {name.lower(): int(kb) / 1000 for name, kb in re.findall(r"^(Rss|Pss):\s+(\d+) kB", text, re.MULTILINE)}
    return {"rss": 0.0, "pss": 0.0}
