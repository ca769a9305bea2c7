"""The results of checks, printed a line each, with the closing line that counts them."""

import sys
import time


class Results:
    """Counts checks; prints failures with their cause, and all of them when asked to be verbose."""

    def __init__(self, verbose=None):
        self.verbose = ("-v" in sys.argv or "--verbose" in sys.argv) if verbose is None else verbose
        self.passed = 0
        self.failed = 0
        self.skipped = 0
        self._begin = time.monotonic()

    def add(self, name, succeeded, details=(), seconds=None):
        took = f"  ({seconds:.1f} s)" if seconds is not None else ""
        if succeeded:
            self.passed += 1
            if self.verbose:
                print(f"  ok   {name}{took}", flush=True)
        else:
            self.failed += 1
            print(f"  FAIL {name}{took}", flush=True)
            for line in details:
                print(f"         {line}", flush=True)

    def skip(self, name, reason):
        self.skipped += 1
        print(f"  skip {name}: {reason}", flush=True)

    def close(self):
        """Prints the closing line and returns the exit code."""
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        print(f"{self.passed} passed, {self.failed} failed{skipped}", flush=True)
        return 1 if self.failed or not self.passed else 0
