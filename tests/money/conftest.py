from tests.wallets.conftest import clean_books, connect

__all__ = ["clean_books", "connect"]
