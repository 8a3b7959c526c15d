"""A run's figures as text: ratios first, then every side, then what they depend on."""


def text(found):
    lines = []
    for case in found["cases"]:
        lines += ["", f"{case['name']}: {case['title']}"]
        lines += [f"  {ratio_line(ratio)}" for ratio in case["ratios"]]
        lines += [f"  {side_line(side, case['unit'])}" for side in case["sides"]]
    return "\n".join([*lines, "", *conditions(found)])


def ratio_line(ratio):
    value = "unknown" if ratio["value"] is None else figure(ratio["value"])
    return f"{value:>9}  {ratio_name(ratio)}" + (f" ({verdict(ratio)})" if verdict(ratio) else "")


def ratio_name(ratio):
    """`dataset / limit, warm`; both times are said when they differ."""
    (of, when), (to, then) = ratio["of"], ratio["to"]
    if when == then:
        return f"{of} / {to}, {when}"
    return f"{of} {when} / {to} {then}"


def verdict(ratio):
    """Whether a ratio holds its bar and reaches its goal, in words; "": it has neither."""
    said = []
    for least, kind, held, yes, no in (
        (ratio["bar"], "bar", ratio["held"], "held", "NOT HELD"),
        (ratio["goal"], "goal", ratio["reached"], "reached", "not reached"),
    ):
        if least is not None:
            word = "not known" if held is None else yes if held else no
            said.append(f"{kind} {figure(least)}: {word}")
    return ", ".join(said)


def side_line(side, unit):
    if side["did_not_run"]:
        return f"{side['name']}: did not run: {side['did_not_run']}"
    cold, warm = ("-" if side[w] is None else figure(side[w]) for w in ("cold", "warm"))
    processes = side["processes"]
    passes = sum(len(p["warm"]) for p in processes)
    loads = [p["load_before"] for p in processes]
    return (
        f"{side['name']} ({side['role']}): cold {cold}, warm {warm} {unit} "
        f"(processes: {len(processes)}, warm passes: {passes}; load before "
        f"{min(loads):.1f} to {max(loads):.1f}): {side['what']}"
    )


def conditions(found):
    host, tfos = found["machine"], found["tfos"]
    return [
        f"{found['date']}: {found['command']}",
        f"{host['cpus']} CPUs of {host['cpu']}, {host['memory_gib']} GiB, Linux {host['kernel']}",
        f"{tfos['version']}, commit {tfos['commit']}",
        *(f"{name}: {', '.join(there)}" for name, there in versions(found).items()),
    ]


def versions(found):
    """Package -> the versions that sides reported, sorted."""
    seen = {}
    for case in found["cases"]:
        for side in case["sides"]:
            for process in side["processes"]:
                for name, version in process["notes"].get("versions", {}).items():
                    seen.setdefault(name, set()).add(version)
    return {name: sorted(seen[name]) for name in sorted(seen)}


def figure(x):
    """A number for people: three digits, or all before the point."""
    return f"{x:,.0f}" if abs(x) >= 100 else f"{x:.3g}"
