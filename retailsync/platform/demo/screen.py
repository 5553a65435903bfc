"""One line that moves: in place on a terminal, otherwise a new line every few seconds."""

import shutil
import time
from typing import TextIO

EVERY = 5.0  # seconds between two lines where nothing can be overwritten


class Screen:
    """Where progress is shown."""

    def __init__(self, out: TextIO) -> None:
        self._out, self._live = out, out.isatty()
        self._shown = 0.0
        self._width = 0

    def show(self, line: str) -> None:
        """Show the line now, or leave it out when one was printed a moment ago."""
        if self._live:
            line = line[: shutil.get_terminal_size().columns - 1]  # a line that wraps cannot be overwritten
            self._out.write("\r" + line.ljust(self._width))
            self._width = len(line)
        elif time.monotonic() - self._shown >= EVERY:
            self._shown = time.monotonic()
            self._out.write(f"{line}\n")
        self._out.flush()

    def say(self, text: str) -> None:
        """Print something that stays."""
        self.end()
        self._out.write(f"{text}\n")
        self._out.flush()

    def end(self) -> None:
        """Leave the moving line as it stands."""
        if self._live and self._width:
            self._out.write("\n")
        self._width, self._shown = 0, 0.0
