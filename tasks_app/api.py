"""GET /v1/tasks, GET /v1/tasks/{task_id} and its cancel. Looking changes nothing."""

from __future__ import annotations

import orjson
from django.http import HttpResponse
from pydantic import ValidationError
from rest_framework.request import Request
from rest_framework.views import APIView

from contract import idempotency_key
from contract.canonical_json import canonical
from contract.invalid import invalid_fields, of_pydantic
from contract.json_answer import JsonAnswer
from contract.operation import documented
from tasks_app import canceling, document
from tasks_app.answers import TaskCancel
from tasks_app.envelope import envelope, summary
from tasks_app.finding import task_of
from tasks_app.listing import Listing
from wallets.answered_once import Answer, answer_once


class TaskView(APIView):
    @documented(document.GET_TASK)
    def get(self, request: Request, task_id: str) -> JsonAnswer:
        """Look up a task.

        Of any key of this account. Ask every few seconds until `status` is `succeeded`, `failed` or `canceled`; asking is free.
        """
        return JsonAnswer(envelope(task_of(request.auth.account_id, task_id)))


class TasksView(APIView):
    @documented(document.LIST_TASKS)
    def get(self, request: Request) -> JsonAnswer:
        """List the account's tasks.

        Of all its keys, the newest first. A line is the task without `input`, `output`, `usage` and `billing`, unless `expand` names them.
        """
        asked = Listing.read(request.query_params)
        page = asked.page(request.auth.account_id)
        data = [summary(task, expand=asked.expand) for task in page.items]
        return JsonAnswer({"object": "list", "data": data, "next_cursor": page.next_cursor, "has_more": page.has_more})


class CancelView(APIView):
    @documented(document.CANCEL_TASK)
    def post(self, request: Request, task_id: str) -> HttpResponse:
        """Cancel a task.

        A queued task is canceled and refunded at once. A running one is from then on sure to end `canceled` and refunded, whatever the
        provider delivers: follow it until it does. Asked again, nothing changes.
        """
        key = idempotency_key.given(request)
        body = request.data
        try:
            reason = TaskCancel.model_validate(body).reason or ""
        except ValidationError as error:
            raise invalid_fields(of_pydantic(error, body)) from None

        def run() -> Answer:
            task = canceling.cancel(task_id, account_id=request.auth.account_id, reason=reason)
            return Answer(200 if task.is_final else 202, orjson.dumps(envelope(task)))

        wallet_id = request.auth.wallet_id
        return answer_once(run, wallet_id=wallet_id, key=key, method="POST", path=request.path, body=canonical(body)).response
