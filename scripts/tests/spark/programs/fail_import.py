import no_such_module_of_anybody  # noqa: F401


def main_fun(args, ctx):
    raise AssertionError("never reached")
