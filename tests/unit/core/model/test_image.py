"""What an image definition may ask for, of indexes and of channels."""

import pytest

from sekisho.errors import BadInputError
from sekisho.model import ImageDefinition
from tests.records import TARGET

VALUES = {"name": "small", "base": {"debian": "some"}, "target": TARGET.plain()}


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({}, "neither `requirements` nor `conda`"),
        ({"conda": ["https://x.example/a.conda"]}, "no match spec"),
        ({"requirements": ["a"], "channels": ["forge"]}, "are for what `conda` asks for"),
        ({"requirements": ["a"], "unrun-scripts": [{"package": "a", "reason": "not needed"}]}, "are for what `conda`"),
        ({"conda": ["python"], "unrun-scripts": [{"package": "a", "reason": "short"}]}, "at least 8"),
    ],
)
def test_a_definition_that_asks_for_nothing_or_for_what_no_channel_has(more, says):
    with pytest.raises(BadInputError, match=says):
        ImageDefinition.parse(VALUES | more, where="image.yaml")


def test_conda_alone_is_enough():
    found = ImageDefinition.parse(VALUES | {"conda": ["forge::zlib >=1.3"], "channels": ["forge"]}, where="image.yaml")
    assert (found.requirements, found.conda, found.channels) == ((), ("forge::zlib >=1.3",), ("forge",))
