"""Gate ``budget``: the image is no larger, and in no more layers, than its definition allows."""

from sekisho_builder.gates.subject import Answer, Subject


def budget(subject: Subject) -> Answer:
    """Compare bytes in a registry, bytes unpacked, layers, and bytes of the largest layer, with ``budget``."""
    build, allowed = subject.build, subject.definition.budget
    layers = build.layout.layers
    measured = {
        "size": (build.layout.size, allowed.size, "bytes in a registry"),
        "unpacked": (build.contents.unpacked, allowed.unpacked, "bytes unpacked"),
        "layers": (len(layers), allowed.layers, "layers"),
        "layer": (max((row.size for row in layers), default=0), allowed.layer, "bytes in the largest layer"),
    }
    faults = [
        f"{found} {what}, and `budget.{name}` allows {most}"
        for name, (found, most, what) in measured.items()
        if found > most
    ]
    said = ", ".join(f"{found} {what} of {most}" for found, most, what in measured.values())
    return Answer(not faults, tuple(faults) or (said,))
