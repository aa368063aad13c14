"""What the sandbox's model says: short, useful, the same for the same question and seed, and about the question.

Each skill looks at a talk and answers or passes; the first answer counts. What no skill takes, `general` answers.
"""

from collections.abc import Callable

from beatra_site.sandbox.answers import facts, numbers, small_talk, words, writing
from beatra_site.sandbox.answers.general import general, pictures
from beatra_site.sandbox.answers.talk import Talk

__all__ = ["Talk", "reply"]

# These work on texts of any length, the others on questions
TEXT_SKILLS: tuple[Callable[[Talk], str | None], ...] = (pictures, words.summary, words.corrected)
SKILLS: tuple[Callable[[Talk], str | None], ...] = (
    small_talk.greet,
    facts.translation,
    small_talk.exactly,
    small_talk.about_me,
    small_talk.remembered,
    small_talk.courtesies,
    numbers.chance,
    numbers.arithmetic,
    numbers.kinds,
    numbers.units,
    numbers.counting,
    words.letters,
    words.changed,
    facts.dates,
    facts.capital,
    facts.rows,
    writing.code,
    writing.lines,
    writing.poem,
    writing.mail,
)
QUESTION_CHARACTERS = 500


def reply(talk: Talk) -> str:
    """The answer to a talk."""
    skills = TEXT_SKILLS + (SKILLS if len(talk.question) <= QUESTION_CHARACTERS else ())
    return next((answer for skill in skills if (answer := skill(talk))), None) or general(talk)
