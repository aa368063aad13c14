"""Taking words and texts apart: letters, cases, order, summaries."""

import re

from beatra_site.sandbox.answers.talk import NUMBER, Talk, number


def letters(talk: Talk) -> str | None:
    """How many letters, words, characters; how often a letter occurs."""
    if found := re.search(
        r"\bhow many (?:letter )?[\"'“]?([a-z])[\"'”]?(?:'?s)?(?: are)?(?: there)? in (?:the word )?[\"'“]?([a-z]+)", talk.plain
    ):
        times = found[2].count(found[1])
        return f"“{found[2]}” has {times} letter{'s' if times != 1 else ''} “{found[1]}”."
    found = re.search(
        r"\bhow many (letters|words|characters|vowels)(?: are)?(?: there)? in (?:the (?:word|sentence|phrase|text):? )?(.+)$", talk.plain
    )
    if not found:
        return None
    text = talk.quoted() or found[2]
    kind = found[1]
    counted = {
        "letters": sum(character.isalpha() for character in text),
        "words": len(text.split()),
        "characters": len(text),
        "vowels": sum(character in "aeiouAEIOU" for character in text),
    }[kind]
    return f"“{text}” has {counted} {kind if counted != 1 else kind[:-1]}."


def changed(talk: Talk) -> str | None:
    """Reverse, upper case, lower case, spell, sort."""
    found = re.match(
        r"(?:please )?(?P<how>reverse|uppercase|upper case|lowercase|lower case|capitali[sz]e|spell|sort(?: alphabetically)?)"
        r"(?: (?:this|these|the))?(?: (?:word|words|string|text|sentence|list|numbers|items|letters of))?(?: backwards?)?:? "
        r"(?P<what>.+?)[.?!]?$",
        " ".join(talk.question.split()),
        re.IGNORECASE,
    )
    if not found:
        return None
    how, text = found["how"].lower(), talk.quoted() or found["what"]
    if how.startswith("sort"):
        items = [item.strip() for item in re.split(r",| and ", text) if item.strip()]
        try:
            return ", ".join(sorted(items, key=float))
        except ValueError:
            return ", ".join(sorted(items, key=str.lower))
    changes = {
        "reverse": text[::-1],
        "uppercase": text.upper(),
        "upper case": text.upper(),
        "lowercase": text.lower(),
        "lower case": text.lower(),
        "spell": "-".join(text.replace(" ", "")).upper(),
    }
    return changes.get(how, text.title())


def summary(talk: Talk) -> str | None:
    """A summary made of the text's own first sentences."""
    found = re.match(
        r"(?:please )?(?:summari[sz]e|sum up|tl;?dr|shorten|give me a summary of)\b(?P<wish>[^:\n]{0,80})[:\n]\s*(?P<text>.{40,})$",
        talk.question,
        re.IGNORECASE | re.DOTALL,
    )
    if not found:
        return None
    sentences = [" ".join(sentence.split()) for sentence in re.split(r"(?<=[.!?])\s+|\n+", found["text"]) if sentence.strip()]
    few = re.search(rf"{NUMBER} (?:sentences?|points?|bullets?|lines?)", found["wish"], re.IGNORECASE)
    kept = sentences[: number(few[1]) if few else 1]
    if re.search(r"bullet|points", found["wish"], re.IGNORECASE):
        return "\n".join(f"- {sentence}" for sentence in kept)
    wanted = talk.words_wanted()
    return _shortened(" ".join(kept), wanted) if wanted else " ".join(kept)


def _shortened(text: str, words: int) -> str:
    return " ".join(text.split()[:words]).rstrip(",;:.") + "."


def corrected(talk: Talk) -> str | None:
    """Spacing, capitals and the full stop put right: all that a stand-in dares."""
    found = re.match(
        r"(?:please )?(?:fix|correct|proofread|improve)\b[^:\n]{0,60}[:\n]\s*(?P<text>.+)$", talk.question, re.IGNORECASE | re.DOTALL
    )
    if not found:
        return None
    text = re.sub(r"\bi\b", "I", " ".join((talk.quoted() or found["text"]).split()))
    text = re.sub(r"\s+([,.!?])", r"\1", text)
    text = re.sub(r"(^|[.!?] )([a-z])", lambda start: start[1] + start[2].upper(), text)
    return text if text[-1:] in ".!?" else f"{text}."
