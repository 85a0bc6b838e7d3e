"""Run a command and write what it took, as JSON, to a file descriptor: ``FD COMMAND...``.

Linux counts the memory of the process that starts another one to the peak of that other one
(``exec_mmap`` in its fs/exec.c), so this is small: its own few megabytes are the least that can be
measured.
"""

from __future__ import annotations

import os
import sys
import time


def main() -> None:
    descriptor, *command = sys.argv[1:]
    os.set_inheritable(int(descriptor), False)
    start = time.perf_counter()
    child = os.posix_spawnp(command[0], command, os.environ)
    _, status, used = os.wait4(child, 0)
    wall = time.perf_counter() - start
    # getrusage(2): bytes on macOS, kilobytes elsewhere.
    peak = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    code = os.waitstatus_to_exitcode(status)
    cpu = used.ru_utime + used.ru_stime
    line = f'{{"wall": {wall}, "cpu": {cpu}, "peak": {peak}, "code": {code}}}'
    os.write(int(descriptor), line.encode())


if __name__ == "__main__":
    main()
