"""`sandbox`: a Stripe on the loopback interface, with what your routes name in it."""

from __future__ import annotations

from typing import Annotated

import typer

from ..config import load_routing_file
from ..errors import ConfigurationError
from ..sandbox import SANDBOX_SECRET_KEY
from ..sandbox.server import SandboxServer, real_time_world
from ..testing import furnish_routes
from .ground import ConfigOption, settings_of

_Port = Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")]


def sandbox(port: _Port = 12111, config: ConfigOption = None) -> None:
    """Serve a Stripe stand-in on 127.0.0.1 until interrupted, for tests in any language."""
    world = real_time_world()
    file = load_routing_file(settings_of(config).routing_config)
    furnish_routes(world, file.routes, file.overrides)
    try:
        server = SandboxServer(world, port)
    except OSError as error:
        raise ConfigurationError(
            f"Port {port} of 127.0.0.1 cannot be had ({error.strerror}); pass another with --port."
        ) from None
    typer.echo(f"export STRIPE_API_BASE={server.api_base}")
    typer.echo(f"export STRIPE_SECRET_KEY={SANDBOX_SECRET_KEY}")
    try:
        server.serve_forever(0.2)
    except KeyboardInterrupt:
        typer.echo(f"{len(world.requests)} requests were answered.", err=True)
    finally:
        server.server_close()
