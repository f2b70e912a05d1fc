"""A local server that speaks chat completions and LangSmith's runs as documented, with the faults of the real ones."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Reply:
    """What the server answers next: a body as it is, or the parts of a completion."""

    content: str | None = None
    finish_reason: str = "stop"
    refusal: str | None = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    wait_for: threading.Event | None = None
    prompt_tokens: int = 100
    completion_tokens: int = 20


@dataclass
class StandIn:
    """The server's address, its plan, and what it was asked."""

    base_url: str
    replies: list[Reply] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    runs: list[dict[str, Any]] = field(default_factory=list)
    run_status: int = 202
    otherwise: Reply = field(default_factory=lambda: Reply(content='{"facts": []}'))


@contextlib.contextmanager
def stand_in() -> Iterator[StandIn]:
    state = StandIn("")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.path.endswith("/runs"):
                state.runs.append(json.loads(body) | {"key": self.headers.get("x-api-key")})
                self._send(state.run_status, b"{}", {})
                return
            state.requests.append(json.loads(body) | {"path": self.path})
            state.keys.append(self.headers.get("Authorization", ""))
            reply = state.replies.pop(0) if state.replies else state.otherwise
            if reply.wait_for is not None:
                reply.wait_for.wait(10)
            with contextlib.suppress(OSError):
                self._send(reply.status, reply.body if reply.body is not None else _body(reply), reply.headers)

        def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.base_url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def _body(reply: Reply) -> bytes:
    if reply.status != 200:
        error = {"message": f"status {reply.status}", "type": "error", "param": None, "code": None}
        return json.dumps({"error": error}).encode()
    message: dict[str, Any] = {
        "role": "assistant",
        "content": reply.content,
        "refusal": reply.refusal,
        "annotations": [],
    }
    return json.dumps(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": "gpt-5-mini-2025-08-07",
            "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": reply.finish_reason}],
            "usage": {
                "prompt_tokens": reply.prompt_tokens,
                "completion_tokens": reply.completion_tokens,
                "total_tokens": reply.prompt_tokens + reply.completion_tokens,
            },
        }
    ).encode()
