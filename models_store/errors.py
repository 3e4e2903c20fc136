"""Exceptions of the model store.

StoreError
├── AddError        an ONNX model that cannot be published
├── ArchiveError    an archive without models, or a damaged one
├── LayoutError     an invalid or missing name, version or path
├── ManifestError   a manifest that is missing or does not validate
├── IntegrityError  a file that is missing or differs from the published one
├── ReplayError     a graph that does not reproduce its golden outputs
└── SignatureError  a manifest that no trusted key signed, or an invalid key
"""


class StoreError(Exception):
    """Base class: a published model cannot be used. The message is written for the operator."""


class AddError(StoreError):
    """The ONNX model cannot be published as it is."""


class ArchiveError(StoreError):
    """The archive holds no models or is damaged."""


class LayoutError(StoreError):
    """A name, version or path is invalid or missing."""


class ManifestError(StoreError):
    """The manifest is missing or does not validate."""


class IntegrityError(StoreError):
    """A file is missing or differs from the published one."""


class ReplayError(StoreError):
    """A graph does not reproduce its golden outputs."""


class SignatureError(StoreError):
    """No trusted key signed the manifest, or a key is invalid."""
