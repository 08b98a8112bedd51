"""`python -m inference.serve BUNDLE`."""

import sys

from inference.serve import command

if __name__ == "__main__":
    sys.exit(command.main())
