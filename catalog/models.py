"""What customers can call, over which routes, at what price.

A **model** is what a request names. It has **routes**, tried in the order of their rank: one upstream each, with the
price list its provider bills us by. A **price** is a version of what we ask for the model: the newest whose
`effective_from` has passed counts. Changes go through `catalog.editing`, which also writes the event.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower, Now
from django.utils import timezone

MODEL_ID = RegexValidator(r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z", "Letters, digits, dots, dashes and underscores, at most 100.")
# What these variables hold is sent to an upstream: no name but such as are set for that, never SECRET_KEY or DATABASE_URL
CREDENTIAL_NAME = RegexValidator(
    r"\A[A-Z][A-Z0-9_]{0,91}_API_KEY\Z", "Capitals, digits and underscores with _API_KEY at the end, as OPENAI_API_KEY."
)
ADDRESS_NAME = RegexValidator(
    r"\A[A-Z][A-Z0-9_]{0,90}_API_BASE\Z", "Capitals, digits and underscores with _API_BASE at the end, as OPENAI_API_BASE."
)


class Capability(models.TextChoices):
    CHAT = "chat"
    MUSIC = "music"


class Transport(models.TextChoices):
    NATIVE = "native", "native (OpenAI's dialect)"
    LITELLM = "litellm", "LiteLLM (any dialect)"
    MINIMAX_MUSIC = "minimax_music", "MiniMax music"
    SUNO = "suno", "Suno (sunoapi.org's dialect)"


# Those of chat models: the others have no price list by token, but a price for each task
CHAT_TRANSPORTS = (Transport.NATIVE, Transport.LITELLM)


class CostMethod(models.TextChoices):
    DECIMAL = "decimal", "decimal (our own sum, proven equal)"
    LITELLM = "litellm", "LiteLLM's cost_per_token"


class Model(models.Model):
    """A model of the public catalog. Its primary key is the id that customers send.

    `context_window` and the output limits are tokens, 0 while unknown: a model is enabled only with all of them.
    `auto_rank` is its place in the order of `auto`, none keeps it out. `supported_fields` lists optional request fields
    (`catalog.fields`). `model_options` maps the name of an option to its shape (`catalog.options`).
    """

    id = models.CharField(primary_key=True, max_length=100, validators=[MODEL_ID], help_text="The public id. It can't be changed later.")
    display_name = models.CharField(max_length=100)
    capability = models.CharField(max_length=16, choices=Capability, default=Capability.CHAT)
    enabled = models.BooleanField(default=False)
    auto_rank = models.PositiveIntegerField(
        null=True, blank=True, help_text="Place in the order of auto, lowest first. Empty: not in auto."
    )
    context_window = models.PositiveIntegerField(default=0, help_text="Tokens of prompt and output together.")
    max_output_tokens = models.PositiveIntegerField(default=0)
    default_output_tokens = models.PositiveIntegerField(default=0, help_text="The output limit where the caller gives none.")
    tokens_per_image = models.PositiveIntegerField(default=0, help_text="What one image counts in estimates and holds.")
    supported_fields = models.JSONField(default=list, blank=True)
    temperature_min = models.DecimalField(max_digits=3, decimal_places=2, default=Decimal(0))
    temperature_max = models.DecimalField(max_digits=3, decimal_places=2, default=Decimal(2))
    model_options = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering: ClassVar = [F("auto_rank").asc(nulls_last=True), "id"]
        constraints = [
            models.UniqueConstraint(Lower("id"), name="model_id_unique_in_any_case"),
            models.CheckConstraint(condition=~Q(id__iexact="auto") & ~Q(id=""), name="model_id_is_not_auto"),
            models.CheckConstraint(condition=Q(capability__in=Capability.values), name="model_capability_known"),
            models.CheckConstraint(
                condition=Q(default_output_tokens__lte=F("max_output_tokens")) & Q(max_output_tokens__lte=F("context_window")),
                name="model_limits_fit_each_other",
            ),
            models.CheckConstraint(
                condition=Q(enabled=False) | ~Q(capability="chat") | Q(default_output_tokens__gt=0),
                name="model_enabled_with_limits",
            ),
            models.CheckConstraint(
                condition=Q(temperature_min__gte=0) & Q(temperature_min__lte=F("temperature_max")) & Q(temperature_max__lte=2),
                name="model_temperature_range",
            ),
        ]

    def __str__(self) -> str:
        return self.id

    def clean(self) -> None:
        from catalog.completeness import model_problems

        super().clean()
        if problems := model_problems(self):
            raise ValidationError(problems)

    def price_in_force(self) -> Price | None:
        """The price that counts now, none if there is none yet. Reads `prices`, prefetched or not."""
        now = timezone.now()
        due = [price for price in self.prices.all() if price.effective_from <= now]
        return max(due, key=lambda price: (price.effective_from, price.version), default=None)


class Route(models.Model):
    """One way to reach a model: an upstream, how to speak to it, and the price list it bills us by.

    `cost_entry` is LiteLLM's price entry under `cost_key`, kept as it was when it was last read; `cost_override` is the
    staff's own in the same shape and wins. Each change of what counts raises `cost_version`. `cost_method` says who
    does the sum: our Decimal one where it was found equal, else LiteLLM itself. A sandbox route has the price list of
    the model it stands in for.
    """

    model = models.ForeignKey(Model, on_delete=models.PROTECT, related_name="routes")
    name = models.CharField(max_length=60, help_text="Shown on receipts and in reports.")
    rank = models.PositiveIntegerField(default=100, help_text="Tried in this order, lowest first.")
    enabled = models.BooleanField(default=False)
    disabled_reason = models.CharField(max_length=200, blank=True, editable=False)
    transport = models.CharField(max_length=16, choices=Transport, default=Transport.LITELLM)
    litellm_model = models.CharField(max_length=200, blank=True, help_text='LiteLLM\'s name, provider first: "minimax/MiniMax-M2.7".')
    upstream_model = models.CharField(max_length=200, blank=True, help_text="The name sent to the provider, but by LiteLLM.")
    base_url = models.CharField("base URL", max_length=300, blank=True, help_text="Empty, over LiteLLM: the provider's own.")
    base_url_env = models.CharField(
        "base URL variable",
        max_length=100,
        blank=True,
        validators=[ADDRESS_NAME],
        help_text="An environment variable that wins over it.",
    )
    credential_env = models.CharField(
        "credential variable",
        max_length=100,
        blank=True,
        validators=[CREDENTIAL_NAME],
        help_text="The environment variable with the API key.",
    )
    sandbox = models.BooleanField(default=False, help_text="Answers come from the sandbox provider, not from the model.")
    stoppable = models.BooleanField(
        default=False, help_text="The provider stops billing on a closed connection, and all it bills is in the stream."
    )
    cost_key = models.CharField(
        "LiteLLM price key",
        max_length=200,
        blank=True,
        help_text='LiteLLM\'s price entry, as "dashscope/qwen-max". Empty: an override.',
    )
    cost_entry = models.JSONField(default=dict, blank=True, editable=False)
    cost_source = models.CharField(max_length=200, blank=True, editable=False)
    cost_override = models.JSONField(null=True, blank=True)
    cost_method = models.CharField(max_length=16, choices=CostMethod, blank=True, editable=False)
    cost_version = models.PositiveIntegerField(default=0, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering: ClassVar = ["model", "rank", "id"]
        constraints = [
            models.UniqueConstraint(fields=["model", "name"], name="route_name_unique_in_model"),
            models.CheckConstraint(condition=Q(transport__in=Transport.values), name="route_transport_known"),
            models.CheckConstraint(condition=Q(cost_method__in=["", *CostMethod.values]), name="route_cost_method_known"),
            models.CheckConstraint(
                condition=Q(enabled=False) | ~Q(transport__in=CHAT_TRANSPORTS) | (~Q(cost_method="") & Q(cost_version__gt=0)),
                name="route_enabled_with_a_cost",
            ),
            models.CheckConstraint(
                condition=Q(sandbox=False) | (Q(base_url="") & Q(base_url_env="") & Q(credential_env="")),
                name="route_sandbox_has_no_credential",
            ),
        ]
        indexes = [models.Index(fields=["model", "rank", "id"], name="route_in_order")]

    def __str__(self) -> str:
        return f"{self.model_id} over {self.name}"

    def clean(self) -> None:
        """Also brings the price list up to date, which may take seconds (`catalog.costing`)."""
        from catalog.completeness import route_problems

        super().clean()
        if problems := route_problems(self):
            raise ValidationError(problems)

    @property
    def effective_cost_entry(self) -> dict[str, Any]:
        """The price list that counts: the staff's override, else LiteLLM's entry."""
        entry: dict[str, Any] = self.cost_entry if self.cost_override is None else self.cost_override
        return entry


class Price(models.Model):
    """One version of a model's price. Rows are only ever added, the database refuses anything else.

    A chat model has `credits_per_litellm_usd`: credits asked for each USD that LiteLLM says a call costs. A music model
    has `credits_per_task`, and `provider_cost_usd` where staff know what a task costs us in USD.
    """

    model = models.ForeignKey(Model, on_delete=models.PROTECT, related_name="prices")
    version = models.PositiveIntegerField(editable=False)
    credits_per_litellm_usd = models.DecimalField(
        "credits per LiteLLM USD", max_digits=12, decimal_places=4, null=True, blank=True, validators=[MinValueValidator(Decimal("0.0001"))]
    )
    credits_per_task = models.DecimalField(
        max_digits=12, decimal_places=4, null=True, blank=True, validators=[MinValueValidator(Decimal("0.0001"))]
    )
    provider_cost_usd = models.DecimalField(
        "provider's cost in USD",
        max_digits=24,
        decimal_places=12,
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal(0))],
        help_text="What a task costs us, where that is known.",
    )
    effective_from = models.DateTimeField(db_default=Now())
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    reason = models.CharField(max_length=200)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering: ClassVar = ["model", "-version"]
        constraints = [
            models.UniqueConstraint(fields=["model", "version"], name="price_version_unique_in_model"),
            models.CheckConstraint(
                # A CHECK lets NULL pass, so that both amounts are named as NULL or not
                condition=Q(credits_per_litellm_usd__isnull=False, credits_per_litellm_usd__gt=0, credits_per_task__isnull=True)
                | Q(credits_per_litellm_usd__isnull=True, credits_per_task__isnull=False, credits_per_task__gt=0),
                name="price_has_one_positive_amount",
            ),
            models.CheckConstraint(condition=Q(version__gt=0) & ~Q(reason=""), name="price_version_and_reason"),
            models.CheckConstraint(
                condition=Q(provider_cost_usd__isnull=True)
                | Q(credits_per_task__isnull=False, provider_cost_usd__isnull=False, provider_cost_usd__gte=0),
                name="price_cost_of_a_task",
            ),
        ]
        indexes = [models.Index(fields=["model", "-effective_from", "-version"], name="price_by_time")]

    def __str__(self) -> str:
        return f"{self.model_id} price {self.version}"

    def clean(self) -> None:
        super().clean()
        if self.model_id is None:
            return
        flat = self.model.capability == Capability.MUSIC
        wanted, other = ("credits_per_task", "credits_per_litellm_usd") if flat else ("credits_per_litellm_usd", "credits_per_task")
        problems = {}
        if getattr(self, wanted) is None:
            problems[wanted] = "This model is priced by it."
        if getattr(self, other) is not None:
            problems[other] = "This model is not priced by it."
        if self.provider_cost_usd is not None and not flat:
            problems["provider_cost_usd"] = "What a call of this model costs is read from its routes' price lists."
        if problems:
            raise ValidationError(problems)
