#!/usr/bin/env python
"""Django's command line. Says what is wrong with the environment in one sentence."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line

from retailsync.platform.trouble import Trouble


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "retailsync.settings")
    try:
        execute_from_command_line(sys.argv)
    except (Trouble, ImproperlyConfigured) as problem:
        print(problem, file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
