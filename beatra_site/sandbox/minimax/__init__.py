"""MiniMax's music API, as much of it as the gateway uses: `provider.py` the call, `request.py` what it takes, `refusals.py` its codes."""
