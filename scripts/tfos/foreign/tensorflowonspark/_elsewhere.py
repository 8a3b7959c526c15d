"""Functions of a driver, which programs that tfos runs do not have."""


def elsewhere(name, instead):
    """A function in the place of one that needs a driver: it says what does the same."""

    def refuse(*_, **__):
        raise NotImplementedError(
            f"tensorflowonspark.{name} runs on a Spark driver, and tfos runs this program on "
            f"executors: in its place there is {instead} (docs/migration.md)"
        )

    return refuse
