import pytest

from sekisho.errors import BadInputError
from sekisho.model import normalize_project, normalize_release, purl
from tests.records import package

ODD = [
    "",
    ".",
    "..",
    "../etc/passwd",
    "a/../b",
    "./a",
    "a/.",
    "/a",
    "a/",
    "a//b",
    "a/b/c",
    "a\\b",
    "a\x00b",
    "a\r\nb",
    "a\n",
    "\na",
    "a b",
    " a",
    "a?b",
    "a#b",
    "a%2fb",
    "关口",
    "\uff41",  # a full-width a
    "é",
    "a\u202eb",
    "\u212a",  # the Kelvin sign, which lower-cases to an ASCII k
    "a" * 201,
]


@pytest.mark.parametrize("kind", ["pypi", "conda", "huggingface"])
@pytest.mark.parametrize("name", ODD)
def test_an_odd_name_is_bad_input(kind, name):
    with pytest.raises(BadInputError):
        normalize_project(kind, name)


@pytest.mark.parametrize("name", ["-a", "a-", "_a", ".a", "a.", "a/b"])
def test_an_index_does_not_allow_what_channels_and_hubs_may(name):
    with pytest.raises(BadInputError):
        normalize_project("pypi", name)


@pytest.mark.parametrize(
    ("name", "normal"), [("Foo.Bar__baz", "foo-bar-baz"), ("a", "a"), ("A-_.-B", "a-b"), ("2to3", "2to3")]
)
def test_an_index_has_one_spelling_of_a_name(name, normal):
    assert normalize_project("pypi", name) == normal


@pytest.mark.parametrize("name", ["google-bert/bert-base-uncased", "gpt2", "org/Model.v1_2"])
def test_a_hub_keeps_names_as_they_are(name):
    assert normalize_project("huggingface", name) == name


def test_a_channel_allows_a_leading_underscore():
    assert normalize_project("conda", "_libgcc_mutex") == "_libgcc_mutex"


def test_the_message_shows_only_the_beginning_of_a_long_name():
    with pytest.raises(BadInputError) as caught:
        normalize_project("pypi", "é" * 5000)
    assert len(caught.value.what) < 200


@pytest.mark.parametrize(
    ("release", "normal"), [("1.0.0", "1.0.0"), ("v1.0-RC1", "1.0rc1"), ("1.0+CU_118", "1.0+cu.118")]
)
def test_a_release_of_an_index_has_one_spelling(release, normal):
    assert normalize_release("pypi", release) == normal


def test_a_release_elsewhere_is_kept():
    assert normalize_release("huggingface", "Main") == "Main"


def test_a_purl_quotes_what_would_change_its_meaning():
    assert purl("pypi", "torch", "2.0+cu118", "torch 2?.whl") == "pkg:pypi/torch@2.0%2Bcu118?file_name=torch%202%3F.whl"


@pytest.mark.parametrize(
    ("artifact", "found"),
    [
        (
            package("numpy", "2.1.0", "py311_0"),
            "pkg:conda/numpy@2.1.0?build=py311_0&channel=forge&subdir=linux-64&type=conda",
        ),
        (
            package("x-y", "1!2.0+a", "0", subdir="noarch"),
            "pkg:conda/x-y@1%212.0%2Ba?build=0&channel=forge&subdir=noarch&type=conda",
        ),
    ],
)
def test_the_purl_of_a_package_says_build_channel_subdir_and_type(artifact, found):
    assert artifact.purl == found
    old = artifact.model_copy(update={"path": artifact.path.replace(".conda", ".tar.bz2")})
    assert old.purl == found.replace("type=conda", "type=tar.bz2")


def test_a_purl_keeps_the_slash_between_organisation_and_model():
    assert purl("huggingface", "org/model", "main") == "pkg:huggingface/org/model@main"
