"""The authorities that sign the certificates of RDS's servers, so that a client can verify whom it talks to."""

from pathlib import Path
from typing import Final

# Where they are from: the README in this folder.
_FOLDER: Final = Path(__file__).parent / "authorities"


def authorities(region: str) -> str:
    """Return the root certificates of RDS in a region, PEM.

    Raises:
        ValueError: The region has no file here.
    """
    known = regions()
    if region not in known:
        raise ValueError(
            f"the region must be one whose database authorities are known, got {region!r}: {', '.join(known)}, and any "
            f"whose bundle is added as {_FOLDER.relative_to(_FOLDER.parents[2])}/REGION.pem "
            "from https://truststore.pki.rds.amazonaws.com/REGION/REGION-bundle.pem"
        )
    return (_FOLDER / f"{region}.pem").read_text()


def regions() -> list[str]:
    """Return the regions whose authorities are known."""
    return sorted(path.stem for path in _FOLDER.glob("*.pem"))
