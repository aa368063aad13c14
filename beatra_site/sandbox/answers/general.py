"""What is said when nothing else fits: the topic again, a few steps that help with questions of its kind, and who speaks."""

import base64
import re

from beatra_site.sandbox.answers.talk import Talk

SIGNATURE = "(Sandbox model: a stand-in that knows general steps, not facts. Connect a provider's key for a real answer.)"

# What every topic bears to be told, by the number of words
TAILS = {
    1: "simply.",
    2: "start small.",
    3: "one small step.",
    4: "start small, look closely.",
    5: "start small, then look closely.",
    6: "start small, look closely, keep going.",
    7: "start small, look closely, keep what works.",
}
FILLERS = {1: "Enjoy!", 2: "Good luck!", 3: "Take your time.", 4: "Ask when in doubt.", 5: "Write down what you learn."}

# By the kind of question: how the answer opens, and its steps
KINDS: tuple[tuple[str, str, tuple[str, str, str]], ...] = (
    (
        r"\b(?:debug|fix|error|bug|broken|crash\w*|fails?|failing|not work\w*|doesn't work)\b",
        "To get to the bottom of “{topic}”:",
        (
            "Reproduce it with the smallest input that still fails, and write that input down.",
            "Read the first error in the log, not the last: later ones often follow from it.",
            "Change one thing at a time and test after each, so that you know which one helped.",
        ),
    ),
    (
        r"\b(?:compare|versus|vs|better|difference between|should i (?:choose|use|pick))\b|\bor\b.*\?",
        "To decide on “{topic}”:",
        (
            "Name the two or three things that matter most to you, before you look at either side.",
            "Score each side on those only, from 1 to 5, with one sentence why.",
            "If it is close, take the one that is easier to undo and try it for a week.",
        ),
    ),
    (
        r"^(?:why|what causes)\b",
        "To find out why, for “{topic}”:",
        (
            "Separate what you have seen from what you assume.",
            "List two or three possible causes and what each would make you expect.",
            "Check the expectation that is cheapest to test first.",
        ),
    ),
    (
        r"\b(?:plan|organi[sz]e|schedule|prepare|itinerary|trip)\b",
        "A plan for “{topic}”:",
        (
            "Fix the date, the budget and the one thing that must not go wrong.",
            "List the steps backwards from the end and give each an owner and a day.",
            "Keep a fifth of the time free for what you did not foresee.",
        ),
    ),
    (
        r"\b(?:learn|study|understand|practi[cs]e|teach)\b",
        "To make progress with “{topic}”:",
        (
            "Pick one small thing you want to be able to do by the end of the week.",
            "Spend twenty minutes a day on it, doing rather than reading.",
            "At the end of each session explain aloud what you did, without notes.",
        ),
    ),
    (
        r"^(?:write|draft|compose|create|generate|make)\b",
        "An outline for “{topic}”:",
        (
            "Opening: who it is for and why they should care, in two sentences.",
            "Middle: three points, each with one example from real life.",
            "End: what the reader should do next, and by when.",
        ),
    ),
    (
        r"^(?:how|help|what(?:'s| is) the best way)\b",
        "Here is a way to go about “{topic}”:",
        (
            "Write down in one sentence what “done” looks like.",
            "Do the smallest version that could work, and look at the result before going on.",
            "Note what took longest and improve only that in the next round.",
        ),
    ),
    (
        r"^(?:what|who|where|when|which|explain|describe|define|tell me)\b",
        "To get a grip on “{topic}”:",
        (
            "Find a one-sentence definition in a source you trust.",
            "Work through one concrete example by hand.",
            "Put it in your own words, and check those against a second source.",
        ),
    ),
    (
        r"",
        "About “{topic}”:",
        (
            "Say in one sentence what you want to have at the end.",
            "List what you know already, and the one thing that is missing most.",
            "Take the step that gets you that thing today.",
        ),
    ),
)


def general(talk: Talk) -> str:
    """The answer to anything else; as many words, sentences or points as wanted."""
    opening, steps = next((opening, steps) for pattern, opening, steps in KINDS if re.search(pattern, talk.plain))
    topic = talk.topic()
    if words := talk.words_wanted():
        return in_words(topic, words)
    if re.search(r"\bin (?:one|a single|1|a) sentence\b|\bone[- ]sentence\b", f"{talk.question} {talk.system}", re.IGNORECASE):
        return f"{topic[:1].upper()}{topic[1:]}: {steps[0][:1].lower()}{steps[0][1:]}"
    turned = steps[talk.variant % 3 :] + steps[: talk.variant % 3] if talk.variant else steps
    rows = "\n".join(f"{place}. {step}" for place, step in enumerate(turned, start=1))
    return f"{opening.format(topic=topic)}\n{rows}\n{SIGNATURE}"


def in_words(topic: str, words: int) -> str:
    """About a topic in exactly so many words."""
    said = re.sub(r"^(?:the|an?) ", "", topic, flags=re.IGNORECASE).split()[: max(1, words - len(TAILS))]
    parts = [" ".join(said) + (":" if words > len(said) else ".")]
    left = words - len(said)
    if left:
        parts.append(TAILS[min(left, len(TAILS))])
        left -= min(left, len(TAILS))
    while left:
        parts.append(FILLERS[min(left, len(FILLERS))])
        left -= min(left, len(FILLERS))
    text = " ".join(parts)
    return text[:1].upper() + text[1:]


def pictures(talk: Talk) -> str | None:
    """Says what it was shown: a stand-in has no eyes."""
    if not talk.images:
        return None
    shown = "; ".join(_picture(url) for url in talk.images[:3])
    many = f"{len(talk.images)} image{'s' if len(talk.images) > 1 else ''}"
    return f"I received {many} ({shown}) with your question “{talk.topic()}”. The sandbox model can't see; a real model would describe it."


def _picture(url: str) -> str:
    if not url.startswith("data:"):
        return url[:80]
    kind, _, data = url.removeprefix("data:").partition(";base64,")
    size = len(data) * 3 // 4
    try:
        head = base64.b64decode(data[:64], validate=False)
    except ValueError:
        head = b""
    if head.startswith(b"\x89PNG") and len(head) >= 24:
        width, height = int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
        return f"{kind}, {width} x {height} pixels, {size} bytes"
    return f"{kind}, {size} bytes"
