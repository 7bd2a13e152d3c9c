"""Gate ``no-outbound``: nothing that ran before tried to reach anything outside of its container."""

from sekisho_builder.gates.subject import Answer, Attempt, Subject, printable

_TOLD = 20


def no_outbound(subject: Subject) -> Answer:
    """Look at what was watched: imports, ``verify/`` and profiles. Runs after them, and fails if there is nothing.

    What ``may-reach`` accepts is reported with its reason; what it accepts in vain is to be dropped.
    """
    accepted = {entry.destination: entry.reason for entry in subject.definition.may_reach}
    faults = [f"what {label} tried is not known: it was not watched to its end"
              for label, found in subject.watches.items() if found is None]  # fmt: skip
    notes: list[str] = []
    met: set[str] = set()
    for label, found in subject.watches.items():
        for attempt in found.attempts if found else ():
            reason = accepted.get(attempt.destination)
            met.add(attempt.destination)
            said = f"{label}: {_told(attempt)}"
            (notes if reason else faults).append(f"{said}, accepted: {reason}" if reason else said)
        told = sum(attempt.times for attempt in found.attempts) if found else 0
        if found and told < found.packets:
            faults.append(f"{label}: {found.packets - told} attempts more")
    notes += [f"{name} was not tried: drop it from may-reach" for name in sorted(accepted.keys() - met)]
    if not subject.watches:
        faults.append("nothing was watched")
    summary = f"{len(subject.watches)} runs were watched: {', '.join(sorted(subject.watches))}"
    return Answer(not faults, (*faults[:_TOLD], summary, *notes[:_TOLD]))


def _told(attempt: Attempt) -> str:
    who = attempt.process.splitlines()[0] if attempt.process else "a process that is gone"
    how = f"asked for the address of {attempt.name}" if attempt.name else f"tried {attempt.destination}"
    often = f" {attempt.times} times" if attempt.times > 1 else ""
    return printable(f"{who} {how} ({attempt.protocol}{often})")
