"""A stand-in for the Messages API on loopback: it says what a script tells it to say, and never thinks.

A user's text that holds `play:NAME` makes its conversation follow the script NAME; a subagent whose prompt names another
script follows that one; the client's own pass that extracts memories follows `extraction`. A script is a list of turns. Which
turn is due is counted in the request itself (the answers since that text), so the server remembers nothing, and any number of
clients can be served at once.
"""

import json
import re
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

GATE_S = 90.0
"""How long a client waits for the others before the gate counts as never filled."""

_NAMED = re.compile(r"\bplay:([\w.-]+)|now acting as the memory (extraction) subagent")
_NEXT_TO_NOTHING = {"input_tokens": 100, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}


@dataclass(frozen=True)
class Call:
    """Is one call of a tool."""

    tool: str
    input: Mapping[str, Any]


@dataclass(frozen=True)
class Turn:
    """Is one answer: `calls` that the client makes side by side, or a text that ends its turn.

    It is given when `gate`, if there is one, lets it through.
    """

    calls: Sequence[Call] = ()
    text: str = ""
    gate: "Gate | None" = None


@dataclass(frozen=True)
class Result:
    """Is what the client reported of one call."""

    id: str
    text: str
    error: bool


Step = Turn | Call | str | Callable[[list[Result]], "Turn | Call | str"]
"""A turn, a call alone, a text alone, or a function of the newest results that gives one of these."""


class Gate:
    """Holds answers back until `n` are waiting, then lets all of them go at once; `open` lets go whoever waits."""

    def __init__(self, n: int = 2) -> None:
        self._barrier = threading.Barrier(n)
        self.arrived = threading.Event()
        self.failed = False

    def wait(self) -> None:
        self.arrived.set()
        try:
            self._barrier.wait(GATE_S)
        except threading.BrokenBarrierError:
            self.failed = True

    def close(self) -> None:
        self._barrier.abort()


@dataclass
class Api:
    """Is the running server; use it as a context. `scripts` may change at any time.

    `requests` holds every conversation request; `faults` what went wrong here, which no client would tell.
    """

    scripts: dict[str, Sequence[Step]] = field(default_factory=dict)
    requests: list[dict[str, Any]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    calls: dict[str, Call] = field(default_factory=dict)

    def __enter__(self) -> "Api":
        api = self

        class Handler(_Handler):
            pass

        Handler.api = api
        self._server = _Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="the stand-in")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for steps in self.scripts.values():
            for step in steps:
                if isinstance(step, Turn) and step.gate:
                    step.gate.close()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def answer(self, body: dict[str, Any]) -> tuple[list[dict[str, Any]], str]:
        """The content of the next answer, and why it stops there."""
        messages = body.get("messages", [])
        at, name = _script_of(messages)
        # The client also asks for titles and the like, with the same words and no tools.
        if name is None or not body.get("tools"):
            return [{"type": "text", "text": "ok"}], "end_turn"
        self.requests.append(body)
        if name not in self.scripts:
            self.faults.append(f"A conversation asks for the script {name!r}, which does not exist.")
            return [{"type": "text", "text": "ok"}], "end_turn"
        steps = self.scripts[name]
        due = sum(message["role"] == "assistant" for message in messages[at:])
        step = steps[due] if due < len(steps) else "done"
        if not isinstance(step, Turn | Call | str):
            step = step(results(messages[-1:]))
        turn = step if isinstance(step, Turn) else Turn([step]) if isinstance(step, Call) else Turn(text=step)
        if turn.gate:
            turn.gate.wait()
            if turn.gate.failed:
                self.faults.append(f"The gate of script {name!r}, turn {due}, was never filled.")
        return self._content(name, body, turn), "tool_use" if turn.calls else "end_turn"

    def _content(self, name: str, body: dict[str, Any], turn: Turn) -> list[dict[str, Any]]:
        offered = {tool.get("name") for tool in body["tools"]}
        content: list[dict[str, Any]] = [{"type": "text", "text": turn.text}] if turn.text else []
        for call in turn.calls:
            if call.tool not in offered:
                self.faults.append(f"Script {name!r} calls {call.tool}, which the client does not offer.")
            id_ = f"toolu_{uuid.uuid4().hex[:24]}"
            self.calls[id_] = call
            content.append({"type": "tool_use", "id": id_, "name": call.tool, "input": dict(call.input)})
        return content


def _texts(message: Mapping[str, Any]) -> list[str]:
    content = message.get("content", "")
    return [content] if isinstance(content, str) else [part.get("text", "") for part in content]


def _script_of(messages: Sequence[Mapping[str, Any]]) -> tuple[int, str | None]:
    """The newest text of a user that names a script: its place, and the name."""
    for at in range(len(messages) - 1, -1, -1):
        if messages[at]["role"] == "user":
            named = [found for text in _texts(messages[at]) for found in _NAMED.finditer(text)]
            if named:
                return at, named[-1][named[-1].lastindex or 0]
    return 0, None


def results(messages: Sequence[Mapping[str, Any]]) -> list[Result]:
    """The results of tools in these messages."""
    found = []
    for message in messages:
        content = message.get("content")
        for part in content if isinstance(content, list) else []:
            if part.get("type") == "tool_result":
                text = part.get("content", "")
                if not isinstance(text, str):
                    text = "".join(piece.get("text", "") for piece in text)
                found.append(Result(part["tool_use_id"], text, bool(part.get("is_error"))))
    return found


def _stream(message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """One finished message as the events that would have streamed it."""
    yield {"type": "message_start", "message": {**message, "content": [], "stop_reason": None}}
    for index, part in enumerate(message["content"]):
        if part["type"] == "text":
            start, delta = {"text": ""}, {"type": "text_delta", "text": part["text"]}
        else:
            start, delta = {"input": {}}, {"type": "input_json_delta", "partial_json": json.dumps(part["input"])}
        yield {"type": "content_block_start", "index": index, "content_block": {**part, **start}}
        yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    stop = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    yield {"type": "message_delta", "delta": stop, "usage": {"output_tokens": 10}}
    yield {"type": "message_stop"}


class _Server(ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = False  # closing waits for them: no test leaves one behind


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = GATE_S + 30
    api: Api

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._send("application/json", b"")

    def do_GET(self) -> None:
        self._send("application/json", b"{}")

    def do_POST(self) -> None:
        try:
            raw = self.rfile.read(int(self.headers.get("content-length") or 0))
            body = json.loads(raw or b"{}")
            if self.path.partition("?")[0] != "/v1/messages":
                return self._send("application/json", b'{"input_tokens": 100}')
            content, stop = self.api.answer(body)
            message = {"id": f"msg_{uuid.uuid4().hex[:24]}", "type": "message", "role": "assistant"}
            message |= {"model": body.get("model"), "content": content, "stop_reason": stop, "stop_sequence": None}
            message |= {"usage": {**_NEXT_TO_NOTHING, "output_tokens": 10}}
            if not body.get("stream"):
                return self._send("application/json", json.dumps(message).encode())
            events = (f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in _stream(message))
            self._send("text/event-stream", "".join(events).encode())
        except OSError:
            self.close_connection = True  # the client was killed
        except Exception as error:
            self.api.faults.append(f"{type(error).__name__}: {error}")
            raise

    def _send(self, kind: str, data: bytes) -> None:
        self.close_connection = True
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        self.send_header("connection", "close")
        self.end_headers()
        self.wfile.write(data)
