"""The front end's bundle and how it is built."""

import importlib.util
import json
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest

from kernel.errors import ConfigurationError
from web import assets

PROJECT = Path(__file__).parents[2]
FRONTEND = PROJECT / "frontend"


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The build script over a copy of the front end, without its modules."""
    shutil.copytree(FRONTEND, tmp_path / "frontend", ignore=shutil.ignore_patterns("node_modules", "__pycache__"))
    spec = importlib.util.spec_from_file_location("build_frontend", FRONTEND / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "HERE", tmp_path / "frontend")
    for name, path in {
        "DIST": "dist", "STAMP": "dist/.inputs",
        "MODULES": "frontend/node_modules", "MODULES_STAMP": "frontend/node_modules/.inputs",
    }.items():  # fmt: skip
        monkeypatch.setattr(module, name, tmp_path / path)
    return module


@pytest.fixture
def steps(build: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The steps that a build takes, recorded instead of run."""
    taken: list[str] = []

    def record(what: str, *_: object) -> None:
        taken.append(what)
        build.MODULES.mkdir(exist_ok=True)
        build.DIST.mkdir(exist_ok=True)
        (build.DIST / "manifest.json").write_text("{}")

    monkeypatch.setattr(build, "_run", record)
    return taken


ALL_STEPS = ["npm ci", "the type check", "Vite"]


def test_build_is_skipped_until_an_input_changes(build: ModuleType, steps: list[str]):
    assert build.build()
    assert not build.build()
    assert steps == ALL_STEPS
    (build.HERE / "src" / "main.ts").write_text("export {};")
    assert build.build()
    # The packages are the same.
    assert steps == [*ALL_STEPS, "the type check", "Vite"]


def test_changed_packages_are_installed_anew(build: ModuleType, steps: list[str]):
    build.build()
    lock = build.HERE / "package-lock.json"
    lock.write_text(lock.read_text() + "\n")
    build.build()
    assert steps == [*ALL_STEPS, *ALL_STEPS]


def test_removed_bundle_is_built_again(build: ModuleType, steps: list[str]):
    build.build()
    shutil.rmtree(build.DIST)
    assert build.build()
    assert steps.count("Vite") == 2


def test_failed_step_is_named_with_what_it_printed(
    build: ModuleType, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    program = build.HERE / "fail.py"
    program.write_text("print('no such package'); raise SystemExit(3)")
    monkeypatch.setattr(build, "_node", lambda: (Path(sys.executable), program))
    assert build.main() == 1
    out, err = capfd.readouterr()
    assert (out, err) == ("", "Front end: npm ci failed:\nno such package\n")
    assert not build.STAMP.exists()


def test_type_error_fails_the_build(build: ModuleType):
    build.MODULES.symlink_to(FRONTEND / "node_modules")
    (build.HERE / "src" / "main.ts").write_text('export const length: number = "long";\n')
    with pytest.raises(build.BuildError, match=r"the type check failed:\s.*src/main\.ts.*not assignable"):
        build.build()


def test_lock_file_pins_every_package_and_names_no_registry():
    package = json.loads((FRONTEND / "package.json").read_text())
    lock = json.loads((FRONTEND / "package-lock.json").read_text())
    assert package["devDependencies"].keys() == {"axe-core", "typescript", "vite"}
    assert package["dependencies"].keys() == {"echarts", "h3-js", "htmx.org", "maplibre-gl"}
    wanted = package["devDependencies"] | package["dependencies"]
    assert all(version[0].isdigit() for version in wanted.values())
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert all(entry["integrity"].startswith("sha512-") for entry in packages.values())
    assert all("resolved" not in entry for entry in packages.values())
    assert "://" not in json.dumps(lock)


def test_missing_bundle_is_a_configuration_error_that_names_make_setup(tmp_path: Path):
    with pytest.raises(ConfigurationError, match="make setup"):
        assets.load(tmp_path)


@pytest.mark.parametrize("manifest", ["{", "[]", "{}", '{"src/main.ts": {"file": "a.js"}}'])
def test_damaged_bundle_is_a_configuration_error_that_names_make_setup(tmp_path: Path, manifest: str):
    (tmp_path / "manifest.json").write_text(manifest)
    with pytest.raises(ConfigurationError, match="make setup"):
        assets.load(tmp_path)
