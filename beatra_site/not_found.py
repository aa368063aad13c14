"""The answer to a path that leads nowhere: a page for whom wants one, a bare 404 for the edge to make the envelope of."""

from django.http import HttpRequest, HttpResponse
from django.views.defaults import page_not_found


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """`handler404` of the urls. A page costs a session and a user from the database; a script that misses a path wants neither."""
    if request.path.startswith("/v1/") or "text/html" not in request.headers.get("Accept", ""):
        return HttpResponse("Not found", status=404, content_type="text/plain")
    return page_not_found(request, exception)
