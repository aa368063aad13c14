"""Every limit that a customer of the API can meet: its number, and why it is that.

In bytes, seconds, counts and credits, as the names say. Where a setting or staff can change one, this is what holds else. What one
field of a body may be stands with the field, in the schema of its endpoint.
"""

from decimal import Decimal
from enum import StrEnum

MIB = 1024 * 1024


class Name(StrEnum):
    """What `details.limit` of a `forbidden` or `rate_limited` answer says: which limit it is. `says` is for the documentation."""

    says: str

    def __new__(cls, name: str, says: str) -> "Name":
        member = str.__new__(cls, name)
        member._value_, member.says = name, says
        return member

    SCOPE = "scope", "Of `forbidden`: the scopes of the key."
    IP = "ip", "Of `forbidden`: the networks of the key."
    ACCOUNT_REQUESTS_PER_MINUTE = "account_requests_per_minute", "Of `rate_limited`: requests of all keys of the account."
    KEY_REQUESTS_PER_MINUTE = "key_requests_per_minute", "Of `rate_limited`: requests of the key."
    CALLS_IN_FLIGHT = "calls_in_flight", "Of `rate_limited`: calls of the account at the same time."
    HELD_CREDITS = "held_credits", "Of `rate_limited`: the wallet would do, but calls in flight hold its credits."
    SPEND_CAP = "spend_cap", "Of `rate_limited`: the spend limit of the key would do, but its calls in flight hold what is left of it."
    TASK_CANCELS = "task_cancels", "Of `forbidden`: running tasks of the account that were canceled, and refunded, in 24 hours."
    ACCOUNT_BYTES = "account_bytes", "Of `rate_limited`: the bytes of requests and of unread answers of the account."
    UPLOADS_PER_MINUTE = "uploads_per_minute", "Of `rate_limited`: uploads of the account."
    UPLOADS_AT_ONCE = "uploads_at_once", "Of `rate_limited`: uploads of the account that are still coming."
    STORED_UPLOADS = "stored_uploads", "Of `forbidden`: how many uploads the account may keep."
    STORED_BYTES = "stored_bytes", "Of `forbidden`: the bytes of all uploads that the account may keep."
    BALANCE = "balance", "Of `forbidden`: an upload needs a balance above 0."


SPEND_WINDOWS = ("day", "week", "month", "total")
"""What `details.window` of `spend_limit_reached` says. They begin at midnight UTC, weeks on Monday; the last has no end."""

# How often, and how much at the same time

REQUESTS_PER_MINUTE = 600
"""Of all keys of an account that has no other figure: ten a second all the time, more than most programs ever send, and a loop gone
wild is stopped within a second or two. All of them may come at once."""

CALLS_IN_FLIGHT = 64
"""Of an account whose wallet has no other figure: at 600 a minute it lets a call take six seconds on average."""

BUSY_RETRY_SECONDS = 2
"""How long to wait when calls in flight are in the way: most end within seconds, which ones nobody knows."""

ACCOUNT_BYTES = 256 * MIB
"""What a process holds for one account: bodies that come or are being answered, and answers that wait to be read. Eight of the largest
bodies, or four megabytes for each of 64 calls. Counted are the bytes as they come; what is read of them and what goes to a provider are
as much again each, so it is up to three times this in memory."""

DRAINED_CALLS = 256
"""That go on in one process though their callers have left: four accounts with all their calls. The oldest of more is cut."""

TASK_CANCELS_A_DAY = 10
"""Of an account, of running tasks: each is refunded though its provider is paid. Who changes his mind does it now and then; a loop that
does it costs us a few generations a day."""

FAILED_AUTO_TOP_UPS_A_DAY = 5
"""Payments of a wallet's saved cards that may fail in 24 hours, whatever its customer changes: three in a row switch off, and a
mistake with the next card may follow. Who tries stolen cards out needs hundreds."""

PAGE = 20
LONGEST_PAGE = 100
"""Rows of a list: what a table on a page shows, and what one answer can hold without being slow to make."""

# What an account may have

ACTIVE_KEYS = 50
"""Enough for a key for every program and stage; a script gone wild is stopped before it fills the table."""

NETWORKS = 100
"""Of one key, which compares each caller's address with all of them. A company's offices and servers are some dozens."""

MOST_REQUESTS_PER_MINUTE = 1_000_000
"""That an account or a key can be given: more than a process answers, and still a number that the buckets count exactly."""

OPEN_CHECKOUTS = 20
"""Of one wallet, unpaid: each is a row here and a session at the payment provider."""

MOST_CREDITS = Decimal(1_000_000_000)
"""In one cap, voucher, threshold, grant or correction. More is a slip of the keyboard; the column ends at a hundred thousand times that."""

STORED_UPLOADS = 1000
"""Files that an account without another figure may keep: an album's every take."""

STORED_BYTES = 5 * 1024 * MIB
"""In them all together: fifty of the largest, or a thousand songs of five megabytes."""

# A request

HEADERS = 32 * 1024
"""All names and values together, each pair with the four bytes around it. What browsers and proxies send is a quarter of it."""

CHAT_BODY = 32 * MIB
"""Three images of the largest size, in base64."""

UPLOAD = 100 * MIB
"""Ten minutes of uncompressed sound."""

UPLOAD_SECONDS = 900.0
"""How long an upload may take in all: it is not kept in memory as other bodies are. The largest at 1 Mbit/s."""

UPLOADS_PER_MINUTE = 20
"""Of an account: more than anybody sends by hand, and at the largest size as much as a line of 270 Mbit/s carries."""

UPLOADS_AT_ONCE = 8
"""Of an account, in one process: each has a file on the disk that grows to 100 MiB."""

WEBHOOK_BODY = MIB
"""Of a payment provider's event: theirs are some kilobytes."""

BODY = 10 * MIB
"""Of any other request: a reference of 7 MiB in base64."""

BODY_SILENCE_SECONDS = 30.0
"""How long no byte of a body may come. What came lies in memory until the rest is there, so it can't wait for ever."""

BODY_SECONDS = 300.0
"""How long a body may take in all, or one byte now and then would keep it. The largest chat body at 1 Mbit/s."""

URL_CHARACTERS = 8192
"""Of a caller's URL that is to be fetched: what web servers take."""

JSON_DEPTH = 100
"""Levels of nesting. Whatever walks or writes the tree later has limits of its own (orjson: 254), which no body may reach."""

JSON_VALUES = 2_000_000
"""Objects, lists and commas, those in texts too. Each value costs up to 100 bytes of memory: 30 MiB of `{},` would be 1.5 GB."""

# A chat call

MESSAGES = 10_000
"""Also content parts and tool calls in all messages together. More of these no honest request has."""

INNER = 1_000
"""Items of any other list or object in the body."""

TOOLS = 128
STOPS = 4
METADATA = 16
"""As many as OpenAI takes."""

MODEL_OPTIONS = 32
"""More than any model has."""

IMAGES = 20
"""Each of them takes a fetch, and tokens that the hold must cover."""

IMAGE = 8 * MIB
"""A photograph of 20 megapixels, as a camera writes it."""

IMAGE_FETCH_SECONDS = 10.0
"""How long an image's own server may take: the caller waits meanwhile."""

LOG_PROBABILITIES = 100_000
"""In an answer: 7 to 15 MB, which are parsed, rebuilt, written, and with an Idempotency-Key kept for a retry, and nothing is charged for
them. They are 4,700 tokens with the twenty likeliest beside each, or all that a model can say with none."""

CONNECT_SECONDS = 5.0
"""To a provider's address: it is there in a fraction of a second, or another route is tried."""

FIRST_OUTPUT_SECONDS = 120.0
"""Until a provider says anything: a long prompt and much thought take a minute."""

SILENCE_SECONDS = 60.0
"""Between two chunks of a provider's."""

CALL_SECONDS = 600.0
"""A call in all, with every try, as OpenAI's SDKs wait by default."""

KEEP_ALIVE_SECONDS = 15.0
"""After so long without output a stream is begun, and then kept alive as often: proxies cut what is silent for 30 or 60."""

# A task

TASK_QUEUED_SECONDS = 1800.0
"""Waiting for its start: whoever has waited half an hour is better served by an honest failure, and his money back."""

TASK_DEADLINE_SECONDS = 900.0
"""From its start to its end, all tries together. Music takes one to five minutes; a second try, and a third, fit in."""

# Music

REFERENCE_FETCH_SECONDS = 30.0
"""How long the server of a reference may take in all: 100 MiB at 28 Mbit/s. A worker waits meanwhile."""

REFERENCE_FETCHES = 2
"""Of one account at the same time: whoever names slow addresses waits for his own, and leaves workers to others."""

# An answer

ANSWER_PIECE = 64 * 1024
"""A longer answer is sent in pieces of this size: what is sent at once lies in the connection's buffer, whatever becomes of us."""

UNREAD_SECONDS = 60.0
"""How long a caller may take to read a piece of an answer before he is let go, and the memory with him: slower than 1 kB/s."""

FORM_AROUND_AN_UPLOAD = MIB
"""Names, boundaries and metadata."""


def of_body(path: str) -> int:
    """The most a body sent to `path` may have. An upload's form may add 1 MiB to the file."""
    if path.startswith("/v1/chat/"):
        return CHAT_BODY
    if path in ("/v1/uploads", "/uploads/send"):
        return UPLOAD + FORM_AROUND_AN_UPLOAD
    if path.startswith("/webhooks/"):
        return WEBHOOK_BODY
    return BODY
