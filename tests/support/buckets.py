"""A real S3 server on the loopback (moto_server), behind a proxy that makes faults."""

import http.client
import os
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

NAME = "lab"
_PAGE = 7
"""So few objects come with each page of a listing that every test sees several pages."""

# The server believes every signature.
_AUTHORIZED = (
    "AWS4-HMAC-SHA256 Credential=me/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, "
    "Signature=0"
)

Fault = Callable[["Answer"], None]


@dataclass
class Answer:
    """What the server answers to a request; a fault changes it before it is passed on.

    sent: how many bytes of the body are sent; None for all.
    """

    method: str
    path: str
    status: int
    body: bytes
    sent: int | None = None

    def refuse(self, status: int, code: str) -> None:
        text = f"<Error><Code>{code}</Code><Message>no</Message></Error>"
        self.status, self.body = status, text.encode()


@dataclass
class Rule:
    """A fault for requests whose method and path match, so many times."""

    pattern: re.Pattern[str]
    fault: Fault
    times: int


@dataclass
class S3:
    """The server, seen through the proxy at `port`.

    `requests` are those since the last `reset`, and `sent` the bytes that were sent for them.
    """

    server: int
    port: int = 0
    rules: list[Rule] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    sent: int = 0

    def reset(self) -> None:
        self.rules, self.requests, self.sent = [], [], 0

    def at(self, pattern: str, fault: Fault, times: int = 10**6) -> None:
        """Makes a fault happen to the next requests such as `GET /lab/a.csv`."""
        self.rules.append(Rule(re.compile(pattern), fault, times))

    def request(self, method: str, key: str, body: bytes = b"") -> bytes:
        """Sends a request to the server itself; anyone may do anything there."""
        url = f"http://127.0.0.1:{self.server}/{NAME}{key}"
        binary = {"Content-Type": "application/octet-stream", "Authorization": _AUTHORIZED}
        asked = urllib.request.Request(url, body, binary, method=method)
        with urllib.request.urlopen(asked, timeout=30) as answer:
            content: bytes = answer.read()
        return content

    def put(self, key: str, content: bytes) -> None:
        self.request("PUT", f"/{quote(key)}", content)

    def upload(self, folder: Path, prefix: str) -> str:
        """Puts a folder into the bucket; returns its URL."""
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                self.put(f"{prefix}/{path.relative_to(folder)}", path.read_bytes())
        return f"s3://{NAME}/{prefix}"

    @property
    def environment(self) -> dict[str, str]:
        """How the programs under test find the server."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_ACCESS_KEY_ID": "me",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
        }


@contextmanager
def s3() -> Iterator[S3]:
    """A server with one empty bucket."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).with_name("moto_server")), "-H", "127.0.0.1", "-p"]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    process = subprocess.Popen(
        [*command, str(port)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        store = S3(port)
        _wait(store)
        with _proxy(store):
            yield store
    finally:
        process.kill()
        process.wait()


def _wait(store: S3) -> None:
    for _ in range(600):
        try:
            store.request("PUT", "")
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("moto_server does not answer")


@contextmanager
def _proxy(store: S3) -> Iterator[None]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = self.path
            if "list-type=2" in path:
                path += f"&max-keys={_PAGE}"
            server = http.client.HTTPConnection("127.0.0.1", store.server)
            server.request(self.command, path, headers=dict(self.headers))
            response = server.getresponse()
            answer = Answer(self.command, self.path, response.status, response.read())
            store.requests.append(f"{self.command} {self.path}")
            for rule in store.rules:
                if rule.times and rule.pattern.search(f"{self.command} {self.path}"):
                    rule.times -= 1
                    rule.fault(answer)
                    break
            self.send_response(answer.status)
            for name, value in response.getheaders():
                if name.lower() not in ("content-length", "connection", "date", "server"):
                    self.send_header(name, value)
            length = response.getheader("Content-Length", "0")
            given = str(len(answer.body)) if self.command == "GET" else length
            self.send_header("Content-Length", given)
            # No connection is left open at the end of the tests.
            self.send_header("Connection", "close")
            self.end_headers()
            if self.command == "GET":
                store.sent += len(answer.body)
                self.wfile.write(answer.body[: answer.sent])
            server.close()

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as proxy:
        store.port = proxy.server_port
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        try:
            yield
        finally:
            proxy.shutdown()
