from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
import uuid_utils.compat as uuid

from reviewapp.cases.moments import CLOCKS_APART, first_id_at


@pytest.mark.parametrize(
    "moment", [datetime.min.replace(tzinfo=UTC), datetime(1969, 7, 20, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC)]
)
def test_a_moment_before_all_ids_bounds_none_of_them(moment: datetime) -> None:
    assert first_id_at(moment) == UUID(int=0)


def test_an_id_of_now_lies_after_the_bound_of_now_and_before_a_later_one() -> None:
    now, written = datetime.now(UTC), uuid.uuid7()

    assert first_id_at(now) < written < first_id_at(now + CLOCKS_APART + timedelta(minutes=1))
