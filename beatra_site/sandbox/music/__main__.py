"""One song to standard output: of the prompt that is given, or of what the studio orders on standard input, as JSON."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from beatra_site.sandbox.music.mix import mix
from beatra_site.sandbox.music.mp3 import encode
from beatra_site.sandbox.music.song import Order, compose


def main() -> None:
    os.nice(10)
    if len(sys.argv) > 1:
        wish: dict[str, Any] = {"order": {"prompt": " ".join(sys.argv[1:])}, "rate": 44_100, "out_rate": 44_100, "bitrate": 256_000}
    else:
        wish = json.load(sys.stdin)
    samples = mix(compose(Order(**wish["order"])), rate=wish["rate"])
    sys.stdout.buffer.write(encode(samples, rate=wish["rate"], out_rate=wish["out_rate"], bitrate=wish["bitrate"]))


if __name__ == "__main__":
    main()
