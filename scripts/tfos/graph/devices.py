"""Variables on tasks of a cluster, where an author's devices put them.

Python makes a variable on the machine on which a program is exported, which has no tasks. An
operation that reads or writes a variable runs where the variable is. So the device of its update
says where the author wants it: `with tf.device("/job:worker/task:1"): weight.assign_sub(…)`.
"""

from __future__ import annotations

from typing import Any

from tfos.graph.errors import ExportError

# Inputs of an operation that calls functions, before the arguments of the functions.
_BEFORE_ARGUMENTS = {"If": 1, "StatelessIf": 1, "Case": 1, "StatelessCase": 1}


def set_devices(graph_def: Any) -> None:
    """Gives each VarHandleOp the task of the operations that use it, if they name one."""
    found: dict[str, set[str]] = {n.name: set() for n in graph_def.node if n.op == "VarHandleOp"}
    library = {one.signature.name: one for one in graph_def.library.function}
    handles = {name: name for name in found}
    for node in graph_def.node:
        _visit(node, handles, library, found)
    for node in graph_def.node:
        tasks = sorted(found.get(node.name, ()))
        if len(tasks) > 1:
            raise ExportError(
                f"{node.name}: {' and '.join(tasks)}: operations use the variable on several "
                "tasks: update it on one, under tf.device"
            )
        if tasks:
            node.device = tasks[0]


def _visit(
    node: Any, handles: dict[str, str], library: dict[str, Any], found: dict[str, set[str]]
) -> None:
    """Records the task of a node that uses variables. handles: variables by tensor."""
    used = {i: handles[name] for i, name in enumerate(node.input) if name in handles}
    if not used:
        return
    functions = _called(node, library)
    first = _BEFORE_ARGUMENTS.get(node.op, 0)
    for function in functions:
        arguments = [one.name for one in function.signature.input_arg]
        inside = {arguments[i - first]: variable for i, variable in used.items()}
        for one in function.node_def:
            _visit(one, inside, library, found)
    if not functions and "/job:" in node.device:
        for variable in used.values():
            found[variable].add(node.device)


def _called(node: Any, library: dict[str, Any]) -> list[Any]:
    names = [one.func.name for one in node.attr.values()]
    names += [one.name for value in node.attr.values() for one in value.list.func]
    return [library[name] for name in names if name in library]
