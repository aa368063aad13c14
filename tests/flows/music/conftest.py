"""The site with its workers of music, for the flows of this folder alone: elsewhere tests take the steps of their tasks themselves."""

from collections.abc import Iterator

import pytest

from tests.conftest import Site
from tests.flows.music.music_site import MusicSite


@pytest.fixture(scope="package")
def music_site(site: Site) -> Iterator[MusicSite]:
    music = MusicSite(site)
    try:
        yield music
    finally:
        music.stop()


@pytest.fixture
def music(music_site: MusicSite, committed: None) -> MusicSite:
    """The site, and real commits to look at."""
    return music_site
