"""Greetings, who is speaking, saying what one is told to say, and what the user said before."""

import re

from beatra_site.sandbox.answers.talk import Talk

# Greetings by their number of words
GREETINGS: dict[int, tuple[str, ...]] = {
    1: ("Hi!", "Hello!"),
    2: ("Hi there!", "Hello there!"),
    3: ("Hi there, friend!", "Hello, dear friend!"),
    4: ("Hello, how are you?", "Hi, how are you?"),
    5: ("Hi, great to meet you!", "Hi there, how are you?", "Hello, lovely to see you!", "Hey, welcome, good to go!"),
    6: ("Hi there, great to meet you!", "Hello, how are you doing today?"),
    7: ("Hi there! How can I help today?",),
    8: ("Hi there! How can I help you today?",),
    9: ("Hi there! What would you like to do today?",),
    10: ("Hello and welcome! What would you like to do today?",),
}
HELLO = re.compile(r"(?:hi|hello|hey|hiya|howdy|greetings|good (?:morning|afternoon|evening|day)|yo)(?: there| all| everyone| again)?")
SAY_HELLO = re.compile(
    r"(?:say|just say|write|reply with|answer with) (?:hi|hello|hey)\b(?: there)?(?: to (?P<whom>[\w ]{1,40}?))?(?: (?:in|using|with) .*)?"
)
JOKES = (
    "Why do programmers mix up Halloween and Christmas? Because Oct 31 equals Dec 25.",
    "A SQL query walks into a bar, goes up to two tables and asks: may I join you?",
    "There are two hard things in computing: naming things, cache invalidation, and off-by-one errors.",
    "I would tell you a UDP joke, but you might not get it.",
)
ABOUT_ME = re.compile(
    r"\b(?:who|what) are you\b|\bwhat(?:'s| is) your name\b|\b(?:which|what) (?:ai |language )?model (?:are you|is this)\b"
    r"|\bare you (?:a |an )?(?:real|ai|human|chatgpt|bot|robot)\b|\bintroduce yourself\b"
)
WHO = "I am the sandbox model: a built-in stand-in that answers in place of a real model, so you can try the API without a provider's key."
CAN_DO = (
    "I am the sandbox model. I count, do arithmetic and unit conversions, tell the date, draft subject lines, names and short texts, "
    "take words apart, call your tools and fill JSON schemas. For real answers, connect a provider's key."
)


def greet(talk: Talk) -> str | None:
    """ "Hi", and "Say hi in five words." in exactly five words."""
    told = SAY_HELLO.fullmatch(talk.plain)
    if told:
        wanted = talk.words_wanted()
        if wanted in GREETINGS:
            return talk.pick(GREETINGS[wanted])
        if wanted:
            return None
        return f"Hi {told['whom'].strip().title()}!" if told["whom"] else talk.pick(GREETINGS[2])
    if HELLO.fullmatch(" ".join(re.sub(r"[^\w' ]", " ", talk.question.lower()).split())):
        return talk.pick(GREETINGS[talk.words_wanted() or 8])
    return None


TOLD = re.compile(
    r"(?:please )?(?:(?P<repeat>repeat(?: after me| this| the following)?|echo)|(?:reply|respond|answer) (?:only |just |exactly )*with"
    r"(?: only| just| exactly)*(?: the (?:single |exact )?(?:words?|text|phrase))?"
    r"|(?:just |only )?say(?: exactly| only| just| the words?)?)"
    r"(?P<colon>:)? (?P<what>.+)",
    re.IGNORECASE,
)


def exactly(talk: Talk) -> str | None:
    """ "Reply with exactly: pong", "Say 'ready'", "Repeat after me: ..."."""
    told = TOLD.fullmatch(" ".join(talk.question.split()))
    if not told or talk.words_wanted():
        return None
    what = told["what"]
    if quoted := re.match(r"[\"'“‘`](.+?)[\"'”’`](?!\w)", what):
        return quoted[1]
    what = re.sub(r"(?:,? and nothing else|,? nothing more|,? only)[.!]?$", "", what, flags=re.IGNORECASE)
    # "Reply with a poem" asks for a poem, not for these words
    if (
        told["repeat"]
        or told["colon"]
        or (len(what.split()) <= 3 and not re.match(r"(?:an?|some\w*|your|the|valid|json|one|\d+)\b", what, re.IGNORECASE))
    ):
        return what if told["repeat"] or told["colon"] else what.rstrip(".")
    return None


def about_me(talk: Talk) -> str | None:
    """Who speaks and what it can do."""
    if ABOUT_ME.search(talk.plain):
        return WHO
    if re.fullmatch(r"(?:what can you do|what do you do|help|help me|how can you help(?: me)?)", talk.plain):
        return CAN_DO
    return None


def courtesies(talk: Talk) -> str | None:
    """Thanks, good-bye, how are you, ping."""
    for pattern, answers in (
        (r"(?:thanks?|thank you|thx|cheers|many thanks)(?: .{0,30})?", ("You're welcome!", "Glad to help!")),
        (r"(?:bye|goodbye|good bye|see you|good night)(?: .{0,20})?", ("Goodbye, and good luck!", "See you!")),
        (r"how are you(?: doing)?(?: today)?", ("All well here, thank you. What can I do for you?",)),
        (r"say something nice|(?:give|pay) me a compliment", ("You ask good questions.", "It is a pleasure to work with you.")),
        (r"ping", ("pong",)),
        (r"(?:test|testing|this is a test|hello world)", ("It works: your request arrived and this is the answer.",)),
        (r"(?:ok|okay|cool|great|nice|good|perfect|yes|no)", ("Good. What comes next?",)),
    ):
        if re.fullmatch(pattern, talk.plain):
            return talk.pick(answers)
    if re.search(r"\bjoke\b", talk.plain):
        return talk.pick(JOKES)
    return None


def remembered(talk: Talk) -> str | None:
    """ "What is my name?" after "My name is Ada"; what was asked before."""
    if re.search(r"\bwhat(?:'s| is) my name\b|\bdo you (?:know|remember) my name\b|\bwho am i\b", talk.plain):
        for text in reversed(talk.earlier):
            if found := re.search(r"\b(?:[Mm]y name is|[Ii] am called|[Cc]all me|I'm|I am) ([A-Z][\w-]+)", text):
                return f"Your name is {found[1]}."
        return "You have not told me your name in this conversation."
    if re.search(r"\bwhat (?:did|have) i (?:just )?(?:say|said|ask|asked)\b|\bmy (?:last|previous) (?:question|message)\b", talk.plain):
        return (
            f"You said: “{' '.join(talk.earlier[-1].split())[:300]}”" if talk.earlier else "This is the first message of our conversation."
        )
    if found := re.search(r"\b[Mm]y name is ([A-Z][\w-]+)", talk.question):
        return f"Nice to meet you, {found[1]}! What can I do for you?"
    return None
