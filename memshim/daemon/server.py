"""Server: the socket, its connections and their time.  Must not know what is asked, nor touch a store.

One thread serves all connections and never waits for one: a client that is slow, silent or dead holds nobody up.  What takes
time is done elsewhere; its answer is handed back from any thread.
"""

import contextlib
import os
import selectors
import socket
import stat
import time
from collections import deque
from functools import partial

from memshim.daemon import client, protocol

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Answer = Callable[[bytes, bool], None]

CONNECTIONS = 64
FRAME_S = 2.0
"""How long a client may take to send one request, from its first byte on, and to read an answer."""
SILENT_S = 60.0
"""How long a connection may say nothing, unless it is a subscription."""
BACKLOG_BYTES = 1024 * 1024
"""How much may wait for a subscriber who does not read; then the connection is closed."""


class Peer:
    """Is one connection."""

    __slots__ = ("busy", "ended", "inbox", "listening", "outbox", "sock", "subscribed", "until")

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.listening = 0  # what the selector was asked for
        self.inbox = bytearray()
        self.outbox = bytearray()
        self.until: float | None = None  # when it is late
        self.busy = False  # a request is being worked on
        self.ended = False  # the client has ended its half
        self.subscribed = False


class Server:
    """Listens on this user's socket; calls `handle(request, answer)` in its thread for each request, which must not wait.

    `answer(payload, ok)` may be called once, from any thread.  `handle` returns True for a subscription: the connection then
    gets every line of `broadcast`.  `rest` is called when all that had come was handled, and says for how many seconds at
    most nothing else is to be done.
    """

    def __init__(self, handle: "Callable[[protocol.Request, Answer], bool]", rest: "Callable[[], float]") -> None:
        self._handle = handle
        self._rest = rest
        self._selector = selectors.DefaultSelector()
        self._calls: deque[Callable[[], None]] = deque()
        self._woken = False
        self._wake_r, self._wake_w = os.pipe()
        os.set_blocking(self._wake_r, False)
        os.set_blocking(self._wake_w, False)
        self._selector.register(self._wake_r, selectors.EVENT_READ)
        self._peers: set[Peer] = set()
        self._late_at: float | None = None  # when the first of them may be late; none is before that
        self._listener: socket.socket | None = None
        self._stopping = False
        self.path = ""

    def listen(self) -> bool:
        """Makes the socket; False where there is no folder for it that is ours alone.  The caller holds the daemon's lock."""
        self.path = protocol.socket_path()
        folder = os.path.dirname(self.path)
        with contextlib.suppress(OSError):
            os.mkdir(folder, 0o700)
        if not protocol.is_ours(folder):
            self.path = ""
            return False
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)  # a dead daemon's: the lock says that none is alive
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o177)
        try:
            listener.bind(self.path)
        finally:
            os.umask(before)
        listener.listen(CONNECTIONS)
        listener.setblocking(False)
        self._listener = listener
        self._selector.register(listener, selectors.EVENT_READ)
        return True

    def run(self) -> None:
        """Serves until `stop`."""
        wait = 0.0
        while not self._stopping:
            self._woken = False  # before the calls are looked at: who adds one from now on wakes us again
            events = [] if self._calls else self._selector.select(wait)
            self._woken = True  # whoever adds one from here on is met below, or before the next wait
            for key, mask in events:
                self._ready(key, mask)
            while self._calls:
                self._calls.popleft()()
            self._end_late()
            wait = self._rest()
            if self._late_at is not None:
                wait = min(wait, max(self._late_at - time.monotonic(), 0))

    def stop(self) -> None:
        """Ends `run`; from any thread or a signal handler."""
        self._stopping = True
        self._wake()

    def close(self) -> None:
        """Closes everything, and removes the socket if it is still ours."""
        for peer in list(self._peers):
            self._close(peer)
        if self._listener is not None:
            self._listener.close()
            with contextlib.suppress(OSError):
                if stat.S_ISSOCK(os.lstat(self.path).st_mode):
                    os.unlink(self.path)
        self._selector.close()
        wake, self._wake_w = self._wake_w, -1  # the number may be another file's when somebody answers after this
        os.close(wake)
        os.close(self._wake_r)

    def broadcast(self, line: bytes) -> None:
        """Sends a line to every subscriber, from any thread; who does not read loses the connection, and nobody waits."""
        self.call(lambda: self._broadcast(line + b"\n"))

    def subscribers(self) -> int:
        """Returns how many connections are subscriptions."""
        return sum(peer.subscribed for peer in list(self._peers))

    def connections(self) -> int:
        """Returns how many connections there are."""
        return len(self._peers)

    def call(self, what: "Callable[[], None]") -> None:
        """Calls something in its own thread, after all that it was asked before; from any thread."""
        self._calls.append(what)
        if not self._woken:
            self._woken = True
            self._wake()

    # -- the thread of `run` ------------------------------------------------------------------------------------

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError, OSError):
            os.write(self._wake_w, b"!")

    def _ready(self, key: selectors.SelectorKey, mask: int) -> None:
        if key.fileobj is self._listener:
            self._accept()
        elif key.data is None:
            with contextlib.suppress(BlockingIOError):
                os.read(self._wake_r, 4096)
        elif key.data in self._peers:
            if mask & selectors.EVENT_WRITE:
                self._send(key.data)
            if mask & selectors.EVENT_READ and key.data in self._peers:
                self._receive(key.data)

    def _accept(self) -> None:
        assert self._listener is not None
        try:
            sock, _ = self._listener.accept()
        except OSError:
            return
        if len(self._peers) >= CONNECTIONS or client.peer(sock) != os.geteuid():
            sock.close()
            return
        sock.setblocking(False)
        peer = Peer(sock)
        self._peers.add(peer)
        self._expect(peer, FRAME_S)
        self._listen_for(peer)

    def _receive(self, peer: Peer) -> None:
        try:
            data = peer.sock.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError:
            self._close(peer)
            return
        busy, begins = peer.busy, not peer.inbox
        peer.inbox += data
        peer.ended = peer.ended or not data
        if peer.subscribed or len(peer.inbox) > protocol.MAX_BYTES + protocol.MAX_HEAD:
            self._close(peer)  # a subscriber has nothing more to say; it has ended, or is none
        elif peer.ended and not peer.inbox and not peer.busy and not peer.outbox:
            self._close(peer)
        else:
            self._next(peer)
            if begins and peer.inbox and not peer.busy:
                self._expect(peer, FRAME_S)
            if peer in self._peers and (busy or peer.ended):  # it is not heard before it is answered
                self._listen_for(peer)

    def _next(self, peer: Peer) -> None:
        """Takes the next request of a connection, if it is whole and none is being worked on."""
        if peer.busy or not peer.inbox:
            return
        try:
            request = protocol.decode_request(peer.inbox, peer.ended)
        except protocol.BadFrame as error:
            peer.inbox.clear()
            peer.ended = True
            self._answer(peer, str(error).encode(), False)
            return
        if request is None:
            return
        del peer.inbox[: request.size]
        peer.busy, peer.until = True, None
        peer.ended = peer.ended or request.fields.get("more") != "1"

        if self._handle(request, partial(self._answered, peer)):
            peer.subscribed = True
            self._listen_for(peer)

    def _answered(self, peer: Peer, payload: bytes, ok: bool) -> None:
        """Hands an answer to the server's thread, from any thread."""
        self.call(partial(self._answer, peer, payload, ok))

    def _answer(self, peer: Peer, payload: bytes, ok: bool) -> None:
        if peer in self._peers:
            peer.busy = False
            peer.outbox += protocol.encode_answer(payload, ok)
            self._send(peer)
            if peer.outbox:
                self._expect(peer, FRAME_S)

    def _broadcast(self, line: bytes) -> None:
        for peer in [peer for peer in self._peers if peer.subscribed]:
            if len(peer.outbox) + len(line) > BACKLOG_BYTES:
                self._close(peer)
            else:
                peer.outbox += line
                self._send(peer)

    def _send(self, peer: Peer) -> None:
        try:
            sent = peer.sock.send(peer.outbox) if peer.outbox else 0
            del peer.outbox[:sent]
        except BlockingIOError:
            sent = 0
        except OSError:
            self._close(peer)
            return
        if peer.subscribed:
            peer.until = None  # it is silent for as long as nothing happens; who does not read has BACKLOG_BYTES
        elif not peer.outbox and not peer.busy:
            if peer.ended and not peer.inbox:
                self._close(peer)
                return
            self._expect(peer, FRAME_S if peer.inbox else SILENT_S)
            self._next(peer)
        if peer in self._peers:
            self._listen_for(peer)

    def _listen_for(self, peer: Peer) -> None:
        """Asks to be woken for what can be done about a connection, and for nothing else."""
        wanted = 0 if peer.ended or (peer.busy and not peer.subscribed) else selectors.EVENT_READ
        wanted |= selectors.EVENT_WRITE if peer.outbox else 0
        if wanted == peer.listening:
            return
        if not wanted:
            self._selector.unregister(peer.sock)
        elif not peer.listening:
            self._selector.register(peer.sock, wanted, peer)
        else:
            self._selector.modify(peer.sock, wanted, peer)
        peer.listening = wanted

    def _expect(self, peer: Peer, seconds: float) -> None:
        """Says within which time something must come from a connection, or be taken by it."""
        peer.until = time.monotonic() + seconds
        if self._late_at is None or peer.until < self._late_at:
            self._late_at = peer.until

    def _end_late(self) -> None:
        now = time.monotonic()
        if self._late_at is None or now < self._late_at:
            return
        for peer in [p for p in self._peers if p.until is not None and p.until <= now]:
            self._close(peer)
        self._late_at = min((p.until for p in self._peers if p.until is not None), default=None)

    def _close(self, peer: Peer) -> None:
        self._peers.discard(peer)
        if peer.listening:
            self._selector.unregister(peer.sock)
            peer.listening = 0
        peer.sock.close()
