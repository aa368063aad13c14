"""The API document over HTTP: open to everybody, from any page, for this site's own address, without work per request."""

from __future__ import annotations

import re
import subprocess
import sys

import httpx
import pytest
import yaml

from tests.conftest import Site
from tests.contract.test_openapi_document import DOCUMENT, OPERATIONS
from tests.tasks_app import media_files

both = pytest.mark.parametrize(("file", "content_type"), [("openapi.json", "application/json"), ("openapi.yaml", "application/yaml")])


@both
def test_it_is_served_to_everybody_from_any_page(site: Site, file: str, content_type: str):
    answer = httpx.get(f"{site.url}/{file}", headers={"Origin": "https://explorer.example", "X-Request-Id": "mine"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, content_type)
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["x-request-id"] == "mine"
    assert answer.headers["cache-control"] == "public, max-age=300"
    assert not {"set-cookie", "vary"} & set(answer.headers)


def test_it_is_the_committed_document_with_this_sites_address(site: Site):
    document = httpx.get(f"{site.url}/openapi.json").json()
    assert document["servers"] == [{"url": site.url}]
    assert "beatra.example" not in str(document["paths"])
    assert document == _for(site, DOCUMENT)
    assert yaml.safe_load(httpx.get(f"{site.url}/openapi.yaml").text) == document


@both
def test_it_is_sent_again_only_when_it_changed(site: Site, file: str, content_type: str):
    etag = httpx.get(f"{site.url}/{file}").headers["etag"]
    again = httpx.get(f"{site.url}/{file}", headers={"If-None-Match": etag})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    assert again.headers["access-control-allow-origin"] == "*"
    assert httpx.get(f"{site.url}/{file}", headers={"If-None-Match": '"another"'}).status_code == 200


@both
def test_a_preflight_a_head_and_a_trailing_slash_are_answered(site: Site, file: str, content_type: str):
    preflight = httpx.options(f"{site.url}/{file}", headers={"Origin": "https://explorer.example", "Access-Control-Request-Method": "GET"})
    assert (preflight.status_code, preflight.headers["access-control-allow-origin"]) == (204, "*")
    assert httpx.head(f"{site.url}/{file}").headers["content-type"] == content_type
    assert httpx.get(f"{site.url}/{file}/").status_code == 200


@both
def test_another_method_is_refused_by_the_envelope(site: Site, file: str, content_type: str):
    answer = httpx.post(f"{site.url}/{file}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (405, "method_not_allowed")


def test_a_web_process_loads_nothing_that_makes_it():
    code = "import sys, beatra_site.asgi, beatra_site.urls; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {name for name in loaded if name.startswith("drf_spectacular.")} == {"drf_spectacular.apps", "drf_spectacular.checks"}


@pytest.mark.parametrize(
    "sample",
    [(method, path, sample["label"]) for (method, path), operation in OPERATIONS.items() for sample in operation["x-codeSamples"]],
    ids=" ".join,
)
def test_every_curl_of_it_works_as_it_stands(site, customer, sample, tmp_path):
    document = httpx.get(f"{site.url}/openapi.json").json()
    method, path, label = sample
    samples = [each for each in document["paths"][path][method]["x-codeSamples"] if each["label"] == label]
    assert len(samples) == 1
    source = samples[0]["source"].replace("curl ", "curl --silent --fail-with-body ", 1)
    owner = customer()
    if path == "/v1/usage/{id}":  # of a call that was made
        source = re.sub(r"chatcmpl_\w+", owner.chat().json()["id"], source)
    (tmp_path / "humming.mp3").write_bytes(media_files.mp3(10))
    if "art_" in source:  # of a file that was sent
        sent = owner.http.post("/uploads", files={"file": ("humming.mp3", media_files.mp3(10))})
        source = re.sub(r"art_\w+", sent.json()["artifact_id"], source)
    environment = {"PATH": "/usr/bin:/bin", "BEATRA_API_KEY": owner.token}
    ran = subprocess.run(["/bin/sh", "-c", source], capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def _for(site: Site, value):
    if isinstance(value, dict):
        return {name: _for(site, each) for name, each in value.items()}
    if isinstance(value, list):
        return [_for(site, each) for each in value]
    return value.replace("https://beatra.example", site.url) if isinstance(value, str) else value
