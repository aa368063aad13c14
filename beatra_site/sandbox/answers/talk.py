"""What a call says, as the answers want to read it."""

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from beatra_site.sandbox.request import ChatRequest

ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen "
    "twenty"
)
TENS = "thirty forty fifty sixty seventy eighty ninety hundred"
NUMBER_WORDS = {word: number for number, word in enumerate(ONES.split())} | {
    word: 10 * tens for tens, word in enumerate(TENS.split(), start=3)
}

NUMBER = r"(\d[\d,]*|" + "|".join(sorted(NUMBER_WORDS, key=len, reverse=True)) + r")"
QUOTED = re.compile(r"[\"“”]([^\"“”]+)[\"“”]|(?<!\w)['‘]([^'’]+)['’](?!\w)|`([^`]+)`")


def number(word: str) -> int:
    """The number a word or a row of digits means."""
    return NUMBER_WORDS[word.lower()] if word.lower() in NUMBER_WORDS else int(word.replace(",", "")[:12])


# Of a longer text only the start is read: what is wanted stands there, and patterns take their time
READ_CHARACTERS = 8_000


@dataclass(frozen=True)
class Talk:
    """The question and what stands around it. `variant` picks among equally good phrasings."""

    question: str
    system: str = ""
    earlier: Sequence[str] = ()
    images: Sequence[str] = ()
    variant: int = 0
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    @classmethod
    def of(cls, request: "ChatRequest", *, question: str, variant: int) -> "Talk":
        asked = request.question
        return cls(
            question=question[:READ_CHARACTERS],
            system="\n".join(message.text() for message in request.messages if message.role in ("system", "developer"))[:READ_CHARACTERS],
            earlier=[message.text()[:READ_CHARACTERS] for message in request.messages if message.role == "user" and message is not asked],
            images=[image.url for image in asked.images()],
            variant=variant,
        )

    @functools.cached_property
    def plain(self) -> str:
        """The question in one line, lower case, without the courtesies around it."""
        line = " ".join(self.question.lower().replace("’", "'").split())
        line = re.sub(r"^(?:(?:hi|hello|hey)(?: there)?[,!.] )?", "", line)
        line = re.sub(
            r"^(?:please |kindly |can you (?:please )?|could you (?:please )?|would you (?:please )?|i want you to |"
            r"i'd like you to |help me (?:to )?)+",
            "",
            line,
        )
        return re.sub(r"(?:,? please)?[\s?.!]*$", "", line)

    def pick(self, choices: Sequence[str]) -> str:
        return choices[self.variant % len(choices)]

    def quoted(self) -> str | None:
        """The first quoted words."""
        found = QUOTED.search(self.question)
        return next(group for group in found.groups() if group) if found else None

    def words_wanted(self) -> int | None:
        """N where the answer is to have N words: "in five words"; the system message may ask for it too."""
        for text in (self.question, self.system):
            found = re.search(rf"\b(?:in|using|with) (?:exactly |just |only )?{NUMBER} words?\b", text, re.IGNORECASE) or re.search(
                rf"\b{NUMBER}[- ]word (?:answer|reply|sentence|greeting|summary|response|slogan|phrase)\b", text, re.IGNORECASE
            )
            if found and 0 < number(found[1]) <= 500:
                return number(found[1])
        return None

    def topic(self) -> str:
        """What the question is about: its own words, without the wish that leads to them."""
        line = " ".join(self.question.split())
        line = re.sub(r"^.{0,60}(?:following|this|the) (?:question|problem|task): ", "", line, flags=re.IGNORECASE)
        line = re.sub(r"^(?:extract|parse|classify|analy[sz]e|tag|categori[sz]e)\b[^:]{0,60}: ", "", line, flags=re.IGNORECASE)
        for pattern in TOPIC_LEADS:
            line = re.sub(pattern, "", line, flags=re.IGNORECASE)
        line = re.split(r"(?<=[.?!]) ", line, maxsplit=1)[0]
        line = re.sub(
            rf",? (?:in|using|with) (?:exactly |at most |just |only )?{NUMBER} (?:words?|sentences?|lines?|bullets?|points|steps)\b.*$",
            "",
            line,
            flags=re.IGNORECASE,
        )
        line = re.sub(r",? (?:please|briefly|for me|in short)$", "", line.strip(" .?!:;,"), flags=re.IGNORECASE)
        line = line.strip(" .?!:;,\"'")
        if len(line) > 90:
            line = line[:90].rsplit(" ", 1)[0] + "…"
        return line or "your message"

    def as_object(self, words: str) -> dict[str, object]:
        """The answer as the JSON object that the question asks for: its keys, else just `answer`."""
        from beatra_site.sandbox.schemas import instance  # schemas reads talks

        asked = f"{self.question} {self.system}"
        keys = re.search(r"\b(?:keys?|fields?|propert(?:y|ies))(?: named| called)?:? ([\w\"'`, ]+)", asked, re.IGNORECASE)
        listed = re.split(r"\b(?:for|of|about|from|describing|that|which|where)\b", keys[1])[0] if keys else ""
        names = [name for name in re.findall(r"\w+", listed) if name.lower() not in ("and", "only", "with", "the")]
        if not names:
            return {"answer": words}
        values = instance({"type": "object", "properties": {name: {} for name in names[:20]}}, self)
        return values if isinstance(values, dict) else {"answer": words}


TOPIC_LEADS = (
    r"^(?:hi|hello|hey)(?: there)?[,!.] ",
    (
        r"^(?:please |kindly |can you |could you |would you |will you |i want you to |i'd like you to |i would like to "
        r"|i want to |i need to |help me (?:to )?)+"
    ),
    (
        r"^(?:how (?:do|can|should|would|could) (?:i|we|you|one) |how to |what(?:'s| is| are) the best way to |what(?:'s| is| are|'re) "
        r"|who(?:'s| is| was) |where(?:'s| is| are) |why (?:is|are|do|does|did) |tell me (?:more )?about |tell me "
        r"|explain (?:to me )?(?:how |why |what )?|describe |define |discuss |summari[sz]e "
        r"|give me (?:some )?(?:information|advice|tips) (?:on|about) )"
    ),
    (
        r"^(?:give|write|make|create|suggest)(?: me| us)? (?:an? |the )?(?:[\w-]+ ){0,2}?"
        r"(?:slogan|answer|summary|description|definition|sentence|phrase|explanation|overview|introduction|outline) "
        r"(?:for|of|about|on|to) "
    ),
    r"^(?:plan|organi[sz]e|fix|debug|write|draft|compose|create|compare|learn|should i (?:use|choose|pick|take)) ",
)
