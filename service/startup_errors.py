"""Messages for settings that are wrong, in the terms in which they were set."""

from collections.abc import Collection

from pydantic import ValidationError

from models_store.validation_messages import describe_errors
from service.settings import ENV_PREFIX, SECRET_SETTINGS, Settings


class StartupError(Exception):
    """The service cannot start because of `setting`; the message says why."""

    def __init__(self, message: str, setting: str) -> None:
        super().__init__(message)
        self.setting = setting

    def describe(self, options: Collection[str] = ()) -> str:
        """Return the message, which starts with the setting's name."""
        return f"{setting_name(self.setting, options)}: {self}"


def setting_name(setting: str, options: Collection[str] = ()) -> str:
    """Return the option of a setting if it is among `options`, else its variable."""
    if setting in options:
        return "--" + setting.replace("_", "-")
    return ENV_PREFIX + setting.upper()


def describe_settings_errors(error: ValidationError, options: Collection[str] = ()) -> str:
    """Return all problems of the settings in one line, without the values of secrets."""
    messages = describe_errors(
        error.errors(include_url=False), Settings, noun="setting", secret=SECRET_SETTINGS
    )
    # The path of a check of several settings together is empty.
    return "; ".join(
        ": ".join([*(setting_name(name, options) for name in message.path[:1]), message.text])
        for message in messages
    )
