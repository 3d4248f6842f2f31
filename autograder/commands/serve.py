"""`autograder serve`: the gradebook as pages in a browser."""

from __future__ import annotations

import secrets
import socket
from pathlib import Path
from typing import Annotated

import typer

from autograder.catalog import Course, CourseError
from autograder.commands.gradebook import DEFAULT, open_gradebook


def serve(
    context: typer.Context,
    db: Annotated[
        str,
        typer.Option(
            metavar="FILE|URL",
            envvar="AUTOGRADER_GRADEBOOK",
            help="The gradebook: an SQLite file, or the URL of a database.",
        ),
    ] = DEFAULT,
    name: Annotated[str, typer.Option("--class", help="Which of several classes in one database.")] = "main",
    author: Annotated[str, typer.Option(help="Who is noted for a change; by default you.", show_default=False)] = "",
    submissions: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="What the class handed in: the pages get buttons that grade it anew.",
            show_default=False,
        ),
    ] = None,
    results: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="The folder of `autograder grade --out`, to be kept up to date by that.",
            show_default=False,
        ),
    ] = None,
    host: Annotated[str, typer.Option(help="Where to listen; off this machine a token is asked for.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 for any that is free.")] = 8000,
    token: Annotated[
        bool, typer.Option("--token", help="Ask for a token here, too: where others use this machine.")
    ] = False,
    opened: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in the browser.")] = True,
) -> None:
    """Show the class in a browser: heatmap, checks, mistakes, late and missing work, one learner's history.

    Points and due times can be changed there, with a reason.

    The pages can be seen on this machine only. With another --host they ask for a token, which is part of the printed address.
    They are not encrypted: in a network, put a server with TLS before them, or use an SSH tunnel.

    Example: autograder serve

    Example: autograder serve --submissions submissions/ --results results/
    """
    try:
        import uvicorn

        from autograder.web.app import create_app
        from autograder.web.desk import Desk
        from autograder.web.regrade import Regrades
        from autograder.web.security import LOOPBACK, Access
    except ImportError as error:
        raise CourseError(f"the dashboard needs {error.name}; run: pip install 'autograder[gradebook,web]'") from None
    if results and not submissions:
        raise CourseError("--results is for re-grading: give --submissions, too")
    if submissions and not submissions.is_dir():
        raise CourseError(f"{submissions}: no such folder")
    course = Course.find(context.obj)
    open_gradebook(db, name, author).__exit__()  # says what is wrong with it
    is_local = host in LOOPBACK
    with _listening(host, port) as listener, Desk(course, db, name, author) as desk:
        port = listener.getsockname()[1]
        key = secrets.token_urlsafe(24) if token or not is_local else ""
        access = Access(key, LOOPBACK if is_local else frozenset(), f"autograder_{port}")
        address = f"http://{_name(host)}:{port}/{key and f'?token={key}'}"
        desk.warm_up()
        regrades = Regrades(desk, submissions, results) if submissions else None
        print(f"{address}\nCtrl-C ends it", flush=True)
        if opened:
            import webbrowser

            webbrowser.open(address)
        app = create_app(desk, access, regrades)
        settings = uvicorn.Config(
            app, log_level="warning", access_log=False, server_header=False
        )  # a log would hold the token
        try:
            uvicorn.Server(settings).run(sockets=[listener])
        except KeyboardInterrupt:
            pass


def _name(host: str) -> str:
    """How a browser calls it."""
    if host in ("0.0.0.0", "::"):
        return socket.gethostname()
    return f"[{host}]" if ":" in host else host


def _listening(host: str, port: int) -> socket.socket:
    """A socket that a browser can connect to already.

    Raises:
        CourseError: the address cannot be had.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise CourseError(
            f"cannot listen on {host}, port {port}: {error.strerror}; choose another with --port"
        ) from None
