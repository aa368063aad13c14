"""Counting, arithmetic, units and dice."""

import ast
import hashlib
import math
import re
from fractions import Fraction

from beatra_site.sandbox.answers.talk import NUMBER, NUMBER_WORDS, ONES, Talk, number

# The longest row counted out; the caller's output limit ends it sooner
MOST_COUNTED = 5_000
# No power grows beyond so many bits
MOST_BITS = 2_000


def counting(talk: Talk) -> str | None:
    """ "Count to ten", "count from 3 to 7", "count down from 5", "by twos"."""
    found = re.search(
        rf"\b(?:count|numbers?|list|integers?)\b(?P<down> down| backwards?)?(?:.{{0,40}}?\bfrom {NUMBER})?"
        rf"(?:.{{0,20}}? ?(?:to|till|until|through|up to|-) {NUMBER})?",
        talk.plain,
    )
    if not found or not (found[2] or found[3]) or not re.search(r"\bcount\b|\bnumbers\b|\bintegers\b", talk.plain):
        return None
    down = bool(found["down"])
    step = re.search(rf"\bby {NUMBER[:-1]}|twos|threes|fives|tens)\b", talk.plain)
    width = {"twos": 2, "threes": 3, "fives": 5, "tens": 10}.get(step[1]) or number(step[1]) if step else 1
    width = max(1, width)
    first = number(found[2]) if found[2] else (10 if down else width)
    last = number(found[3]) if found[3] else (1 if down else first + 9 * width)
    row = range(first, last + 1, width) if first <= last else range(first, last - 1, -width)
    if re.search(r"\bin words\b", talk.plain) and max(first, last) <= 20:
        return ", ".join(ONES.split()[one] for one in row) + "."
    return ", ".join(map(str, row[:MOST_COUNTED])) + ("." if len(row) <= MOST_COUNTED else ", …")


def arithmetic(talk: Talk) -> str | None:
    """ "What is 17 * 23?", "15% of 80", "square root of 144", "add 3 and 4"."""
    line = re.sub(
        r"^(?:what(?:'s| is|s)|calculate|compute|evaluate|solve|how much (?:is|are)|work out|tell me|and|the (?:result|value) of)\b"
        r"(?: the (?:result|value) of)?:? ",
        "",
        talk.plain,
    )
    line = re.sub(r"(?: equals?| equal to| make| =|=)\s*(?:what)?$", "", line)
    for word, worth in sorted(NUMBER_WORDS.items(), key=lambda pair: -len(pair[0])):
        line = re.sub(rf"\b{word}\b", str(worth), line)
    for pattern, shape in (
        (r"(?:the )?(?:sum of|add) (.+)", " + "),
        (r"(?:the )?(?:product of|multiply) (.+)", " * "),
    ):
        if found := re.fullmatch(pattern, line):
            line = re.sub(r"\s*(?:,? and |, ?| by | to )\s*", shape, found[1])
    line = re.sub(r"^subtract (\S+) from (\S+)$", r"\2 - \1", line)
    line = re.sub(r"^divide (\S+) by (\S+)$", r"\1 / \2", line)
    line = re.sub(r"^(?:the )?(?:average|mean) of (.+)$", lambda found: _average(found[1]), line)
    line = re.sub(r"(\d[\d.]*) ?(?:%|percent) of ", r"\1 / 100 * ", line)
    line = re.sub(r"(?:the )?square root of (\d[\d.]*)", r"(\1) ** 0.5", line)
    for pattern, sign in (
        (r"\bplus\b", "+"), (r"\bminus\b", "-"), (r"\bmultiplied by\b|\btimes\b|(?<=[\d)]) ?x ?(?=[\d(])|×|·", "*"),
        (r"\bdivided by\b|\bover\b|÷", "/"), (r"\bmod(?:ulo)?\b", "%"), (r"\bto the power of\b|\^", "**"),
        (r"\bsquared\b", "** 2"), (r"\bcubed\b", "** 3"), (r"(?<=\d),(?=\d{3}\b)", ""), ("−", "-"),
    ):  # fmt: skip
        line = re.sub(pattern, sign, line)
    if not re.fullmatch(r"[\d\s.+\-*/%()]{3,200}", line) or not re.search(r"\d\s*[)]*\s*[+\-*/%]", line):
        return None
    try:
        value = evaluate(ast.parse(line.strip(), mode="eval").body)
    except ZeroDivisionError:
        return f"{_pretty(line)} is undefined: nothing can be divided by zero."
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError):
        return None
    return f"{_pretty(line)} = {as_text(value)}"


def evaluate(node: ast.expr) -> Fraction:
    """The value of a sum, exact. Raises ValueError for what is no plain sum or grows too large, ZeroDivisionError."""
    match node:
        case ast.Constant(value=int() | float() as value):
            return Fraction(str(value))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -evaluate(operand)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return evaluate(operand)
        case ast.BinOp(left=left, op=op, right=right):
            a, b = evaluate(left), evaluate(right)
            match op:
                case ast.Add():
                    return a + b
                case ast.Sub():
                    return a - b
                case ast.Mult():
                    return a * b
                case ast.Div():
                    return a / b
                case ast.FloorDiv():
                    return Fraction(a // b)
                case ast.Mod():
                    return a % b
                case ast.Pow():
                    return _power(a, b)
    raise ValueError("not a plain sum")


def _power(base: Fraction, exponent: Fraction) -> Fraction:
    bits = max(base.numerator.bit_length(), base.denominator.bit_length())
    if bits * abs(exponent) > MOST_BITS:
        raise ValueError("too large")
    if exponent.denominator == 1:
        return base**exponent.numerator
    if base < 0:
        raise ValueError("no real number")
    return Fraction(round(float(base) ** float(exponent), 10)).limit_denominator(10**10)


def as_text(value: Fraction) -> str:
    """A number as people write it: whole if it is whole, else at most ten decimals."""
    if value.denominator == 1:
        return str(value.numerator)
    return f"{float(value):.10f}".rstrip("0").rstrip(".") if abs(value) < 10**15 else f"{float(value):.6g}"


def _pretty(line: str) -> str:
    line = re.sub(r"\((\S+)\) \*\* 0\.5", r"√\1", line)
    line = re.sub(r"(\S+) / 100 \* ", r"\1% of ", line)
    line = re.sub(r"\s*(\*\*|[+*/]|%(?! of))\s*", lambda sign: f" {({'**': '^', '*': '×', '/': '÷'}).get(sign[1], sign[1])} ", line)
    line = re.sub(r"(?<=[\d)])\s*-\s*", " - ", line)
    return " ".join(line.split())


def _average(row: str) -> str:
    values = re.findall(r"-?\d+(?:\.\d+)?", row)
    return f"({' + '.join(values)}) / {len(values)}" if values else row


# To the base unit of its kind: metres, grams, seconds, litres, bytes
UNITS: dict[str, tuple[str, Fraction]] = {}
for kind, table in {
    "length": "mm millimeter 0.001|cm centimeter 0.01|m meter 1|km kilometer 1000|"
    "inch in 0.0254|ft foot feet 0.3048|yd yard 0.9144|mi mile 1609.344",
    "mass": "mg milligram 0.001|g gram 1|kg kilo kilogram 1000|oz ounce 28.349523125|lb lbs pound 453.59237|t ton tonne 1000000",
    "time": "s sec second 1|min minute 60|h hr hour 3600|day 86400|week 604800",
    "volume": "ml milliliter 0.001|l liter litre 1|gal gallon 3.785411784|cup 0.2365882365",
    "data": "byte 1|kb kilobyte 1000|mb megabyte 1000000|gb gigabyte 1000000000|tb terabyte 1000000000000",
}.items():
    for row in table.split("|"):
        *names, factor = row.split()
        for name in names:
            UNITS[name] = UNITS[f"{name}s"] = UNITS[f"{name}es"] = (kind, Fraction(factor))


def units(talk: Talk) -> str | None:
    """ "Convert 10 km to miles", "100 fahrenheit in celsius"."""
    found = re.search(
        r"(-?\d[\d,]*(?:\.\d+)?)\s*°?\s*([a-z]+)(?: to| in| into| as) (?:degrees )?([a-z]+)$", talk.plain.replace("degrees ", "")
    )
    found = found or re.search(r"()\bhow many ([a-z]+) (?:are )?(?:there )?in (?:an? |one )([a-z]+)$", talk.plain)
    if not found:
        return None
    if not found[1]:
        amount, source, target = Fraction(1), found[3], found[2]
    else:
        amount, source, target = Fraction(found[1].replace(",", "")), found[2], found[3]
    scales = {"c": "C", "celsius": "C", "centigrade": "C", "f": "F", "fahrenheit": "F", "k": "K", "kelvin": "K"}
    if source in scales and target in scales:
        kelvin = {"C": amount + Fraction("273.15"), "F": (amount - 32) * 5 / 9 + Fraction("273.15"), "K": amount}[scales[source]]
        value = {"C": kelvin - Fraction("273.15"), "F": (kelvin - Fraction("273.15")) * 9 / 5 + 32, "K": kelvin}[scales[target]]
        return f"{as_text(amount)} °{scales[source]} = {_rounded(value)} °{scales[target]}".replace("°K", "K")
    if source in UNITS and target in UNITS and UNITS[source][0] == UNITS[target][0]:
        return f"{as_text(amount)} {source} = {_rounded(amount * UNITS[source][1] / UNITS[target][1])} {target}"
    return None


def _rounded(value: Fraction) -> str:
    return as_text(Fraction(round(value, 4)))


def kinds(talk: Talk) -> str | None:
    """ "Is 7 prime?", even, odd."""
    found = re.fullmatch(rf"is {NUMBER} (?:an? )?(prime|even|odd)(?: number)?", talk.plain)
    if not found:
        return None
    asked, kind = number(found[1]), found[2]
    if kind == "prime":
        if asked > 10**9:
            return None
        divisor = next((one for one in range(2, math.isqrt(asked) + 1) if asked % one == 0), None)
        if divisor:
            return f"No, {asked} = {divisor} × {asked // divisor}."
        return f"Yes, {asked} is prime." if asked > 1 else f"No, {asked} is not prime."
    return f"{'Yes' if (asked % 2 == 0) == (kind == 'even') else 'No'}, {asked} is {'odd' if asked % 2 else 'even'}."


def chance(talk: Talk) -> str | None:
    """Coins, dice and random numbers: the same for the same question and seed."""
    drawn = int.from_bytes(hashlib.sha256(f"{talk.plain}/{talk.variant}".encode()).digest()[:6], "big")
    if re.search(r"\b(?:flip|toss) a coin\b|\bheads or tails\b", talk.plain):
        return ("Heads.", "Tails.")[drawn % 2]
    if re.search(r"\broll (?:a |the )?(?:die|dice)\b", talk.plain):
        return f"You rolled a {drawn % 6 + 1}."
    if found := re.search(
        rf"\b(?:pick|choose|random|think of|give me) .{{0,20}}number.{{0,20}}?(?:between|from) {NUMBER} (?:and|to) {NUMBER}", talk.plain
    ):
        low, high = sorted((number(found[1]), number(found[2])))
        return str(low + drawn % (high - low + 1))
    return None
