"""Who may see the pages, and whose clicks they are.

Three things could go wrong with a server on an instructor's machine: others in the network reach it, so anywhere but on loopback a
token is asked for; a page of somebody else's resolves its own name to this machine (DNS rebinding), so on loopback the name in
`Host` has to be ours; and such a page sends a form to us (CSRF), so a form has to come from our own origin, with a
secret of the session.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
MAX_FORM = 1 << 16
SAFE = ("GET", "HEAD")
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Nobody else learns of our addresses. `no-referrer` would take the origin from our own forms, too.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True)
class Access:
    """Who may come in.

    Attributes:
        token: what the first page has to be asked for with; empty for none.
        hosts: the names that `Host` may have; empty for any, where a token is asked for.
        cookie: the name of the session's cookie; servers on one machine share their cookies, whatever their ports.
    """

    token: str = ""
    hosts: frozenset[str] = LOOPBACK
    cookie: str = "autograder"
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    def new_session(self) -> str:
        name = secrets.token_urlsafe(18)
        return f"{name}.{self._signed('session', name)}"

    def is_session(self, cookie: str) -> bool:
        name, _, signature = cookie.partition(".")
        return same(signature, self._signed("session", name))

    def form_secret(self, session: str) -> str:
        """What the forms of a session carry."""
        return self._signed("form", session)

    def _signed(self, purpose: str, text: str) -> str:
        return hmac.new(self.secret, f"{purpose} {text}".encode("utf-8", "replace"), hashlib.sha256).hexdigest()


class Guard:
    """Lets through what may be seen, and adds the headers that keep a browser from doing more with it."""

    def __init__(self, app: ASGIApp, access: Access):
        self.app, self.access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = Request(scope, receive)
        known = request.cookies.get(self.access.cookie, "")
        session = known if self.access.is_session(known) else self.access.new_session()
        response = self.refused(request, has_session=session == known)
        may_have_it = response is None or response.status_code == 303
        scope.setdefault("state", {})["form_secret"] = self.access.form_secret(session)

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                if may_have_it and session != known and not request.scope["path"].startswith("/static/"):
                    headers.append("Set-Cookie", self.cookie(request, session))
            await send(message)

        await (response or self.app)(scope, receive, send_guarded)

    def refused(self, request: Request, has_session: bool) -> Response | None:
        """The answer to what may not be seen or done; 303 to somebody who comes with the token."""
        if self.access.hosts and host_name(request) not in self.access.hosts:
            return refusal(421, f"This server answers to {' and '.join(sorted(self.access.hosts))} only.")
        if request.method not in SAFE and not is_from_here(request):
            return refusal(403, "This form did not come from a page of this server.")
        if not self.access.token or request.scope["path"].startswith("/static/"):
            return None
        token = request.query_params.get("token")
        if token is not None and request.method in SAFE and same(token, self.access.token):
            return RedirectResponse("/", 303)
        if has_session:
            return None
        return refusal(401, "Open the address that `autograder serve` printed; it ends with ?token=… .")

    def cookie(self, request: Request, session: str) -> str:
        secure = "; Secure" if request.url.scheme == "https" else ""
        return f"{self.access.cookie}={session}; Path=/; HttpOnly; SameSite=Strict{secure}"


def is_from_here(request: Request) -> bool:
    """Whether a browser says that it was one of our pages that sent this."""
    origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site")
    if origin is None and site is None:
        return False
    ours = f"{request.url.scheme}://{request.headers.get('host', '')}"
    return origin in (None, ours) and site in (None, "same-origin")


def host_name(request: Request) -> str:
    try:
        return urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
    except ValueError:
        return ""


async def read_form(request: Request) -> dict[str, str] | None:
    """The fields of a form, or None where it is not one of this session's."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MAX_FORM:
            return None
    try:
        form = dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=50))
    except ValueError:
        return None
    return form if same(form.get("form_secret", ""), request.state.form_secret) else None


def same(one: str, other: str) -> bool:
    """Compared in a time that does not tell where they differ."""
    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode("utf-8", "replace"))


def refusal(status: int, says: str) -> Response:
    return PlainTextResponse(says + "\n", status)
