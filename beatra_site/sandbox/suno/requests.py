"""What `generate` and `generate/upload-cover` take, with the limits that the resellers document. Fields they do not know, they ignore."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from beatra_site.sandbox.suno.refusals import Refusal

# Of each model: the most characters of a prompt, of a style, of a title
LIMITS = {
    "V4": (3000, 200, 80),
    "V4_5": (5000, 1000, 100),
    "V4_5PLUS": (5000, 1000, 100),
    "V4_5ALL": (5000, 1000, 80),
    "V5": (5000, 1000, 100),
    "V5_5": (5000, 1000, 100),
}
SIMPLE_PROMPT = 500
MOST_SECONDS = 480


def _two_decimals(value: float) -> float:
    if abs(value * 100 - round(value * 100)) > 1e-6:
        raise ValueError("at most two decimals")
    return value


Weight = Annotated[float, Field(ge=0, le=1), AfterValidator(_two_decimals)]


class GenerateRequest(BaseModel):
    """A request; `check` holds it against the rules."""

    model_config = ConfigDict(strict=True, alias_generator=to_camel)

    custom_mode: bool
    instrumental: bool
    model: Literal["V4", "V4_5", "V4_5PLUS", "V4_5ALL", "V5", "V5_5"]
    call_back_url: Annotated[str, Field(min_length=1)]
    prompt: str = ""
    style: str = ""
    title: str = ""
    negative_tags: str = ""
    vocal_gender: Literal["m", "f"] | None = None
    style_weight: Weight | None = None
    weirdness_constraint: Weight | None = None
    audio_weight: Weight | None = None
    persona_id: str | None = None
    persona_model: Literal["style_persona", "voice_persona"] | None = None
    upload_url: str | None = None

    @property
    def wish(self) -> str:
        """The words that say how it shall sound."""
        return self.style if self.custom_mode else self.prompt

    @property
    def lyrics(self) -> str:
        return self.prompt if self.custom_mode and not self.instrumental else ""

    def check(self, *, cover: bool) -> None:
        """Raises Refusal 400 for what is missing or too much, 413 for what is too long."""
        if cover and not self.upload_url:
            raise Refusal(400, "uploadUrl is required")
        if self.custom_mode:
            needed = ("style", "title") if self.instrumental else ("style", "prompt", "title")
            for name in needed:
                if not getattr(self, name).strip():
                    raise Refusal(400, f"{name} is required in custom mode")
            for name, most in zip(("prompt", "style", "title"), LIMITS[self.model], strict=True):
                if len(getattr(self, name)) > most:
                    raise Refusal(413, f"{name} must not exceed {most} characters")
            return
        if not self.prompt.strip():
            raise Refusal(400, "prompt is required")
        if len(self.prompt) > SIMPLE_PROMPT:
            raise Refusal(413, f"prompt must not exceed {SIMPLE_PROMPT} characters")
        if self.style or self.title or self.negative_tags:
            raise Refusal(400, "style, title and negativeTags are for custom mode")


def read(body: bytes) -> GenerateRequest:
    """A request body. Raises Refusal 400."""
    try:
        return GenerateRequest.model_validate_json(body)
    except ValidationError as error:
        problem = error.errors()[0]
        raise Refusal(400, f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}") from None
