"""Stands in for Python where jobs call `python -m cpexport`: runs the command in a fork (`forks`).

The fork has this process's stdin, stdout, stderr, folder and environment, and gets its signals.
"""

import json
import os
import signal
import socket
import sys
from contextlib import suppress
from types import FrameType


def main() -> None:
    at, *words = sys.argv[1:]
    if words[:2] != ["-m", "cpexport"]:
        os.execv(sys.executable, [sys.executable, *words])
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(at)
        here = os.getcwd()  # noqa: PTH109 (pathlib takes as long to import as all the others)
        asked = json.dumps([words[2:], here, dict(os.environ), {}]).encode() + b"\n"
        server.sendall(asked[socket.send_fds(server, [asked], [0, 1, 2]) :])
        answers = server.makefile()
        fork = int(answers.readline())

        def forward(number: int, _: FrameType | None) -> None:
            os.kill(fork, number)

        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
            signal.signal(number, forward)
        status = int(answers.readline())
    if status < 0:
        # SIGKILL has no other handler.
        with suppress(OSError):
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    sys.exit(status)


if __name__ == "__main__":
    main()
