import subprocess
import sys
from pathlib import Path

import pytest

from reviewapp.embedded.lock import DataLock
from reviewapp.embedded.paths import Unavailable

HOLD = """
import sys, time
from pathlib import Path
from reviewapp.embedded.lock import DataLock
DataLock(Path(sys.argv[1])).tell("process 7, http://127.0.0.1:8000/")
print("held", flush=True)
time.sleep(60)
"""


def test_the_second_is_told_who_holds_the_directory(tmp_path: Path) -> None:
    first = DataLock(tmp_path)
    first.tell("process 7, http://127.0.0.1:8000/")

    with pytest.raises(Unavailable, match=r"already running on .* \(process 7, http://127\.0\.0\.1:8000/\); stop"):
        DataLock(tmp_path)

    first.release()


def test_a_clean_end_leaves_no_trace(tmp_path: Path) -> None:
    first = DataLock(tmp_path)
    first.tell("process 7")
    first.release()

    second = DataLock(tmp_path)

    assert not second.is_after_kill
    second.release()


def test_a_kill_lifts_the_lock_and_is_noticed(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    holder.kill()
    holder.wait()
    holder.stdout.close()

    lock = DataLock(tmp_path)

    assert lock.is_after_kill
    lock.release()
