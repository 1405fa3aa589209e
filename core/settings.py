"""Every setting of the product, typed, in one class. Each is explained in .env.example, which a test compares."""

from functools import cache
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from core.redis_address import Mode, RedisAddress

DEVELOPMENT_SECRET = "development-only-secret-change-me-0123456789"  # noqa: S105 - production refuses it


class Settings(BaseSettings):
    """Read from the environment, then from ``.env`` in the working folder."""

    # What is wrong is said without what was given: a secret may stand beside it.
    model_config = SettingsConfigDict(
        env_file=".env", env_file_encoding="utf-8", extra="ignore", hide_input_in_errors=True
    )

    environment: Literal["development", "test", "production"] = "development"
    secret_key: SecretStr = SecretStr(DEVELOPMENT_SECRET)

    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    public_url: str = "http://localhost:8000"
    web_processes: int = Field(1, ge=1, le=64)
    web_process_role: Literal["all", "api", "hub"] = "all"
    cors_origins: list[str] = []
    trusted_proxies: list[str] = []
    max_body_bytes: int = Field(1_048_576, ge=1_024, le=1_073_741_824)

    database_url: SecretStr = SecretStr("postgresql://carebell:carebell@127.0.0.1:5432/carebell")
    database_pool_size: int = Field(10, ge=1, le=200)
    redis_url: SecretStr = SecretStr("redis://127.0.0.1:6379/0")
    task_broker_url: SecretStr = SecretStr("")

    access_token_minutes: int = Field(15, ge=1, le=24 * 60)
    refresh_token_days: int = Field(7, ge=1, le=90)
    session_retention_days: int = Field(90, ge=1, le=3_650)
    refresh_reuse_leeway_seconds: int = Field(10, ge=0, le=60)
    password_min_length: int = Field(8, ge=6, le=72)
    bcrypt_cost: int = Field(12, ge=4, le=16)
    second_factor_roles: list[Literal["admin", "doctor", "staff", "advisor", "patient"]] = []
    login_failures: int = Field(5, ge=1, le=10_000)
    login_failure_minutes: int = Field(15, ge=1, le=24 * 60)
    requests_per_minute: int = Field(100, ge=1, le=1_000_000)

    sms_provider: Literal["auto", "twilio", "local"] = "auto"
    twilio_account_sid: str = ""
    twilio_auth_token: SecretStr = SecretStr("")
    twilio_from: str = ""
    twilio_base_url: str = ""
    default_phone_region: str = Field("US", min_length=2, max_length=2)
    chat_sms_delay_seconds: int = Field(60, ge=0, le=86_400)
    twilio_timeout_seconds: float = Field(10, ge=0.1, le=60)
    sms_lease_seconds: float = Field(60, ge=0.5, le=3_600)
    mail_provider: Literal["auto", "smtp", "local"] = "auto"
    smtp_host: str = ""
    smtp_port: int = Field(587, ge=1, le=65535)
    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    smtp_username: str = ""
    smtp_password: SecretStr = SecretStr("")
    smtp_from: str = ""
    smtp_timeout_seconds: float = Field(10, ge=0.1, le=60)
    event_retention_days: float = Field(7, ge=0.01, le=3_650)

    embedded_user: str = ""
    embedded_state_dir: str = ""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["console", "json"] = "console"
    metrics_public: bool = False

    hub_heartbeat_seconds: float = Field(10, ge=0.1, le=300)
    hub_ping_seconds: float = Field(20, ge=0.1, le=600)
    hub_ping_timeout_seconds: float = Field(20, ge=0.1, le=600)
    hub_heads_seconds: float = Field(1, ge=0.1, le=60)
    hub_probe_seconds: float = Field(5, ge=0.1, le=60)
    hub_sign_in_seconds: float = Field(5, ge=0.1, le=60)
    hub_expiry_grace_seconds: float = Field(25, ge=0.1, le=300)
    hub_ring_size: int = Field(256, ge=1, le=100_000)
    hub_max_frame_bytes: int = Field(65_536, ge=1_024, le=16_777_216)
    hub_max_channels: int = Field(100, ge=1, le=100_000)
    hub_max_sockets_per_user: int = Field(50, ge=1, le=1_000_000)
    hub_max_sockets_per_address: int = Field(2_000, ge=1, le=1_000_000)
    hub_max_commands_per_second: float = Field(20, ge=0.1, le=100_000)
    hub_max_queued_bytes: int = Field(1_048_576, ge=16_384, le=1_073_741_824)
    hub_slow_reader_seconds: float = Field(10, ge=0.1, le=600)
    hub_report_seconds: float = Field(5, ge=0.1, le=60)
    hub_drain_seconds: float = Field(25, ge=0, le=600)
    # At most 20: then a killed node's people are gone within 30 seconds (docs/decisions).
    hub_presence_ttl_seconds: float = Field(15, ge=0.3, le=20)
    hub_presence_grace_seconds: float = Field(3, ge=0, le=60)

    @model_validator(mode="after")
    def _production_is_configured(self) -> Self:
        """Production with a default or short secret would let anyone sign their own tokens."""
        secret = self.secret_key.get_secret_value()
        if self.environment == "production" and (secret == DEVELOPMENT_SECRET or len(secret) < 32):
            raise ValueError("SECRET_KEY must be set to at least 32 random characters in production")
        if self.sms_provider == "twilio" and not self.has_twilio:
            raise ValueError("SMS_PROVIDER=twilio needs TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN and TWILIO_FROM")
        if self.session_retention_days < self.refresh_token_days:
            # A stolen token that comes again must find its row as long as it is valid.
            raise ValueError("SESSION_RETENTION_DAYS must be at least REFRESH_TOKEN_DAYS")
        if self.sms_lease_seconds < 4 * self.twilio_timeout_seconds:
            # A worker connects and reads twice, to look a message up and to send it.
            raise ValueError("SMS_LEASE_SECONDS must be at least four times TWILIO_TIMEOUT_SECONDS")
        if any(not _is_origin(origin.rstrip("/")) for origin in self.cors_origins):
            # With credentials, "*" would let every site on the web read what the visitor may.
            raise ValueError("CORS_ORIGINS are origins such as https://desk.example.com, each named")
        if self.mail_provider == "smtp" and not self.smtp_host:
            raise ValueError("MAIL_PROVIDER=smtp needs SMTP_HOST")
        if self.environment == "production":
            self._check_somebody_delivers()
        if self.smtp_host and not self.smtp_from:
            raise ValueError("SMTP_HOST needs SMTP_FROM, the address that mail comes from")
        if self.environment == "production" and self.bcrypt_cost < 12:
            raise ValueError("BCRYPT_COST must be at least 12 in production")
        return self

    @model_validator(mode="after")
    def _redis_can_be_found(self) -> Self:
        """A word of an address that is not understood would otherwise be found out by whoever connects first."""
        for name, url in (("REDIS_URL", self.redis_url), ("TASK_BROKER_URL", self.celery_broker_url)):
            try:
                mode = RedisAddress.parse(url.get_secret_value()).mode
            except ValueError as error:
                raise ValueError(f"{name} {error}") from None
            if name == "TASK_BROKER_URL" and mode == "cluster":
                raise ValueError(
                    "Celery's broker cannot be a Redis Cluster: set TASK_BROKER_URL to a single server (redis://…), "
                    "or to one that Sentinel watches (redis+sentinel://…)"
                )
        return self

    @property
    def redis_mode(self) -> Mode:
        """What ``redis_url`` names."""
        return RedisAddress.parse(self.redis_url.get_secret_value()).mode

    @property
    def celery_broker_url(self) -> SecretStr:
        """``task_broker_url``, or ``redis_url`` where there is none."""
        return self.task_broker_url if self.task_broker_url.get_secret_value() else self.redis_url

    def _check_somebody_delivers(self) -> None:
        """Kept messages count as sent, and hold links that open accounts: production does that only on purpose."""
        if self.mail_provider == "auto" and not self.smtp_host:
            raise ValueError("Production needs SMTP_HOST, or MAIL_PROVIDER=local: letters are kept and reach nobody")
        if self.sms_provider == "auto" and not self.has_twilio:
            raise ValueError("Production needs TWILIO_…, or SMS_PROVIDER=local: messages are kept and reach nobody")

    @property
    def has_twilio(self) -> bool:
        """True when all three Twilio credentials are there."""
        return bool(self.twilio_account_sid and self.twilio_auth_token.get_secret_value() and self.twilio_from)

    @property
    def is_development(self) -> bool:
        """Development and test show ``/dev/outbox``; production does not."""
        return self.environment != "production"

    @property
    def sqlalchemy_url(self) -> str:
        """``database_url`` with the asyncpg driver named, as SQLAlchemy wants it."""
        url = self.database_url.get_secret_value()
        return "postgresql+asyncpg://" + url.split("://", 1)[1]

    @property
    def secure_cookies(self) -> bool:
        """``Secure`` is left off only where the product runs on plain HTTP on this machine."""
        parts = urlsplit(self.public_url)
        return not (parts.scheme == "http" and parts.hostname in {"localhost", "127.0.0.1", "::1"})

    @property
    def allowed_origins(self) -> frozenset[str]:
        """Origins from which a browser may open a socket or send a cookie-authenticated request."""
        return frozenset({self.public_url.rstrip("/"), *(o.rstrip("/") for o in self.cors_origins)})


def _is_origin(text: str) -> bool:
    parts = urlsplit(text)
    return parts.scheme in {"http", "https"} and "*" not in text and text == f"{parts.scheme}://{parts.netloc}"


@cache
def get_settings() -> Settings:
    """The settings of this process, read once."""
    return Settings()
