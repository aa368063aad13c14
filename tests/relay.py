"""A TCP relay before a server, that a test can cut: the server is then away for whoever comes through here."""

import socket
import threading
from contextlib import suppress


class Relay:
    """Listens on `port` of the loopback. `cut()` ends what is open and refuses what comes; `restore()` lets come again."""

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._muted = False
        self._last_words: bytes | None = None
        self._listen(0)
        self.port: int = self._listener.getsockname()[1]

    def mute_from(self, words: bytes) -> None:
        """Once a statement with `words` was prepared and runs, the server is heard by nobody any more, though it hears."""
        self._last_words = words

    def mute(self) -> None:
        """From now on the server is heard by nobody any more, though it hears."""
        self._muted = True

    def unmute(self) -> None:
        """Heard again, but for what it said meanwhile."""
        self._muted = False

    def cut(self) -> None:
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def restore(self) -> None:
        self._muted, self._last_words = False, None
        self._listen(self.port)

    def _listen(self, port: int) -> None:
        self._listener = socket.create_server(("127.0.0.1", port))
        self._open: list[socket.socket] = [self._listener]
        threading.Thread(target=self._accept, args=(self._listener, self._open), daemon=True).start()

    def _accept(self, listener: socket.socket, opened: list[socket.socket]) -> None:
        with suppress(OSError):
            while True:
                here, _ = listener.accept()
                there = socket.create_connection(self._server)
                opened += [here, there]
                threading.Thread(target=self._pass_on, args=(here, there), daemon=True).start()
                threading.Thread(target=self._pass_on, args=(there, here), kwargs={"answers": True}, daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket, *, answers: bool = False) -> None:
        prepared = False
        with suppress(OSError):
            while data := source.recv(65536):
                self._muted = self._muted or prepared
                prepared = not answers and self._last_words is not None and self._last_words in data
                if not (answers and self._muted):
                    target.sendall(data)
            target.shutdown(socket.SHUT_RDWR)
