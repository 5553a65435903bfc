"""python -m retailsync.platform run -- COMMAND | down | clean-data. Knows no Django."""

import os
import signal
import sys
from pathlib import Path

from retailsync.platform import embedded, launcher
from retailsync.platform.trouble import Trouble

USAGE = "usage: python -m retailsync.platform run -- COMMAND … | down | clean-data"


def main(arguments: list[str]) -> int:
    """Do what is asked; return the exit code."""
    local = Path(os.environ.get("RETAILSYNC_LOCAL", ".local")).absolute()
    match arguments:
        case ["run", "--", *command] if command:
            return launcher.run(command, local)
        case ["down"]:
            embedded.stop_servers(local)
        case ["clean-data"]:
            embedded.delete_data(local)
        case _:
            raise Trouble(USAGE)
    return 0


if __name__ == "__main__":
    # As an exception, so that what was started is stopped on the way out.
    signal.signal(signal.SIGTERM, lambda signum, frame: sys.exit(128 + signum))
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    except Trouble as trouble:
        print(trouble, file=sys.stderr)
        sys.exit(2)
