"""Takes memory, 5 GiB at most, until something ends it.

args: limit (bytes of address space; 0: the cluster's).
"""

import resource
import time


def main_fun(args, ctx):
    ctx.next_batch(args.batch_size)
    limit = getattr(args, "limit", 0)
    if limit:
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    taken = []
    while sum(map(len, taken)) < 5 << 30:
        taken.append(b"x" * (64 << 20))
        time.sleep(0.02)
