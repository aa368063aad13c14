"""Dates, and the few facts that a stand-in can know for sure."""

import re
from datetime import datetime, timedelta

from beatra_site.sandbox.answers.talk import NUMBER, Talk, number

CAPITAL_PAIRS = (
    "argentina:Buenos Aires|australia:Canberra|austria:Vienna|belgium:Brussels|brazil:Brasília|bulgaria:Sofia|canada:Ottawa|"
    "chile:Santiago|china:Beijing|colombia:Bogotá|croatia:Zagreb|cuba:Havana|czechia:Prague|denmark:Copenhagen|egypt:Cairo|"
    "england:London|estonia:Tallinn|ethiopia:Addis Ababa|finland:Helsinki|france:Paris|germany:Berlin|ghana:Accra|"
    "greece:Athens|hungary:Budapest|iceland:Reykjavík|india:New Delhi|indonesia:Jakarta|iran:Tehran|iraq:Baghdad|"
    "ireland:Dublin|italy:Rome|jamaica:Kingston|japan:Tokyo|kenya:Nairobi|latvia:Riga|lithuania:Vilnius|"
    "luxembourg:Luxembourg|malaysia:Kuala Lumpur|mexico:Mexico City|morocco:Rabat|nepal:Kathmandu|netherlands:Amsterdam|"
    "new zealand:Wellington|nigeria:Abuja|norway:Oslo|pakistan:Islamabad|peru:Lima|philippines:Manila|poland:Warsaw|"
    "portugal:Lisbon|romania:Bucharest|russia:Moscow|saudi arabia:Riyadh|scotland:Edinburgh|serbia:Belgrade|"
    "singapore:Singapore|slovakia:Bratislava|slovenia:Ljubljana|south korea:Seoul|spain:Madrid|sweden:Stockholm|"
    "switzerland:Bern|thailand:Bangkok|tunisia:Tunis|turkey:Ankara|ukraine:Kyiv|united kingdom:London|uk:London|"
    "united states:Washington, D.C.|usa:Washington, D.C.|uruguay:Montevideo|venezuela:Caracas|vietnam:Hanoi|wales:Cardiff"
)
CAPITALS = dict(pair.split(":") for pair in CAPITAL_PAIRS.split("|"))
ROWS = {
    r"days? of (?:the|a) week|weekdays": "Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday",
    r"months": "January, February, March, April, May, June, July, August, September, October, November, December",
    r"seasons": "spring, summer, autumn, winter",
    r"planets": "Mercury, Venus, Earth, Mars, Jupiter, Saturn, Uranus, Neptune",
    r"primary colou?rs": "red, yellow, blue",
    r"colou?rs? of the rainbow|rainbow colou?rs": "red, orange, yellow, green, blue, indigo, violet",
    r"continents": "Africa, Antarctica, Asia, Australia, Europe, North America, South America",
    r"oceans": "Arctic, Atlantic, Indian, Pacific, Southern",
    r"vowels": "a, e, i, o, u",
    r"alphabet": "a b c d e f g h i j k l m n o p q r s t u v w x y z",
    r"colou?rs|fruits?|animals?": "",
}
SAMPLES = {
    "colo": "red, blue, green, yellow, orange, purple, white, black, brown, pink",
    "frui": "apple, banana, orange, pear, grape, mango, cherry, peach, lemon, plum",
    "anim": "cat, dog, horse, elephant, lion, whale, eagle, frog, bear, fox",
}
# hello, good morning, thank you, please, goodbye, yes, no
PHRASES = ("hello", "good morning", "thank you", "please", "goodbye", "yes", "no")
LANGUAGES = {
    "french": "Bonjour|Bonjour|Merci|S'il vous plaît|Au revoir|Oui|Non",
    "spanish": "Hola|Buenos días|Gracias|Por favor|Adiós|Sí|No",
    "german": "Hallo|Guten Morgen|Danke|Bitte|Auf Wiedersehen|Ja|Nein",
    "italian": "Ciao|Buongiorno|Grazie|Per favore|Arrivederci|Sì|No",
    "portuguese": "Olá|Bom dia|Obrigado|Por favor|Adeus|Sim|Não",
    "dutch": "Hallo|Goedemorgen|Dank je|Alsjeblieft|Tot ziens|Ja|Nee",
    "swedish": "Hej|God morgon|Tack|Snälla|Hej då|Ja|Nej",
    "polish": "Cześć|Dzień dobry|Dziękuję|Proszę|Do widzenia|Tak|Nie",
    "turkish": "Merhaba|Günaydın|Teşekkür ederim|Lütfen|Hoşça kal|Evet|Hayır",
    "japanese": "こんにちは|おはようございます|ありがとう|お願いします|さようなら|はい|いいえ",
    "chinese": "你好|早上好|谢谢|请|再见|是|不",
    "korean": "안녕하세요|좋은 아침입니다|감사합니다|부탁합니다|안녕히 가세요|네|아니요",
    "russian": "Здравствуйте|Доброе утро|Спасибо|Пожалуйста|До свидания|Да|Нет",
    "arabic": "مرحبا|صباح الخير|شكرا|من فضلك|مع السلامة|نعم|لا",
    "hindi": "नमस्ते|सुप्रभात|धन्यवाद|कृपया|अलविदा|हाँ|नहीं",
}


def dates(talk: Talk) -> str | None:
    """Today, tomorrow, the day of the week, the year, the time: by this process's clock, in UTC."""
    line, now = talk.plain, talk.now
    if re.search(r"\bwhat(?:'s| is)?(?: the)?(?: current)? time\b|\bcurrent time\b|\btime is it\b", line):
        return f"It is {now:%H:%M} UTC."
    if re.search(r"\b(?:what|which) year\b|\bcurrent year\b", line):
        return f"It is {now.year}."
    if re.search(r"\b(?:what|which) month\b", line):
        return f"It is {now:%B %Y}."
    for word, days in (("tomorrow", 1), ("yesterday", -1), ("today", 0)):
        if re.search(rf"\b(?:what|which|date|day)\b.*\b{word}\b|\b{word}'s date\b", line):
            verb = {1: "will be", 0: "is", -1: "was"}[days]
            return f"{word.title()} {verb} {long_date(now + timedelta(days=days))}."
    if re.search(r"\b(?:what|which) (?:day|date) is (?:it|this)\b|\b(?:current|the) date\b$|\bwhat(?:'s| is) the date\b", line):
        return f"Today is {long_date(now)}."
    return None


def long_date(day: datetime) -> str:
    return f"{day:%A}, {day.day} {day:%B %Y}"


def capital(talk: Talk) -> str | None:
    """The capitals of some seventy countries."""
    found = re.search(r"\bcapital (?:city )?of (?:the )?([a-z ]+)", talk.plain)
    if found and (city := CAPITALS.get(re.sub(r" in .* words?$", "", found[1]).strip())):
        return city if talk.words_wanted() == 1 else f"The capital of {_country(found[1])} is {city}."
    return None


def _country(name: str) -> str:
    return name.strip().upper() if name.strip() in ("uk", "usa") else name.strip().title()


def rows(talk: Talk) -> str | None:
    """ "List the planets", "name three colours"."""
    if not re.search(r"\b(?:list|name|what are|tell me|give me|which are|say|recite)\b", talk.plain):
        return None
    # More words than the row's name ask for more than the row
    if len(talk.plain.split()) > 9:
        return None
    for pattern, row in ROWS.items():
        if found := re.search(rf"\b(?:{pattern})$", talk.plain):
            names = (row or SAMPLES[found[0][:4]]).split(", ")
            wanted = re.search(rf"\b{NUMBER} ", talk.plain)
            few = number(wanted[1]) if wanted else (len(names) if row else 5)
            return ", ".join(names[: max(1, few)]) + "."
    return None


def translation(talk: Talk) -> str | None:
    """A few phrases in fifteen languages; says so plainly when it is another."""
    found = re.search(r"\b(?:translate|say|how do you say|what is|what's)\b(.*?)\b(?:to|into|in) ([a-z]+)$", talk.plain)
    if not found or found[2] not in LANGUAGES:
        return None
    phrase = re.sub(r"[^\w ]", "", found[1]).strip()
    phrase = {"hi": "hello", "thanks": "thank you", "bye": "goodbye"}.get(phrase, phrase)
    if phrase in PHRASES:
        return f"{LANGUAGES[found[2]].split('|')[PHRASES.index(phrase)]}"
    return (
        f"The sandbox model knows only a few phrases in {found[2].title()} ({', '.join(PHRASES)}); a real model would translate “{phrase}”."
    )
