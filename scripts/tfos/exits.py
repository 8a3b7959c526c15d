"""Exit codes of tfos that Python gives: the table is internal/exit/exit.go."""

USAGE = 2  # the job file asks for what cannot be
NO_SPARK = 3  # Spark refuses
BAD_DATA = 6  # the data does not fit


class InputError(Exception):
    """The input cannot be read as the job file says; code is the exit code."""

    def __init__(self, code: int, cause: str) -> None:
        super().__init__(cause)
        self.code = code
