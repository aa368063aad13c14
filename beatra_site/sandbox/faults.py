"""What can go wrong with an answer, on demand.

A fault is one record of fields with the same names in a script of the control API (JSON, see `control.py`) and in a
directive inside the last user message: `[[status=503 retry_after=2]]`, values with blanks in double quotes
(`[[answer="two words"]]`), those inside an object with dots (`[[usage.completion_tokens=7]]`); several directives add up.
Both are honoured only by a process started with `--faults`; without it the text is ordinary text and `/control/` is 404.
An unknown field or value is a 400 with code `sandbox_directive`, so that a typo never passes for a healthy provider.

Positions in a stream: `start` (before the status line), `headers` (after it, before any body), `role` (after the role chunk),
a number k >= 1 (after k output chunks), `finish` (after the finish_reason chunk), `usage` (after the usage chunk, before
`[DONE]`). An answer that is not streamed knows `start`; every other position is the middle of its body.

    field           value                    what happens
    --------------  -----------------------  ----------------------------------------------------------------------------
    status          200-599                  that error in OpenAI's form; `message`, `type`, `code` replace its parts
    retry_after     seconds                  the header, on any answer
    headers         object                   more response headers
    body            text or JSON             this body instead of an answer (status 200 unless given), with `content_type`
    garbage         html | json | empty |    a 200 that is none: an HTML page, cut JSON, no byte at all, MiniMax's refusal
                    base_resp | no_choices   inside a 200 (`base_resp=1008` sets its code), `choices: []`
    latency_ms      number                   waits before the status line
    gate, gate_at   name, position (start)   waits there until the gate is opened or lets it through
    stall_ms        number | forever         silent for that long
      stall_at      position (headers)       there
    ping_ms         number                   `: ping` comments that often during the waits and stalls of a stream
    chunk_ms        number                   waits before each output chunk
    cut             clean | abrupt | reset   ends too soon: a proper end of the body; a closed connection; a reset one (RST);
                    | error | garbage        an error event (sync: an error object); an event that is no JSON
      cut_at        position (start)         there
    answer          text                     says exactly this; so do `reasoning` and `refusal`
    tokens          number                   an answer of exactly so many tokens
    chunks          number                   an answer of so many chunks: `0,` `1,` `2,` ...
    empty           true                     finished without any output, 0 completion tokens
    ignore_limit    true                     takes no notice of the caller's output limit
    finish_reason   text                     that one (content_filter, ...); `none` sends null
    echo_model      text                     this name in the answer's `model`
    usage           a preset of `usage.py`,  `[[usage=missing]]`, or an object laid over the true usage, where null removes a
                    or an object             field: `[[usage.prompt_tokens=5 usage.cost=0.1]]`
    usage_at        extra | finish | every   on a chunk of its own, on the finish chunk, on every chunk; sent even if not asked for
    wire            crlf | split | merged |  how events are written: with CRLF, in pieces of 7 bytes, several in one write,
                    no_space | noisy         `data:` without a blank, amid `event:`, `id:`, `retry:` and comment lines
    context_window  tokens                   a longer prompt is refused with context_length_exceeded
    times           number | forever         in a script's step, in `poll` and in `file` only: for how many calls it counts (1)

Music (`minimax/`, `suno/`) reads directives in any text of a request and knows of the fields above `status` to `cut_at`, without
`ping_ms` and `chunk_ms`. Its positions: `start` (nothing was done yet), `generating` (counted as a generation, not ready: MiniMax's
call lasts, Suno's task stays at TEXT_SUCCESS; gates and stalls), `answer` (counted, before the status line: a `cut_at=answer` loses the
answer to work that goes on), any other is the middle of the body. And these fields of its own:

    code            number                   Suno's `code` in a body with status 200, or with `status`
    base_resp       number                   MiniMax's; 1027 is counted as a generation
    garbage         ... | no_data            success without data
    generation_ms   number                   how long this song takes, in place of the process's `--song-ms`
    statuses        A,B,...                  Suno: what each poll reads, one after the other, the last for ever. Any text goes; clips
                                             come with FIRST_SUCCESS (one), SUCCESS and CALLBACK_EXCEPTION (all)
    error_code      number                   Suno: `errorCode` beside such a status, in place of the one that it has
    clips           number                   Suno: so many (2); `same_clips=true` lists the first so often
    audio           missing | empty | html   what is delivered instead of the song: no audio (or URL) at all, nothing, an HTML page, its
                    | half | no_hex          first half, (MiniMax) letters that are no hex
    data_status     number                   MiniMax: `data.status` (2)
    callbacks       none | twice | reversed  Suno: how it calls back
                    | unsigned | forged
    poll, file      a fault, or several      Suno: what happens to the polls of the task, and to the reading of its files:
                                             `[[poll.status=503 poll.times=2]]`; in a script `{"poll": [{...}, {...}]}`
"""

import re
import shlex
from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeAlias

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError


def _number_if_digits(value: object) -> object:
    return int(value) if isinstance(value, str) and value.isdigit() else value


def _text(value: object) -> object:
    return str(value) if isinstance(value, int) else value


def _words(value: object) -> object:
    return [word.strip() for word in value.split(",")] if isinstance(value, str) else value


def _several(value: object) -> object:
    return [value] if isinstance(value, dict) else value


Station: TypeAlias = Literal["start", "generating", "answer", "headers", "role", "finish", "usage"]
Position: TypeAlias = Annotated[Station | int, BeforeValidator(_number_if_digits)]
UsagePreset: TypeAlias = Literal["missing", "null", "negative", "huge", "float", "string", "list", "zero", "cached", "over_limit", "worst"]
Milliseconds: TypeAlias = Annotated[float, Field(ge=0)]


class Fault(BaseModel):
    """How one call is to be treated; the fields are the table of this module."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    status: Annotated[int, Field(ge=200, le=599)] | None = None
    message: str | None = None
    type: str | None = None
    code: Annotated[str, BeforeValidator(_text)] | None = None
    retry_after: float | None = None
    headers: dict[str, str] = {}
    body: Any = None
    content_type: str | None = None
    garbage: Literal["html", "json", "empty", "base_resp", "no_choices", "no_data"] | None = None
    base_resp: int | None = None
    latency_ms: Milliseconds = 0
    gate: str | None = None
    gate_at: Position = "start"
    stall_ms: Milliseconds | Literal["forever"] | None = None
    stall_at: Position = "headers"
    ping_ms: Milliseconds | None = None
    chunk_ms: Milliseconds | None = None
    cut: Literal["clean", "abrupt", "reset", "error", "garbage"] | None = None
    cut_at: Position = "start"
    answer: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tokens: Annotated[int, Field(ge=0, le=2_000_000)] | None = None
    chunks: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    empty: bool = False
    ignore_limit: bool = False
    finish_reason: str | None = None
    echo_model: str | None = None
    usage: dict[str, Any] | UsagePreset | None = None
    usage_at: Literal["extra", "finish", "every"] | None = None
    wire: Literal["crlf", "split", "merged", "no_space", "noisy"] | None = None
    context_window: int | None = None
    generation_ms: Milliseconds | None = None
    statuses: Annotated[list[str], BeforeValidator(_words)] = []
    error_code: int | None = None
    clips: Annotated[int, Field(ge=0, le=10)] = 2
    same_clips: bool = False
    audio: Literal["missing", "empty", "html", "half", "no_hex"] | None = None
    data_status: int = 2
    callbacks: Literal["none", "twice", "reversed", "unsigned", "forged"] | None = None
    poll: "Annotated[list[Step], BeforeValidator(_several)]" = []
    file: "Annotated[list[Step], BeforeValidator(_several)]" = []

    def over(self, other: "Fault") -> "Fault":
        """This fault's own fields laid over another's."""
        return other.model_copy(update={name: getattr(self, name) for name in self.model_fields_set})


class Step(Fault):
    """A fault and for how many calls it counts."""

    times: Annotated[int, Field(ge=1)] | Literal["forever"] = 1

    def fault(self) -> Fault:
        """The fault without its count."""
        return Fault.model_construct(self.model_fields_set - {"times"}, **{name: getattr(self, name) for name in Fault.model_fields})


Fault.model_rebuild()


class Steps:
    """Steps that are used up, call by call."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self._steps = list(steps)
        self._left: int | None = None

    def __len__(self) -> int:
        return len(self._steps)

    def next(self) -> Fault:
        """The fault of the step that is due, which is used up once; health when none is left."""
        if not self._steps:
            return Fault()
        step = self._steps[0]
        if step.times != "forever":
            self._left = (step.times if self._left is None else self._left) - 1
            if self._left == 0:
                self._steps.pop(0)
                self._left = None
        return step.fault()


DIRECTIVE = re.compile(r"\[\[([^\[\]]{1,2000})\]\]")
MARKER = re.compile(r"script:([\w.:-]{1,100})")


class DirectiveError(ValueError):
    """A directive that the table does not know."""


def read_directives(text: str) -> tuple[str, str | None, Fault]:
    """The text without its directives, the marker of its `[[script:ID]]` if any, and its inline fault.

    Raises DirectiveError for a field or value that the table does not know.
    """
    marker: str | None = None
    fields: dict[str, Any] = {}
    for directive in DIRECTIVE.findall(text):
        try:
            words = shlex.split(directive)
        except ValueError as error:
            raise DirectiveError(f"{directive}: {error}") from None
        for word in words:
            if found := MARKER.fullmatch(word):
                marker = found[1]
                continue
            name, sign, value = word.partition("=")
            if not sign:
                raise DirectiveError(f"{word} is neither field=value nor script:ID")
            _put(fields, name.split("."), value)
    try:
        fault = Fault.model_validate(fields)
    except ValidationError as error:
        raise DirectiveError("; ".join(f"{problem['loc'][0]}: {problem['msg']}" for problem in error.errors())) from None
    return DIRECTIVE.sub("", text).strip(), marker, fault


def _put(fields: dict[str, Any], path: list[str], value: str) -> None:
    for name in path[:-1]:
        inner = fields.setdefault(name, {})
        if not isinstance(inner, dict):
            raise DirectiveError(f"{name} is given both as a word and by its parts")
        fields = inner
    # A text keeps its digits as they are; only what lies inside an object is read as JSON
    fields[path[-1]] = _json_or_text(value) if len(path) > 1 and path[0] == "usage" else value


def _json_or_text(value: str) -> object:
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return value
