"""The daemon's process, as `lifecycle.spawn` starts it: without click, which would stay in memory for days."""

import sys

from memshim.daemon.lifecycle import run

if __name__ == "__main__":
    sys.exit(0 if run() else 1)
