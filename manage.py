#!/usr/bin/env python
import os
import sys
from itertools import pairwise


def take_data_dir(arguments: list[str]) -> None:
    """--data-dir has to reach the settings, which are read before any command parses its arguments."""
    for first, second in pairwise([*arguments, ""]):
        name, _, value = first.partition("=")
        if name == "--data-dir" and (value or second):
            os.environ["REVIEWAPP_DATA_DIR"] = value or second


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "reviewapp.settings")
    # Training shares the machine: threads that wait for one another at full speed made it four times as slow.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    take_data_dir(sys.argv)
    try:
        from django.core.exceptions import ImproperlyConfigured
        from django.core.management import execute_from_command_line

        from reviewapp.embedded.paths import Unavailable
    except ImportError:
        sys.exit("Django is not installed in this Python. Run `make install`, then use .venv/bin/python manage.py.")
    try:
        execute_from_command_line(sys.argv)
    except (ImproperlyConfigured, Unavailable) as refusal:
        sys.exit(str(refusal))


if __name__ == "__main__":
    main()
