"""The error of a model that cannot be exported."""


class ExportError(ValueError):
    """What cannot be exported, and what its author can do."""
