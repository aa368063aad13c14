"""Stand-in providers: a process of their own, spoken to over HTTP only, for the demo and for tests.

One folder step of the path each: `/chat` here, `/checkout` in `checkout/`, `/minimax` and `/suno` in theirs, whose songs `music/` makes;
`app.py` is where another provider joins. `faults.py` lists what can go wrong on demand, `control.py` the API for tests. Nothing here
loads Django or litellm.
"""
