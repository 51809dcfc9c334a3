"""The base is made from the mirrors that this machine's apt uses."""

from local.images import debian


def test_the_mirrors_of_this_machine_are_used() -> None:
    listed = "bookworm http://mirror.example/debian/\nbookworm-security http://mirror.example/security/\n"
    assert debian.mirrors(listed) == {
        "bookworm": "http://mirror.example/debian",
        "bookworm-updates": debian.DEFAULT_MIRROR,
        "bookworm-security": "http://mirror.example/security",
    }


def test_a_machine_with_another_release_uses_debians_own_mirrors() -> None:
    assert debian.mirrors("noble http://mirror.example/ubuntu/\n") == {
        "bookworm": debian.DEFAULT_MIRROR,
        "bookworm-updates": debian.DEFAULT_MIRROR,
        "bookworm-security": debian.DEFAULT_SECURITY,
    }
