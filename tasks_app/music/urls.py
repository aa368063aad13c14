"""Music in the API, under `/v1/music/`."""

from django.urls import path

from tasks_app.music.api import ReferenceAudioToMusic, TextToMusic

app_name = "music_api"
urlpatterns = [
    path("text-to-music", TextToMusic.as_view(), name="text_to_music"),
    path("reference-audio-to-music", ReferenceAudioToMusic.as_view(), name="reference_audio_to_music"),
]
