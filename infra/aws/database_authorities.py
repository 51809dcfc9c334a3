"""The certificate authorities of RDS, by region, with which clients verify a database server's certificate."""

from pathlib import Path
from typing import Final

# The README in this folder names their source.
_FOLDER: Final = Path(__file__).parent / "authorities"


def authorities(region: str) -> str:
    """Return the root certificates of RDS in `region`, as PEM.

    Raises:
        ValueError: There is no file for the region.
    """
    if region not in regions():
        raise ValueError(
            f"the region must be one of {', '.join(regions())}, got {region!r}. To support another region, save "
            "https://truststore.pki.rds.amazonaws.com/REGION/REGION-bundle.pem "
            f"as {_FOLDER.relative_to(_FOLDER.parents[2])}/REGION.pem."
        )
    return (_FOLDER / f"{region}.pem").read_text()


def regions() -> list[str]:
    """Return the regions that have a file of authorities."""
    return sorted(path.stem for path in _FOLDER.glob("*.pem"))
