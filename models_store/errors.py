"""What can be wrong with the shelf, as one tree.

StoreError
├── ArchiveError   an archive that holds no models, or not whole ones
├── LayoutError    a name, version or path that is not one, or is not there
├── ManifestError  a manifest that is missing or does not validate
├── DamageError    a file that is missing, or is not the one that was published
├── ReplayError    a model that does not compute what it computed when it was published
└── SignatureError a manifest that no trusted key has signed, or a key that is none
"""

__all__ = [
    "ArchiveError",
    "IntegrityError",
    "LayoutError",
    "ManifestError",
    "ReplayError",
    "SignatureError",
    "StoreError",
]


class StoreError(Exception):
    """Anything that makes a published model unusable; the message is for a person."""


class ArchiveError(StoreError):
    """An archive that holds no models, or not whole ones."""


class LayoutError(StoreError):
    """A name, version or path that is not one, or is not there."""


class ManifestError(StoreError):
    """A manifest that is missing or does not validate."""


class IntegrityError(StoreError):
    """A file that is missing, or is not the one that was published."""


class ReplayError(StoreError):
    """A model that does not compute what it computed when it was published."""


class SignatureError(StoreError):
    """A manifest that no trusted key has signed, or a key that is none."""
