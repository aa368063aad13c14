"""The garbage collector of a web process, which must not halt it: a collection over LiteLLM's heap takes 280 ms."""

import asyncio
import gc


async def settle_heap() -> None:
    """Take everything alive out of the garbage collector's sight, and make it run rarely.

    To be called when the imports are done, and again after a late one.
    """
    await asyncio.sleep(0)
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
