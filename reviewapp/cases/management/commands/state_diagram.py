from typing import Any

from django.core.management.base import BaseCommand

from reviewapp.domain.states import mermaid

PAGE = """\
# States of a case

Written by `make docs` from `reviewapp/domain/states.py`; change it there.

```mermaid
{diagram}
```

An audit of an automatic decision does not move its case. Every other way into a state is refused by
`Case.objects.transition`, which moves a case by compare-and-swap.
"""


class Command(BaseCommand):
    help = "Prints docs/reference/states.md: the states of a case and the moves between them."

    def handle(self, *_: Any, **_options: Any) -> None:
        self.stdout.write(PAGE.format(diagram=mermaid()), ending="")
