"""The instruments as sound: waves built of harmonics, two oscillators of which one bends the other, drums of sines and noise.

Samples are whole numbers around +-4000 for a loud one.
"""

from __future__ import annotations

import math
import random
from array import array
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, repeat
from operator import mul

TABLE = 2048
MASK = TABLE - 1
LOUD = 4000
SINE = [math.sin(2 * math.pi * place / TABLE) for place in range(TABLE)]


@dataclass(frozen=True)
class Wave:
    """Harmonics that last (`soft`) and harmonics of the attack (`sharp`). Times in seconds; `decay` 0 holds the note, `wide` and
    `vibrato` in cents: how far its two halves are apart, and how far it sways. `level` is its place in the mix, `room` how much of it
    goes to the room, `echo` to the echo, from 0 to 1.
    """

    soft: tuple[float, ...]
    sharp: tuple[float, ...] = ()
    attack: float = 0.006
    decay: float = 0
    sharp_decay: float = 0.15
    release: float = 0.08
    wide: float = 0
    vibrato: float = 0
    level: float = 0.5
    room: float = 0.3
    echo: float = 0


@dataclass(frozen=True)
class Bent:
    """A sine bent by another, `ratio` times as fast and at first by `depth` radians: bells and electric pianos."""

    ratio: float
    depth: float
    decay: float
    depth_decay: float
    attack: float = 0.003
    release: float = 0.15
    level: float = 0.5
    room: float = 0.4
    echo: float = 0


def _saw(count: int, power: float = 1) -> tuple[float, ...]:
    return tuple(1 / number**power for number in range(1, count + 1))


def _plucked(count: int, at: float, power: float = 1) -> tuple[float, ...]:
    """A string plucked at a share of its length."""
    return tuple(math.sin(math.pi * number * at) / number**power for number in range(1, count + 1))


_ODD = tuple(1 / number if number % 2 else 0.0 for number in range(1, 18))

TIMBRES: dict[str, Wave | Bent] = {
    "piano": Wave(_saw(7, 2), _saw(12, 1.1), attack=0.004, decay=1.1, sharp_decay=0.25, release=0.12, level=0.62, room=0.3),
    "tines": Bent(ratio=1, depth=1.5, decay=1.2, depth_decay=0.5, level=0.55, room=0.35),
    "bell": Bent(ratio=3.5, depth=1.6, decay=1.3, depth_decay=0.7, release=0.8, level=0.36, room=0.7, echo=0.3),
    "guitar": Wave(_plucked(6, 0.23, 1.4), _plucked(18, 0.17, 0.9), attack=0.003, decay=0.7, sharp_decay=0.12, release=0.1, level=0.55),
    "pluck": Wave(_saw(4, 1.7), _saw(16), attack=0.003, decay=0.28, sharp_decay=0.07, release=0.06, level=0.4, room=0.35, echo=0.35),
    "strings": Wave(_saw(14, 1.25), attack=0.22, release=0.35, wide=14, level=0.36, room=0.6),
    "saws": Wave(_saw(18, 1.1), attack=0.05, release=0.2, wide=18, level=0.3, room=0.4),
    "choir": Wave((1, 0.7, 0.35, 0.25, 0.06, 0.04), attack=0.35, release=0.5, wide=11, level=0.4, room=0.7),
    "brass": Wave(_saw(6, 1.4), _saw(14, 0.9), attack=0.06, sharp_decay=0.5, release=0.12, vibrato=7, level=0.5, room=0.5),
    "drive": Wave(tuple(1 / number**0.7 for number in range(1, 15)), attack=0.004, decay=2.5, release=0.05, wide=16, level=0.36, room=0.2),
    "square": Wave(_ODD, attack=0.003, decay=0.9, release=0.03, vibrato=6, level=0.38, room=0.15, echo=0.25),
    "flute": Wave((1, 0.35, 0.12, 0.05), (0, 0.2, 0.2, 0.15, 0.1), attack=0.045, release=0.09, vibrato=12, level=0.62, room=0.5, echo=0.2),
    "reed": Wave((1, 0.5, 0.7, 0.3, 0.4, 0.2, 0.2, 0.1), attack=0.03, release=0.08, vibrato=14, level=0.5, room=0.4, echo=0.12),
    "glide": Wave(_saw(10, 1.2), attack=0.02, release=0.1, vibrato=16, wide=8, level=0.42, room=0.45, echo=0.35),
    "bass": Wave((1, 0.55, 0.25, 0.1), (0, 0.4, 0.5, 0.4, 0.3, 0.2), decay=1.6, sharp_decay=0.08, level=0.66, room=0.04),
    "synth_bass": Wave(_saw(6, 1.2), _saw(14), decay=0.9, sharp_decay=0.12, release=0.04, level=0.52, room=0.03),
    "soft_bass": Wave((1, 0.3, 0.08), attack=0.03, decay=3, release=0.2, level=0.8, room=0.12),
    "voice": Wave((1,), attack=0.05, release=0.12, vibrato=22, level=0.75, room=0.55, echo=0.22),
}
# Of a drum: how loud and how much in the room
DRUMS = {
    "kick": (1.3, 0.04),
    "snare": (0.82, 0.3),
    "clap": (0.75, 0.35),
    "rim": (0.55, 0.3),
    "hat": (0.26, 0.08),
    "open_hat": (0.24, 0.12),
    "ride": (0.3, 0.2),
    "shaker": (0.28, 0.12),
    "tom": (0.9, 0.35),
    "crash": (0.34, 0.5),
}
# First three formants in hertz, with their strength
FORMANTS = {
    "a": ((730, 1), (1090, 0.55), (2440, 0.18)),
    "e": ((530, 1), (1840, 0.35), (2480, 0.2)),
    "i": ((300, 1), (2290, 0.22), (3010, 0.16)),
    "o": ((570, 1), (840, 0.6), (2410, 0.08)),
    "u": ((320, 1), (870, 0.3), (2240, 0.05)),
}


def level(instrument: str) -> tuple[float, float, float]:
    """Loudness in the mix, share in the room, share in the echo."""
    if instrument in DRUMS:
        return (*DRUMS[instrument], 0)
    timbre = TIMBRES[instrument]
    return timbre.level, timbre.room, timbre.echo


def wide(instrument: str) -> float:
    """How far apart its two halves are, in cents; 0 where it has one."""
    timbre = TIMBRES.get(instrument)
    return timbre.wide if isinstance(timbre, Wave) else 0


def sound(instrument: str, pitch: float, seconds: float, *, vowel: str, rate: int) -> array[int]:
    """The samples of one note, with what rings on after it."""
    if instrument in DRUMS:
        return _drum(instrument, rate)
    timbre = TIMBRES[instrument]
    hertz = 440 * 2 ** ((pitch - 69) / 12)
    if isinstance(timbre, Bent):
        return _bent(timbre, hertz, seconds, rate)
    return _wave(timbre, _sung(vowel, round(pitch)) if instrument == "voice" else timbre.soft, hertz, seconds, rate)


def _sung(vowel: str, pitch: int) -> tuple[float, ...]:
    hertz = 440 * 2 ** ((pitch - 69) / 12)
    strengths = []
    for number in range(1, 21):
        at = number * hertz
        formants = sum(strength / (1 + ((at - middle) / (90 + 0.06 * middle)) ** 2) for middle, strength in FORMANTS[vowel or "u"])
        strengths.append((formants + 0.03) / number**0.5)
    return tuple(strengths)


@lru_cache(maxsize=256)
def _table(harmonics: tuple[float, ...], most: int) -> list[float]:
    """One cycle, as loud as a sine; harmonics that the rate can't carry are left out."""
    kept = [(number, strength) for number, strength in enumerate(harmonics[:most], 1) if strength]
    cycle = [sum(strength * SINE[number * place & MASK] for number, strength in kept) for place in range(TABLE)]
    power = sum(strength * strength for _, strength in kept) ** 0.5 or 1
    return [LOUD * value / power for value in cycle]


def _wave(timbre: Wave, harmonics: tuple[float, ...], hertz: float, seconds: float, rate: int) -> array[int]:
    most = max(1, int(min(0.45 * rate, 12_000) / hertz))
    soft = _table(harmonics, most)
    sharp = _table(timbre.sharp, most) if timbre.sharp else None
    count = int((seconds + timbre.release) * rate)
    step = hertz * TABLE / rate
    phases = _phases(step, timbre.vibrato, count, rate)
    shape = _shape(count, timbre.attack, timbre.decay, timbre.release, rate)
    if sharp is None:
        return array("q", [int(soft[place] * loud) for place, loud in zip(phases, shape, strict=True)])
    fading = _decay(count, timbre.sharp_decay, rate)
    return array(
        "q", [int((soft[place] + 0.7 * bright * sharp[place]) * loud) for place, loud, bright in zip(phases, shape, fading, strict=True)]
    )


def _phases(step: float, vibrato: float, count: int, rate: int) -> list[int]:
    """Where in the table each sample lies. The sway grows after the note has begun."""
    if not vibrato:
        return [int(step * sample) & MASK for sample in range(count)]
    sway = 5.3 * TABLE / rate
    depth = step * (2 ** (vibrato / 1200) - 1) / (2 * math.pi * 5.3 / rate)
    grown = 1 / (0.35 * rate)
    return [int(step * sample + depth * min(1.0, sample * grown) * SINE[int(sway * sample) & MASK]) & MASK for sample in range(count)]


def _decay(count: int, seconds: float, rate: int) -> list[float]:
    """From 1 down, to a third in so many seconds."""
    return list(accumulate(repeat(math.exp(-1 / (seconds * rate)), count - 1), mul, initial=1.0))


def _shape(count: int, attack: float, decay: float, release: float, rate: int) -> list[float]:
    """How loud the note is at each sample, from 0 to 1."""
    shape = _decay(count, decay, rate) if decay else [1.0] * count
    rising, falling = min(count, int(attack * rate)), min(count, int(release * rate))
    for place in range(rising):
        shape[place] *= place / rising
    for place in range(falling):
        share = place / falling
        shape[count - 1 - place] *= share * share
    return shape


def _bent(timbre: Bent, hertz: float, seconds: float, rate: int) -> array[int]:
    count = int((seconds + timbre.release) * rate)
    step, other = hertz * TABLE / rate, hertz * timbre.ratio * TABLE / rate
    # High notes would turn harsh
    bend = timbre.depth * TABLE / (2 * math.pi) * min(1.0, 600 / hertz)
    shape = _shape(count, timbre.attack, timbre.decay, timbre.release, rate)
    bends = _decay(count, timbre.depth_decay, rate)
    return array(
        "q",
        [
            int(LOUD * loud * SINE[int(step * sample + bend * depth * SINE[int(other * sample) & MASK]) & MASK])
            for sample, (loud, depth) in enumerate(zip(shape, bends, strict=True))
        ],
    )


def _drum(name: str, rate: int) -> array[int]:
    match name:
        case "kick":
            return _skin(rate, 0.32, top=120, bottom=46, fall=0.035, decay=0.11, noise=0.12)
        case "tom":
            return _skin(rate, 0.4, top=150, bottom=88, fall=0.07, decay=0.13, noise=0.1)
        case "snare":
            return _skin(rate, 0.25, top=240, bottom=178, fall=0.03, decay=0.07, noise=0.9)
        case "rim":
            return _skin(rate, 0.08, top=900, bottom=760, fall=0.01, decay=0.015, noise=0.3)
        case "clap":
            return _hiss(rate, 0.25, decay=0.07, bright=1, bursts=(0, 0.011, 0.023))
        case "shaker":
            return _hiss(rate, 0.1, decay=0.03, bright=2, rise=0.02)
        case "open_hat":
            return _hiss(rate, 0.35, decay=0.11, bright=3)
        case "ride":
            return _hiss(rate, 0.6, decay=0.17, bright=3)
        case "crash":
            return _hiss(rate, 1.9, decay=0.5, bright=2)
        case _:
            return _hiss(rate, 0.08, decay=0.022, bright=3)


def _skin(rate: int, seconds: float, *, top: float, bottom: float, fall: float, decay: float, noise: float) -> array[int]:
    """A skin whose tone falls from `top` to `bottom` hertz, with the noise of the stroke."""
    seed = random.Random(f"{top}/{bottom}")  # noqa: S311  # nothing secret
    samples = array("q")
    for sample in range(int(seconds * rate)):
        now = sample / rate
        turns = bottom * now + (top - bottom) * fall * (1 - math.exp(-now / fall))
        loud = math.exp(-now / decay) * min(1, (seconds - now) * 40)
        tone = math.sin(2 * math.pi * turns) * (1.5 if noise < 0.5 else 0.7)
        hiss = noise * seed.uniform(-1, 1) * (math.exp(-now / 0.01) if noise < 0.5 else 1)
        samples.append(int(LOUD * loud * (tone + hiss)))
    return samples


def _hiss(rate: int, seconds: float, *, decay: float, bright: int, bursts: tuple[float, ...] = (0,), rise: float = 0) -> array[int]:
    """Noise without its lows: each of `bright` passes takes the difference to the sample before."""
    seed = random.Random(f"{decay}/{bright}")  # noqa: S311  # nothing secret
    count = int(seconds * rate)
    noise = [seed.uniform(-1, 1) for _ in range(count)]
    for _ in range(bright if rate > 20_000 else min(bright, 1)):
        noise = [(value - before) / 1.5 for value, before in zip(noise, [0.0, *noise[:-1]], strict=True)]
    samples = array("q")
    for sample, value in enumerate(noise):
        now = sample / rate
        loud = max(math.exp(-(now - burst) / (decay if burst == bursts[-1] else 0.006)) if now >= burst else 0 for burst in bursts)
        loud *= min(1, now / rise if rise else 1, (seconds - now) * 20)
        samples.append(int(LOUD * 1.6 * loud * value))
    return samples
