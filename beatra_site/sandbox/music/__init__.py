"""The music of the stand-in providers: composed and synthesised in pure Python, seeded by what was asked.

    words.py        what a prompt wants: genre, tempo, mode, metre, instruments
    harmony.py      scales, progressions, chords led from voice to voice
    syllables.py    what lyrics are sung on
    melody.py       the tune, on chord tones with passing notes
    backing.py      bass, chords, arpeggio
    drums.py        patterns and fills
    song.py         a song from intro to outro, as notes
    timbres.py      the instruments as sound
    stretch.py      sound as one integer: how notes are mixed and get their room
    mix.py          notes to loudness-normalised stereo
    mp3.py          and that to a tagged MP3
    studio.py       all of it in a process of its own, a song at a time, the last ones kept

`python -m beatra_site.sandbox.music "a calm piano waltz" > song.mp3` plays one by hand.
"""
