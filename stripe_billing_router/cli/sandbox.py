"""`sandbox`: a Stripe on the loopback interface, with what your routes name in it."""

from __future__ import annotations

import secrets
from typing import Annotated

import typer

from ..errors import ConfigurationError
from ..sandbox import SANDBOX_SECRET_KEY
from ..sandbox.sending import sending
from ..sandbox.server import SandboxServer, real_time_world
from ..testing import furnish_routes
from .ground import ConfigOption, JsonOption, routing_file
from .output import as_json_line

_Port = Annotated[int, typer.Option(min=0, max=65535, help="Where to listen; 0 takes a free one.")]


def sandbox(port: _Port = 12111, config: ConfigOption = None, as_json_: JsonOption = False) -> None:
    """Serve a Stripe stand-in on 127.0.0.1 until interrupted.

    For tests in any language: what your routes name is there. Ids are other ones at each start, so
    that a ledger that is kept does not take a new payment for an old one. Webhook endpoints that
    are registered with it are sent to if they are on 127.0.0.1 too.
    """
    world = real_time_world(seed=secrets.token_hex(8))
    file = routing_file(config)
    furnish_routes(world, file.routes, file.overrides)
    try:
        server = SandboxServer(world, port)
    except OSError as error:
        raise ConfigurationError(
            f"Port {port} of 127.0.0.1 cannot be had ({error.strerror}); pass another with --port."
        ) from None
    variables = {
        "STRIPE_API_BASE": server.api_base,
        "STRIPE_SECRET_KEY": SANDBOX_SECRET_KEY,
    }
    if as_json_:
        as_json_line(variables)
    else:
        for name, value in variables.items():
            typer.echo(f"export {name}={value}")
    try:
        with sending(world):
            server.serve_forever(0.2)
    except KeyboardInterrupt:
        typer.echo(f"{len(world.requests)} requests were answered.", err=True)
    finally:
        server.server_close()
