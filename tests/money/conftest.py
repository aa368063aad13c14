from tests.wallets.conftest import clean_books

__all__ = ["clean_books"]
