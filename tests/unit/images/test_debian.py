"""The base comes from the mirror that this machine's own packages come from."""

from local.images import debian


def test_the_mirrors_of_this_machine_are_used() -> None:
    listed = "bookworm http://mirror.example/debian/\nbookworm-security http://mirror.example/security/\n"
    assert debian.mirrors(listed) == {
        "bookworm": "http://mirror.example/debian",
        "bookworm-updates": debian.DEFAULT_MIRROR,
        "bookworm-security": "http://mirror.example/security",
    }


def test_a_machine_of_another_release_takes_debians_own_mirrors() -> None:
    assert debian.mirrors("noble http://mirror.example/ubuntu/\n") == {
        "bookworm": debian.DEFAULT_MIRROR,
        "bookworm-updates": debian.DEFAULT_MIRROR,
        "bookworm-security": debian.DEFAULT_SECURITY,
    }
