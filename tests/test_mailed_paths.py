"""Mails name pages by their routes, not by paths that may move."""

from django.conf import settings


def test_no_mail_has_a_path_of_its_own():
    for template in sorted((settings.BASE_DIR / "templates" / "mail").glob("*.txt")):
        for line in template.read_text().splitlines():
            after = line.partition("{{ site_url }}")[2]
            assert not after or after.startswith("{%"), f"{template.name}: {line}"
