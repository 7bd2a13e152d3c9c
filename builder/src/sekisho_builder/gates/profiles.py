"""Gate ``profiles``: the image does what Azure ML does with an image, for each profile that the definition claims."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType

from sekisho.errors import MissingToolError, SekishoError
from sekisho.model import Record
from sekisho_builder.gates.subject import Answer, Subject
from sekisho_builder.gates.watching import Bounds, watched_probe

_BOUNDS = Bounds(seconds=180)
_AT_ONCE = 2
AZUREML = "/var/azureml-app"
"""Where Azure ML keeps entry scripts and models."""

_NEEDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "job": (),
        "online": ("azureml-inference-server-http",),
        "batch": ("azureml-core", "azureml-dataset-runtime", "fusepy"),
        "notebook": ("ipykernel",),
    }
)
"""Projects that a profile cannot do without."""

_TRACKING = ("mlflow", "mlflow-skinny")
_INTO_A_WORKSPACE = "azureml-mlflow"
_INSTALLS = "DYNAMIC_DEP_INSTALLATION"


class _Done(Record):
    """What a profile's probe answers: what it saw, and what was wrong."""

    saw: tuple[str, ...]
    faults: tuple[str, ...]


def profiles(subject: Subject) -> Answer:
    """Run each profile for real, two at once; what one lacks outright is said without a run."""
    claimed = subject.definition.profiles
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        tried = list(threads.map(lambda profile: _try(subject, profile), claimed))
    faults = [f"{profile}: {line}" for profile, done in zip(claimed, tried, strict=True) for line in done.faults]
    saw = [f"{profile}: {line}" for profile, done in zip(claimed, tried, strict=True) for line in done.saw]
    return Answer(not faults, (*faults, *saw) or ("the definition claims no profile",))


def _try(subject: Subject, profile: str) -> _Done:
    missing = _missing(subject, profile)
    if missing:
        return _Done(saw=(), faults=missing)
    try:
        done = watched_probe(subject, profile, _Done, subject.definition.prefix, bounds=_BOUNDS, scratch=(AZUREML,))
    except MissingToolError:
        raise
    except SekishoError as error:
        return _Done(saw=(), faults=(error.what,))
    return _Done(saw=(*done.saw, *_notes(subject, profile)), faults=done.faults)


def _missing(subject: Subject, profile: str) -> tuple[str, ...]:
    locked = {artifact.project for artifact in subject.lock.artifacts}
    wrong = [f"{project} is not in the lock" for project in _NEEDS[profile] if project not in locked]
    if profile == "job" and locked.isdisjoint(_TRACKING):
        wrong.append(f"neither {' nor '.join(_TRACKING)} is in the lock, so a run is not tracked")
    if profile == "online" and subject.definition.environment.get(_INSTALLS, "false").lower() != "false":
        wrong.append(f"{_INSTALLS} is on: the server would install packages when it starts")
    return tuple(wrong)


def _notes(subject: Subject, profile: str) -> tuple[str, ...]:
    if profile == "job" and _INTO_A_WORKSPACE not in {artifact.project for artifact in subject.lock.artifacts}:
        return (f"{_INTO_A_WORKSPACE} is not in the lock: runs are not tracked into a workspace",)
    return ()
