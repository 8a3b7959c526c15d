"""Takes memory until this process has args.limit bytes, and keeps it for all rows."""

import time


def resident():
    with open("/proc/self/status") as status:
        (line,) = [line for line in status if line.startswith("VmRSS")]
    return int(line.split()[1]) << 10


def main_fun(args, ctx):
    kept = []
    while resident() < args.limit - (4 << 20):
        kept.append(bytearray(b"x") * (4 << 20))
    while ctx.next_batch(args.batch_size):
        time.sleep(0.5)  # the NodeManager looks every 0.5 s
    assert args.limit - (16 << 20) < resident() <= args.limit + (8 << 20)
