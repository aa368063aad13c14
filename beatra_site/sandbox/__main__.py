"""`python -m beatra_site.sandbox --host 127.0.0.1 --port N`: the stand-in providers, as a process of their own."""

import argparse
import os
import resource

import uvicorn

from beatra_site.sandbox.app import Sandbox
from beatra_site.sandbox.exchange import Protocol


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m beatra_site.sandbox", description="beatra's stand-in providers")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--faults", action="store_true", help="honour fault directives and serve /control/ (tests only)")
    parser.add_argument("--key", help="the only API key to accept; without it any or none will do")
    parser.add_argument("--chunk-ms", type=float, default=0, help="milliseconds between the chunks of a stream")
    parser.add_argument("--song-ms", type=float, help="how long a song takes, in milliseconds; 6000, with --faults 0")
    options = parser.parse_args()
    song_ms = options.song_ms if options.song_ms is not None else 0 if options.faults else 6000
    # Hundreds of calls are held open at once
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    uvicorn.run(
        Sandbox(
            faults=options.faults,
            key=options.key,
            chunk_ms=options.chunk_ms,
            song_ms=song_ms,
            # From the environment: everybody on this machine can read a command
            checkout_key=os.environ.get("SANDBOX_CHECKOUT_KEY", ""),
            webhook_secret=os.environ.get("SANDBOX_WEBHOOK_SECRET", ""),
            public_url=os.environ.get("SANDBOX_PUBLIC_URL", "").rstrip("/"),
        ),
        host=options.host,
        port=options.port,
        http=Protocol,
        loop="uvloop",
        ws="none",
        lifespan="off",
        backlog=2048,
        access_log=False,
        log_level="warning",
        server_header=False,
        # Longer than any client pools a connection, so that it is never closed under a request
        timeout_keep_alive=120,
        # A call that is held or stalled does not keep the process from ending
        timeout_graceful_shutdown=1,
    )


if __name__ == "__main__":
    main()
