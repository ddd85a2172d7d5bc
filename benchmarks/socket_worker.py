"""One of 16 processes that append durably; run by daemon.py.

python socket_worker.py raw|socket STORE COUNT NAME     BENCH_FSYNC_MS is added to each fsync, the daemon's too
"""

import fcntl
import os
import sys
import time

NOTE = b"- " + b"x" * 297 + b"\n"


def slow_disk(pause: float) -> None:
    """Makes an fsync take longer: on a disk that does one at a time (BENCH_DISK names its lock), or several at once."""
    if not pause:
        return
    disk = os.environ.get("BENCH_DISK")
    if not disk:
        time.sleep(pause)
        return
    fd = os.open(disk, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        time.sleep(pause)
    finally:
        os.close(fd)


def raw(store: str, count: int, name: str) -> None:
    """Writes and syncs a file of its own."""
    pause = int(os.environ.get("BENCH_FSYNC_MS", "0")) / 1000
    fd = os.open(os.path.join(store, f".raw-{name}"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for _ in range(count):
        os.write(fd, NOTE)
        os.fsync(fd)
        slow_disk(pause)


def through_socket(store: str, count: int, name: str) -> None:
    """Appends through one connection to the daemon, each one when the one before is durable."""
    from memshim.daemon import client, protocol

    connection = client.connect(30)
    begin = f"{time.time_ns():024x}"[-22:] + name
    for n in range(count):
        fields = {"store": store, "agent": f"agent-{name}", "id": f"{begin}{n:08x}", "more": "1"}
        connection.sendall(protocol.encode_request("append", fields, NOTE))
        data = connection.recv(4096)
        while (answer := protocol.decode_answer(data)) is None:
            data += connection.recv(4096)
        if not answer[0]:
            raise RuntimeError(answer[1].decode())


def main() -> None:
    """Waits for the gate, works, says that it is done."""
    how, store, count, name = sys.argv[1:5]
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    import memshim.daemon.client  # noqa: F401 - not part of what is measured

    print("ready", flush=True)
    sys.stdin.read()
    {"raw": raw, "socket": through_socket}[how](store, int(count), name)
    print("done", flush=True)


if __name__ == "__main__":
    main()
