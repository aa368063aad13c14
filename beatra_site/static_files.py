"""How the site names its static files."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticFilesStorage(CompressedManifestStaticFilesStorage):
    """Hashed, compressed and cached for ever once `collectstatic` has run; plain names straight from their folders where it has not.

    So the demo and the tests need no collecting step, and a deployment gets the best caching by running it.
    """

    def stored_name(self, name: str) -> str:
        return super().stored_name(name) if self.hashed_files else name
