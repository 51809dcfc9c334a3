"""The client library alone: what it imports, and what is installed of it."""

import json
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]

# Blocks all other packages of the repository and its environment that a client may lack.
_IMPORT = """
import json, sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in set(json.loads(sys.argv[1])):
            raise ModuleNotFoundError(f"{name} is blocked", name=name)

sys.meta_path.insert(0, Blocked())
import aegis
assert "mlflow" not in sys.modules and "cryptography" not in sys.modules
from aegis import trust, evidence, files
assert "mlflow" not in sys.modules
aegis.load_model, aegis.verify, aegis.download, aegis.VerifiedVersion
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""
_FOREIGN = ["contracts", "workloads", "infra", "local", "laptop", "boto3", "botocore", "hvac", "torch", "deepspeed"]
_FOREIGN += ["transformers", "pulumi", "tenacity", "tqdm", "onnx", "isal", "model_signing"]


def test_the_library_imports_only_mlflow_and_cryptography(tmp_path: Path) -> None:
    (tmp_path / "aegis").symlink_to(ROOT / "aegis")
    command = [sys.executable, "-c", _IMPORT, json.dumps(_FOREIGN)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert {"aegis", "mlflow", "cryptography"} <= set(json.loads(done.stdout))


def test_an_installation_has_the_library_alone_with_its_types(tmp_path: Path) -> None:
    """`pip install .` installs this wheel. Nothing is downloaded, and nothing is written into the checkout."""
    command = [
        sys.executable,
        "-m",
        "uv",
        "build",
        "--offline",
        "--wheel",
        "--no-cache",
        "-o",
        str(tmp_path),
        str(ROOT),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (metadata,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        fields = Parser().parsestr(archive.read(metadata).decode())
    sources = {f"aegis/{path.name}" for path in (ROOT / "aegis").glob("*.py")}
    assert {name for name in names if ".dist-info/" not in name and not name.endswith("/")} == {
        *sources,
        "aegis/py.typed",
    }
    assert {requirement.split(">")[0] for requirement in fields.get_all("Requires-Dist", [])} == {
        "mlflow",
        "cryptography",
    }
    assert fields["Requires-Python"] == ">=3.10"
