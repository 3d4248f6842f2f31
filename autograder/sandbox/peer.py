"""Framed request and reply over one socket, the same at both ends.

While one side waits for its reply it serves the requests of the other, so a learner's function can call back into the check
that called it. A frame is a header (magic, length of meta, length of body), the meta tree and the array buffers.
"""

from __future__ import annotations

import secrets
import socket
import struct
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from autograder.sandbox.errors import WireError, WorkerTimeout
from autograder.sandbox.gpu import CPU
from autograder.sandbox.wire import ALIGN, Caps, Decoder, Describe, Encoder, Resolve

HEADER = struct.Struct("<4sIQ")
MAGIC = b"AGW1"
PADDING = bytes(ALIGN)
MAX_NESTING = 16  # request within request within request …


class Closed(Exception):
    """The other side is gone."""


class Refused(Exception):
    """The other side answered with an error: `details` is what its `explain` made of it."""

    def __init__(self, details: list):
        super().__init__(details)
        self.details = details


class Peer:
    """One end of the conversation.

    Args:
        sock: a connected stream socket.
        serve: called as serve(op, args) for each request of the other side; its value is sent back.
        explain: turns an exception raised by `serve` into a list of plain data.
        describe, resolve: how objects that are not plain data are named on the wire (see `wire`).
        caps: what is accepted from the other side.
    """

    def __init__(
        self,
        sock: socket.socket,
        serve: Callable[[str, list], Any],
        explain: Callable[[BaseException], list],
        describe: Describe | None = None,
        resolve: Resolve | None = None,
        caps: Caps | None = None,
    ):
        self.sock, self.serve, self.explain = sock, serve, explain
        self.describe, self.resolve, self.caps = describe, resolve, caps or Caps()
        self.deadline: float | None = None
        self.device = CPU  # where torch tensors that arrive are put
        self.nesting = 0

    def request(self, op: str, *args: Any) -> Any:
        """Send a request and wait for its answer, serving the other side's requests meanwhile.

        Raises:
            Refused: the other side answered with an error.
            WireError: it broke the protocol. WorkerTimeout: `deadline` passed. Closed: it is gone.
        """
        nonce = secrets.randbits(62)  # an answer written in advance cannot know it
        self.send(["?", nonce, op, list(args)])
        while True:
            frame = self.receive()
            if self.is_request(frame):
                self.answer(frame)
                continue
            if _shape(frame) != [str, int, str] or frame[:2] != ["!", nonce] or frame[2] not in ("ok", "error"):
                raise WireError("an answer to no question")
            if frame[2] == "error":
                raise Refused(frame[3])
            return frame[3]

    def serve_forever(self) -> None:
        while True:
            try:
                frame = self.receive()
            except Closed:
                return
            if not self.is_request(frame):
                raise WireError("an answer to no question")
            self.answer(frame)

    @staticmethod
    def is_request(frame: Any) -> bool:
        return _shape(frame) == [str, int, str] and frame[0] == "?" and type(frame[3]) is list

    def answer(self, frame: list) -> None:
        _, nonce, op, args = frame
        if self.nesting >= MAX_NESTING:
            raise WireError(f"calls nested more than {MAX_NESTING} times")
        self.nesting += 1
        try:
            result = ["ok", self.serve(op, args)]
        except (Closed, WorkerTimeout, WireError):
            raise
        except BaseException as error:
            result = ["error", self.explain(error)]
        finally:
            self.nesting -= 1
        try:
            encoded = self.encode(["!", nonce, *result])
        except WireError as error:
            encoded = self.encode(["!", nonce, "error", self.explain(error)])
        self.transmit(*encoded)

    def send(self, frame: list) -> None:
        self.transmit(*self.encode(frame))

    def encode(self, frame: list) -> tuple[bytes, list[tuple[int, np.ndarray]], int]:
        encoder = Encoder(self.describe, self.caps)
        return encoder.pack(frame), encoder.buffers, encoder.size

    def transmit(self, meta: bytes, buffers: list[tuple[int, np.ndarray]], size: int) -> None:
        parts = [memoryview(HEADER.pack(MAGIC, len(meta), size) + meta)]
        for _, array in buffers:
            parts.append(memoryview(array.reshape(-1).view(np.uint8)))
            parts.append(memoryview(PADDING)[: -array.nbytes % ALIGN])
        try:
            _send_all(self.sock, [part for part in parts if len(part)], self.time_left)
        except TimeoutError:
            raise WorkerTimeout("the other side does not read") from None
        except OSError:
            raise Closed from None

    def receive(self) -> Any:
        magic, meta_size, body_size = HEADER.unpack(self.read(bytearray(HEADER.size)))
        if magic != MAGIC:
            raise WireError("bad magic")
        if meta_size > self.caps.meta or body_size > self.caps.body:
            raise WireError("a message that is too large")
        meta = self.read(bytearray(meta_size))
        # np.empty is backed lazily: an announced size costs nothing until it is really sent.
        body = self.read(np.empty(body_size, np.uint8)) if body_size else None
        return Decoder(body, self.caps, self.resolve, self.device).unpack(meta)

    def read(self, buffer: Any) -> Any:
        view, got = memoryview(buffer), 0
        while got < len(view):
            self.sock.settimeout(self.time_left())
            try:
                count = self.sock.recv_into(view[got:])
            except TimeoutError:
                raise WorkerTimeout("no answer in time") from None
            except OSError:
                raise Closed from None
            if count == 0:
                raise Closed
            got += count
        return buffer

    def time_left(self) -> float | None:
        """Seconds until the deadline, for one socket call. One deadline covers a whole exchange, so drip-feeding gains nothing."""
        if self.deadline is None:
            return None
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise WorkerTimeout("no answer in time")
        return left


def _shape(frame: Any) -> list[type]:
    """The types of a frame's first three parts: told before any of them is compared with anything."""
    return [type(part) for part in frame[:3]] if type(frame) is list and len(frame) == 4 else []


def _send_all(sock: socket.socket, parts: list[memoryview], time_left: Callable[[], float | None]) -> None:
    first = 0
    while first < len(parts):
        sock.settimeout(time_left())
        sent = sock.sendmsg(parts[first : first + 64])
        while first < len(parts) and sent >= len(parts[first]):
            sent -= len(parts[first])
            first += 1
        if sent:
            parts[first] = parts[first][sent:]
