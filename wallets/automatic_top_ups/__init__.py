"""Saved cards, and what they are charged when a wallet runs low."""
