"""Whether this worker was asked to stop (SIGTERM). Knows nothing of what is going on in it.

Only a worker's main process hears the signal; its children, which do the work, look here between two steps. The byte lies in memory
they share since the fork; where processes are spawned instead they see nothing and simply work to the end of their time.
"""

import mmap

_asked = mmap.mmap(-1, 1)


def ask() -> None:
    """Finish the step at hand, begin no other."""
    _asked[0] = 1


def asked() -> bool:
    """Whether to stop after the step at hand."""
    return bool(_asked[0])
