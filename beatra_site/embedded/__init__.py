"""The servers that `make run` and the tests bring along: PostgreSQL, Valkey, and the supervisor that keeps them.

Nothing outside `manage.py up` and the tests uses this package: where DATABASE_URL and REDIS_URL are given, it is idle.
"""
