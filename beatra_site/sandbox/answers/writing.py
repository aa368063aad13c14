"""Drafts: subject lines, names, ideas, poems, mails, and a few lines of code."""

import re

from beatra_site.sandbox.answers.talk import NUMBER, Talk, number

# {topic} as in the question, {Topic} with a capital
LINES: dict[str, tuple[str, ...]] = {
    r"(?:e-?mail )?subject lines?|headlines?": (
        "{Topic}: what changes for you",
        "A first look at {topic}",
        "Three things to know about {topic}",
        "{Topic} in two minutes",
        "Ready when you are: {topic}",
        "Your questions about {topic}, answered",
        "Don't miss {topic}",
        "Why we are excited about {topic}",
        "The short guide to {topic}",
        "Last call: {topic}",
    ),
    r"(?:blog )?titles?": (
        "{Topic}, explained simply",
        "Getting started with {topic}",
        "What nobody tells you about {topic}",
        "{Topic}: a practical guide",
        "Five lessons from {topic}",
        "The case for {topic}",
        "{Topic}, step by step",
        "Rethinking {topic}",
    ),
    r"slogans?|tag ?lines?|mottos?": (
        "{Topic}, made simple.",
        "More {topic}. Less fuss.",
        "{Topic} you can count on.",
        "Start with {topic}.",
        "{Topic}: quietly brilliant.",
        "Think {topic}.",
    ),
    r"ideas?|suggestions?|tips?|ways": (
        "Start small: try {topic} once, this week, and write down what happened.",
        "Ask two people who know {topic} what they would do first.",
        "Turn {topic} into a checklist and drop every point that nobody misses.",
        "Set a date on which you look at {topic} again and decide.",
        "Show an unfinished version of {topic} to someone and watch where they stop.",
        "Look at how a neighbouring field handles {topic} and borrow one habit.",
        "Pick one number that tells whether {topic} is getting better.",
        "Write the announcement for {topic} first, then work backwards.",
    ),
    r"questions?": (
        "What would success with {topic} look like?",
        "Who is affected most by {topic}?",
        "What have you already tried with {topic}?",
        "What is the riskiest assumption about {topic}?",
        "What would you drop if {topic} had to be done by Friday?",
        "Who else should have a say in {topic}?",
    ),
}
NAMES = ("Nova", "Juniper", "Pixel", "Atlas", "Clover", "Echo", "Marble", "Sable", "Willow", "Comet", "Biscuit", "Harbor")
CODE: dict[str, tuple[str, str]] = {
    r"fizz ?buzz": (
        "python",
        'for number in range(1, 101):\n    print("Fizz" * (number % 3 == 0) + "Buzz" * (number % 5 == 0) or number)',
    ),
    r"fibonacci": (
        "python",
        "def fibonacci(n: int) -> int:\n    a, b = 0, 1\n    for _ in range(n):\n        a, b = b, a + b\n    return a",
    ),
    r"factorial": (
        "python",
        "def factorial(n: int) -> int:\n    result = 1\n    for factor in range(2, n + 1):\n        result *= factor\n    return result",
    ),
    r"prime": ("python", "def is_prime(n: int) -> bool:\n    return n > 1 and all(n % d for d in range(2, int(n**0.5) + 1))"),
    r"palindrome": (
        "python",
        (
            "def is_palindrome(text: str) -> bool:\n    letters = [c.lower() for c in text if c.isalnum()]\n"
            "    return letters == letters[::-1]"
        ),
    ),
    r"revers\w+ (?:a |the )?string": ("python", "def reverse(text: str) -> str:\n    return text[::-1]"),
}
HELLO_WORLD = {
    "python": 'print("Hello, world!")',
    "javascript": 'console.log("Hello, world!");',
    "typescript": 'console.log("Hello, world!");',
    "go": 'package main\n\nimport "fmt"\n\nfunc main() {\n    fmt.Println("Hello, world!")\n}',
    "rust": 'fn main() {\n    println!("Hello, world!");\n}',
    "java": 'public class Main {\n    public static void main(String[] args) {\n        System.out.println("Hello, world!");\n    }\n}',
    "c": '#include <stdio.h>\n\nint main(void) {\n    puts("Hello, world!");\n}',
    "ruby": 'puts "Hello, world!"',
    "bash": 'echo "Hello, world!"',
    "sql": "SELECT 'Hello, world!';",
}


def lines(talk: Talk) -> str | None:
    """ "Three subject lines for our spring sale", "five names for a cat"."""
    kinds = "|".join([*LINES, "names?"])
    found = re.search(rf"\b(?:{NUMBER} |an? |some |me )(?:\w+ ){{0,2}}?(?P<kind>{kinds}) (?:for|about|on|to) (?P<topic>.+)$", talk.plain)
    if not found:
        return None
    topic = _in_question(
        talk,
        re.sub(
            r"^(?:an? |the |our |my )?(?:newsletter|post|article|e-?mail|campaign|blog(?: post)?)s? (?:about|on|for) ", "", found["topic"]
        ),
    )
    many = max(1, min(number(found[1]) if found[1] else (1 if found["kind"][-1] != "s" else 3), 20))
    if found["kind"].startswith("name"):
        rows = [f"{talk_name}{'' if turn == 0 else f' {turn + 1}'}" for turn in range(2) for talk_name in _turned(NAMES, talk.variant)][
            :many
        ]
    else:
        shapes = next(shapes for pattern, shapes in LINES.items() if re.fullmatch(pattern, found["kind"]))
        rows = [shape.format(topic=topic, Topic=topic[:1].upper() + topic[1:]) for shape in (_turned(shapes, talk.variant) * 3)[:many]]
    if len(rows) == 1:
        return rows[0]
    return "\n".join(f"{place}. {row}" for place, row in enumerate(rows, start=1))


def _turned(row: tuple[str, ...], by: int) -> tuple[str, ...]:
    return row[by % len(row) :] + row[: by % len(row)]


def _in_question(talk: Talk, words: str) -> str:
    """These words as the question spells them."""
    at = talk.question.lower().find(words)
    return talk.question[at : at + len(words)] if at >= 0 else words


def poem(talk: Talk) -> str | None:
    """Haiku and short poems, with the topic in the title."""
    found = re.search(r"\b(haiku|poem|limerick|rhyme|verse)\b(?: (?:about|on|for) (?P<topic>.+))?", talk.plain)
    if not found or not re.match(r"(?:write|compose|make|give|a |an |tell|create|short|haiku|poem)", talk.plain):
        return None
    topic = _in_question(talk, found["topic"] or "a quiet start")
    title = topic[:1].upper() + topic[1:]
    if found[1] == "haiku":
        return f"{title}\n\nSmall steps, morning light,\na quiet thought finds its shape,\nthen words on the page."
    return (
        f"{title}\n\nIt started small, a passing thought,\na thing that could be learned, not bought;\n"
        f"we looked again, and there it stood:\nplain, and useful, and quite good."
    )


def mail(talk: Talk) -> str | None:
    """A short mail or message about the topic."""
    if re.search(r"\bcover letter\b", talk.plain):
        return None
    found = re.match(
        r"(?:write|draft|compose)(?: me)? (?:an? |the )?(?:\w+ ){0,2}?(?P<kind>e-?mail|letter|message|note|reply)"
        r"(?: to (?P<whom>(?:my |our |the |an? )?[\w ]{1,30}?))?"
        r"(?: (?:about|for|on|regarding|asking (?:for|about)|thanking \w+ for|that) (?P<topic>.+))?$",
        talk.plain,
    )
    if not found:
        return None
    topic = _in_question(talk, found["topic"] or "our plans")
    whom = re.sub(r"^(?:my|our|the|an?) ", "", found["whom"] or "").title()
    return (
        f"Subject: {topic[:1].upper() + topic[1:]}\n\nHello{' ' + whom if whom else ''},\n\nI am writing about {topic}. "
        "In short: here is where we stand, and what I would need from you.\n\nCould you let me know by Friday whether that works for you? "
        "I am happy to talk it through.\n\nKind regards"
    )


def code(talk: Talk) -> str | None:
    """Hello world in ten languages and some small classics in Python."""
    if re.search(r"\bhello,? world\b", talk.plain) and re.search(r"\b(?:write|program|code|print|script|show|in)\b", talk.plain):
        language = next((name for name in HELLO_WORLD if re.search(rf"\b{name}\b", talk.plain)), "python")
        return f"```{language}\n{HELLO_WORLD[language]}\n```"
    if re.search(r"\b(?:function|code|program|script|implement|python|write)\b", talk.plain):
        for pattern, (language, text) in CODE.items():
            if re.search(rf"\b{pattern}\b", talk.plain):
                return f"```{language}\n{text}\n```"
    return None
