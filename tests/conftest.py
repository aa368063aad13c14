"""Fixtures of every test: the database, the sandbox provider, and a real site to speak HTTP with.

- `db` (pytest-django) for tests inside one transaction; `committed` for those that need real commits;
- `sandbox`: the origin of the sandbox provider, answering;
- `site`: a web process on the test database, seeded. `site.url`, `site.v1`, `site.sandbox`.
"""

import os
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.core.management import call_command
from django.db import connection
from django.test.utils import setup_databases, teardown_databases
from pytest_django import DjangoDbBlocker

from tests.customer import Customer
from tests.gate import Gate
from tests.servers import SERVERS, Web


@pytest.fixture(scope="session", autouse=True)
def _cheap_passwords() -> None:
    """What pytest's own process hashes need not withstand anybody; the site hashes as it does in earnest."""
    Argon2PasswordHasher.time_cost, Argon2PasswordHasher.memory_cost, Argon2PasswordHasher.parallelism = 1, 1024, 1


@pytest.fixture(scope="session")
def django_db_setup(
    django_test_environment: None, django_db_modify_db_settings: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[None]:
    """The test database, migrated, and seeded once: models, routes, prices and the site's rate are there in every test.

    Instead of pytest-django's, which makes a database only for tests that ask for `db` and knows nothing of `committed`.
    """
    with django_db_blocker.unblock():
        databases = setup_databases(verbosity=0, interactive=False, aliases={"default"})
        call_command("seed")
    yield
    with django_db_blocker.unblock():
        teardown_databases(databases, verbosity=0)


@pytest.fixture
def committed(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Database access with real commits, seen by the `site` and by other connections.

    Nothing is rolled back or flushed: a test makes accounts of its own and looks at nobody else's.
    """
    with django_db_blocker.unblock():
        yield
        connection.close()


@pytest.fixture
def connect(committed: None) -> Iterator[Callable[[], psycopg.Connection]]:
    """Opens one more connection to the test database, in autocommit; closed at the end."""
    opened: list[psycopg.Connection] = []

    def open_one() -> psycopg.Connection:
        given = connection.settings_dict
        named = {name.lower(): given[name] for name in ("USER", "PASSWORD", "HOST", "PORT") if given[name]}
        opened.append(psycopg.connect(dbname=given["NAME"], autocommit=True, **named))
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()


@pytest.fixture(scope="session")
def sandbox() -> str:
    """The origin of the sandbox provider, once it answers."""
    if SERVERS.sandbox is not None:
        SERVERS.sandbox.wait_for(f"{settings.SANDBOX_URL}/healthz")
    return settings.SANDBOX_URL


class Site:
    """beatra, running: web processes on the test database. More of them are started when asked for."""

    def __init__(self, *, sandbox: str, database_url: str) -> None:
        self.sandbox = sandbox
        self.database_url = database_url
        self.web = self._web("web")
        SERVERS.shared.append(self.web)
        self._others: list[Web] = []

    @property
    def url(self) -> str:
        """The origin, without a slash at the end."""
        return self.web.url

    @property
    def v1(self) -> str:
        """The base URL of the API, as clients are given it."""
        return self.web.v1

    def start_web(self, environment: Mapping[str, str] | None = None) -> Web:
        """One more web process on the same database, ready. Its settings can differ by `environment`.

        It runs until `.stop()` or `.kill()`, else until the session ends.
        """
        web = self._web(f"web-{len(self._others) + 2}", environment=environment)
        self._others.append(web)
        return web.wait()

    def stop(self) -> None:
        for server in (*self._others, self.web):
            server.stop()

    def _web(self, name: str, *, environment: Mapping[str, str] | None = None) -> Web:
        return Web(name, var=SERVERS.var, database_url=self.database_url, environment=environment)


@pytest.fixture(scope="session")
def site(django_db_setup: None, sandbox: str) -> Iterator[Site]:
    """The site on the migrated and seeded test database, in its own process, ready for work."""
    url = urllib.parse.urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}").geturl()
    site = Site(sandbox=sandbox, database_url=url)
    try:
        site.web.wait()
        yield site
    finally:
        site.stop()


@pytest.fixture
def customer(site: Site, committed: None) -> Callable[..., Customer]:
    """Makes customers of the site: `customer(balance="5")`."""

    def make(**fields: Any) -> Customer:
        return Customer(site.v1, **fields)

    return make


@pytest.fixture
def gate(sandbox: str) -> Gate:
    """Holds calls that name it back at the sandbox."""
    return Gate(sandbox)
