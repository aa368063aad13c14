"""Suno as its resellers (sunoapi.org, kie.ai) sell it, as much as the gateway uses: a task is taken on, asked about, and its files read.

provider.py    the API        requests.py    what it takes
tasks.py       what it has taken on, and how far each is
uploads.py     files put there to be covered
callbacks.py   what it tells the one who asked to be told
"""
