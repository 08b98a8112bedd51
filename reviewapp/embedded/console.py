"""The one terminal of `manage.py up`: a line per message, prefixed with the process it came from."""

import os
import sys
from typing import TextIO

COLOURS = ("36", "33", "32", "35", "34", "96", "93", "92")
RESET = "\x1b[0m"
LONGEST = 64 * 1024


class Console:
    """Writes whole lines; a reader that has gone away is no reason to stop."""

    def __init__(self, stream: TextIO = sys.stdout, *, width: int = 9) -> None:
        self._stream = stream
        self._width = width
        self._colours: dict[str, str] = {}
        self._is_coloured = stream.isatty() and not os.environ.get("NO_COLOR")

    def line(self, name: str, text: str) -> None:
        prefix = f"{name:<{self._width}} | "
        if self._is_coloured:
            colour = self._colours.setdefault(name, COLOURS[len(self._colours) % len(COLOURS)])
            prefix = f"\x1b[{colour}m{prefix}{RESET}"
        self.say(prefix + text)

    def say(self, text: str) -> None:
        try:
            self._stream.write(text + "\n")
            self._stream.flush()
        except BrokenPipeError:
            # Python would report the same once more when it closes the stream at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())


class LineReader:
    """Cuts what arrives from a pipe into lines."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._rest = b""

    def feed(self, chunk: bytes) -> list[str]:
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if len(self._rest) > LONGEST:
            lines.append(self._rest)
            self._rest = b""
        return [self._text(line) for line in lines]

    def end(self) -> list[str]:
        rest, self._rest = self._rest, b""
        return [self._text(rest)] if rest else []

    @staticmethod
    def _text(line: bytes) -> str:
        return line.decode("utf-8", errors="replace").rstrip("\r")
