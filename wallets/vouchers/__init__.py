"""Codes that give credits."""
