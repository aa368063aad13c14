"""The process's copy of the catalog: what it holds, how old it gets, what happens when the database is away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from catalog import editing, snapshot
from catalog.models import Model, Route
from contract.errors import ApiError
from contract.ids import new_id
from tests.relay import Relay
from wallets import pool

PRICES = {"input_cost_per_token": 1e-06, "output_cost_per_token": 2e-06, "litellm_provider": "openai"}

pytestmark = pytest.mark.usefixtures("fresh")


MADE: list[str] = []


@pytest.fixture
def fresh(committed, monkeypatch):
    """A process that has loaded nothing yet. The models of a test are switched off after it: prices can't be removed."""
    monkeypatch.setattr(snapshot, "_copy", snapshot._Copy())
    yield
    Model.objects.filter(id__in=MADE).update(enabled=False)
    MADE.clear()


def a_model(**fields: Any) -> Model:
    id = new_id("test")
    given = {"display_name": id, "context_window": 1000, "max_output_tokens": 100, "default_output_tokens": 10, "enabled": True}
    model = Model.objects.create(id=id, **{**given, **fields})
    MADE.append(id)
    editing.add_price(model, author=None, reason="test", credits_per_litellm_usd=Decimal(1500))
    return model


def a_route(model: Model, name: str = "way", **fields: Any) -> Route:
    given = {"enabled": True, "litellm_model": "openai/x", "cost_override": PRICES, "cost_method": "decimal", "cost_version": 1}
    return Route.objects.create(model=model, name=name, **{**given, **fields})


def in_a_loop(what: Callable[[], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        await pool.open()
        try:
            return await what()
        finally:
            await pool.close()

    return asyncio.run(run())


def read() -> snapshot.Catalog:
    return in_a_loop(snapshot.read)


def test_it_holds_enabled_models_with_their_price_and_routes_in_order():
    model = a_model(supported_fields=["tools"], model_options={"top_k": {"type": "integer"}}, temperature_max="1.50")
    a_route(model, "second", rank=2)
    a_route(model, "first", rank=1, base_url="https://example.com/v1/", stoppable=True)
    a_route(model, "off", rank=0, enabled=False)
    info = read().models[model.id]
    assert (info.context_window, info.max_output_tokens, info.default_output_tokens) == (1000, 100, 10)
    assert (info.price.version, info.price.credits_per_litellm_usd) == (1, Decimal("1500.0000"))
    assert (info.supported_fields, info.temperature_max) == (frozenset({"tools"}), Decimal("1.50"))
    assert info.lacks(frozenset({"tools", "model_options.top_k", "n"})) == ["n"]
    assert [(route.name, route.base_url, route.stoppable) for route in info.routes] == [
        ("first", "https://example.com/v1", True),
        ("second", "", False),
    ]
    assert info.routes[0].cost.prices.tiers[0].rates.input == Decimal("0.000001")


def test_a_disabled_model_and_one_without_a_price_are_not_there():
    off, unpriced = a_model(enabled=False), Model.objects.create(id=new_id("test"), display_name="x")
    assert not {off.id, unpriced.id} & set(read().models)


def test_the_newest_price_whose_time_has_come_counts():
    model = a_model()
    editing.add_price(model, author=None, reason="dearer", credits_per_litellm_usd=Decimal(1600))
    later = timezone.now() + timedelta(days=1)
    editing.add_price(model, author=None, reason="later", credits_per_litellm_usd=Decimal(9000), effective_from=later)
    assert read().models[model.id].price == snapshot.PriceInfo(version=2, credits_per_litellm_usd=Decimal("1600.0000"))


def test_sandbox_routes_are_there_only_in_a_sandbox(settings):
    model = a_model()
    a_route(model, sandbox=True)
    settings.SANDBOX, settings.SANDBOX_URL = True, "http://127.0.0.1:7777/"
    (route,) = read().models[model.id].routes
    assert route.base_url == "http://127.0.0.1:7777/chat/v1"
    settings.SANDBOX = False
    assert read().models[model.id].routes == ()


def test_a_route_whose_credential_is_missing_is_left_out(monkeypatch):
    model = a_model()
    a_route(model, credential_env="SOME_API_KEY", base_url="https://example.com/v1", base_url_env="SOME_API_BASE")
    monkeypatch.delenv("SOME_API_KEY", raising=False)
    assert read().models[model.id].routes == ()
    monkeypatch.setenv("SOME_API_KEY", "secret")
    monkeypatch.setenv("SOME_API_BASE", "https://elsewhere.example/v1")
    (route,) = read().models[model.id].routes
    assert (route.api_key(), route.base_url) == ("secret", "https://elsewhere.example/v1")
    assert "secret" not in repr(route)


def test_a_native_route_without_an_address_is_left_out(monkeypatch):
    model = a_model()
    a_route(model, transport="native", base_url_env="SOME_API_BASE")
    monkeypatch.delenv("SOME_API_BASE", raising=False)
    assert read().models[model.id].routes == ()
    monkeypatch.setenv("SOME_API_BASE", "https://elsewhere.example/v1")
    assert [route.base_url for route in read().models[model.id].routes] == ["https://elsewhere.example/v1"]


def test_a_route_without_a_credential_never_lets_litellm_find_one():
    model = a_model()
    a_route(model, base_url="https://example.com/v1")
    (route,) = read().models[model.id].routes
    assert route.api_key() == "none"


def test_a_route_that_can_not_be_priced_is_left_out():
    model = a_model()
    a_route(model, "odd", cost_override={**PRICES, "moon_phase_cost": 1})
    a_route(model, "plain")
    assert [route.name for route in read().models[model.id].routes] == ["plain"]


def test_an_override_wins_over_litellms_entry_and_its_provider_may_come_from_the_models_name():
    model = a_model()
    prices = {"input_cost_per_token": "0.5", "output_cost_per_token": "1"}
    a_route(model, cost_entry=PRICES, cost_override=prices, litellm_model="minimax/m", cost_source="override", cost_version=3)
    cost = read().models[model.id].routes[0].cost
    assert (cost.prices.provider, cost.prices.tiers[0].rates.input, cost.source) == ("minimax", Decimal("0.5"), "override, version 3")


def test_only_a_route_that_needs_litellm_asks_for_it():
    model = a_model()
    a_route(model, "a", transport="native", base_url="https://example.com/v1")
    a_route(model, "b", transport="native", base_url="https://example.com/v1", cost_method="litellm")
    a_route(model, "c", transport="litellm")
    assert [route.needs_litellm for route in read().models[model.id].routes] == [False, True, True]


def a_music_model(**fields: Any) -> Model:
    model = Model.objects.create(id=new_id("test"), display_name="A band", capability="music", enabled=True)
    MADE.append(model.id)
    editing.add_price(model, author=None, reason="test", credits_per_task=Decimal(80))
    Route.objects.create(model=model, name="way", enabled=True, transport="suno", upstream_model="V5_5", **fields)
    return model


def test_music_is_there_with_its_family_and_its_routes_are_left_alone(caplog):
    model = a_music_model(base_url="https://music.example")
    catalog = read()
    info = catalog.models[model.id]
    assert (info.routes, info.family, info.is_usable, info.price.credits_per_task) == ((), "suno", True, Decimal(80))
    assert info not in catalog.auto
    assert "left out" not in caplog.text


def test_music_is_usable_only_with_a_route_that_is(monkeypatch, settings):
    keyless = a_music_model(base_url="https://music.example", credential_env="SOME_API_KEY")
    nowhere = a_music_model(base_url_env="SOME_API_BASE")
    sandbox = a_music_model(sandbox=True)
    monkeypatch.delenv("SOME_API_KEY", raising=False)
    monkeypatch.delenv("SOME_API_BASE", raising=False)

    def usable() -> list[bool]:
        models = read().models
        return [models[model.id].is_usable for model in (keyless, nowhere, sandbox)]

    settings.SANDBOX = False
    assert usable() == [False, False, False]
    settings.SANDBOX = True
    assert usable() == [False, False, True]
    monkeypatch.setenv("SOME_API_KEY", "secret")
    monkeypatch.setenv("SOME_API_BASE", "https://music.example")
    assert usable() == [True, True, True]


@asynccontextmanager
async def loading_waits() -> AsyncIterator[None]:
    """Meanwhile a load gets no further than the table of prices; it gives up after two seconds."""
    async with pool.connection() as connection, connection.transaction():
        await connection.execute("LOCK TABLE catalog_price IN ACCESS EXCLUSIVE MODE")
        yield


async def waiting_loads() -> int:
    found = "datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%catalog_price%'"
    async with pool.connection() as connection:
        cursor = await connection.execute(f"SELECT count(*) FROM pg_stat_activity WHERE {found}")
        row = await cursor.fetchone()
    assert row is not None
    return row[0]


def test_it_is_loaded_once_for_all_who_ask_at_once():
    async def flow() -> None:
        async with loading_waits():
            asking = [asyncio.create_task(snapshot.current()) for _ in range(50)]
            while not (waiting := await waiting_loads()):
                await asyncio.sleep(0.01)
            assert waiting == 1
        found = await asyncio.gather(*asking)
        assert len({id(one) for one in found}) == 1
        assert await snapshot.current() is found[0]

    in_a_loop(flow)


def test_one_caller_who_leaves_does_not_end_the_load_of_the_others():
    async def flow() -> None:
        async with loading_waits():
            first = asyncio.create_task(snapshot.current())
            second = asyncio.create_task(snapshot.current())
            while not await waiting_loads():
                await asyncio.sleep(0.01)
            first.cancel()
        assert (await second).models

    in_a_loop(flow)


def test_a_change_is_seen_once_the_copy_is_two_seconds_old():
    model = a_model()
    a_route(model)

    async def flow() -> None:
        seen = await snapshot.current()
        async with pool.connection() as connection:
            await connection.execute("UPDATE catalog_model SET enabled = false WHERE id = %s", [model.id])
        assert await snapshot.current() is seen
        snapshot._copy.loaded_at -= snapshot.FRESH_SECONDS
        snapshot._copy.tried_at -= snapshot.FRESH_SECONDS
        assert model.id not in (await snapshot.current()).models
        assert model.id in seen.models, "an admitted call keeps what it started with"

    in_a_loop(flow)


@pytest.fixture
def relay(monkeypatch) -> Iterator[Relay]:
    """The pool comes to the database through it. A load gives up sooner than it would, so as not to keep the test waiting."""
    database = settings.DATABASES["default"]
    relay = Relay(database["HOST"], int(database["PORT"] or 5432))
    monkeypatch.setitem(database, "HOST", "127.0.0.1")
    monkeypatch.setitem(database, "PORT", relay.port)
    monkeypatch.setattr(snapshot, "_LOAD_SECONDS", 0.3)
    yield relay
    relay.cut()


def test_the_old_copy_serves_for_a_minute_while_the_database_is_away(relay, monkeypatch):
    async def flow() -> None:
        seen = await snapshot.current()
        relay.cut()
        copy = snapshot._copy
        copy.loaded_at -= snapshot.FRESH_SECONDS + 1
        copy.tried_at = copy.loaded_at
        assert await snapshot.current() is seen
        copy.loaded_at -= snapshot.STALE_SECONDS
        with pytest.raises(ApiError) as refused:
            await snapshot.current()
        assert refused.value.code == "service_unavailable"
        await pool.close()
        monkeypatch.undo()
        await pool.open()
        copy.tried_at -= 1
        assert (await snapshot.current()) is not seen

    in_a_loop(flow)


def test_without_any_copy_a_database_that_is_away_is_unavailable(relay):
    async def flow() -> None:
        relay.cut()
        with pytest.raises(ApiError) as refused:
            await snapshot.current()
        assert (refused.value.code, refused.value.status) == ("service_unavailable", 503)

    in_a_loop(flow)


def test_a_start_loads_the_catalog():
    async def flow() -> snapshot.Catalog | None:
        await snapshot.load()
        return snapshot._copy.catalog

    assert in_a_loop(flow)


def test_a_start_without_a_database_goes_on(relay):
    async def flow() -> snapshot.Catalog | None:
        relay.cut()
        await snapshot.load()
        return snapshot._copy.catalog

    assert in_a_loop(flow) is None
