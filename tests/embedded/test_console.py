import io
import subprocess
import sys

import pytest

from reviewapp.embedded.console import LONGEST, Console, LineReader


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_line_names_its_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    stream = io.StringIO()

    Console(stream).line("web", "hello")

    assert stream.getvalue() == "web       | hello\n"


def test_each_process_has_its_colour_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    stream = Terminal()
    console = Console(stream)

    for name in ("web", "worker", "web"):
        console.line(name, "hello")

    assert stream.getvalue().splitlines() == [
        "\x1b[36mweb       | \x1b[0mhello",
        "\x1b[33mworker    | \x1b[0mhello",
        "\x1b[36mweb       | \x1b[0mhello",
    ]


def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    stream = Terminal()

    Console(stream).line("web", "hello")

    assert "\x1b" not in stream.getvalue()


def test_a_reader_that_has_gone_away_is_survived() -> None:
    code = (
        "import sys; from reviewapp.embedded.console import Console; console = Console()\n"
        "for _ in range(20000): console.line('web', 'x' * 100)\n"
        "sys.stderr.write('survived')"
    )

    writer = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert writer.stdout is not None
    writer.stdout.read(10)
    writer.stdout.close()
    assert writer.stderr is not None
    said = writer.stderr.read()
    writer.stderr.close()

    assert (writer.wait(), said) == (0, b"survived")


def test_chunks_become_lines() -> None:
    reader = LineReader("web")

    assert reader.feed(b"one\ntw") == ["one"]
    assert reader.feed(b"o\r\n\xff\nrest") == ["two", "�"]
    assert reader.end() == ["rest"]
    assert reader.end() == []


def test_a_line_without_an_end_is_cut() -> None:
    reader = LineReader("web")

    assert reader.feed(b"x" * (LONGEST + 1)) == ["x" * (LONGEST + 1)]
    assert reader.end() == []
