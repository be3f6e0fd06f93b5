"""``recsys models``: list, show, activate, roll back and prune the versions of a store."""

from typing import Annotated

import typer

from recsys.bundle import Manifest
from recsys.cli.options import DEFAULT_CONFIG, ConfigPath, OutputFormat, read_config, store_of
from recsys.cli.output import Format, print_json, print_table, say
from recsys.errors import ConfigError
from recsys.pipelines.doctor import in_words

app = typer.Typer(help="The model versions of the store.", no_args_is_help=True)

Version = Annotated[str, typer.Argument(help="A version, as listed.")]


@app.command("list")
def list_(config_path: ConfigPath = DEFAULT_CONFIG, format: OutputFormat = Format.TEXT) -> None:
    """Every version, newest last; the active one is marked."""
    store = store_of(read_config(config_path))
    active, broken = store.active_version(), store.broken()
    manifests = store.versions()
    if format is Format.JSON:
        listed = [
            {**_brief(manifest), "active": manifest.version == active} for manifest in manifests
        ]
        print_json({"models": listed, "broken": broken})
        return
    rows = [
        ("→" if m.version == active else "", m.version, m.as_of or "no times", m.created_at)
        for m in manifests
    ]
    print_table("Models", ("active", "version", "as of", "trained"), rows)
    for version, reason in broken.items():
        say(f"broken: {version}: {reason}")


@app.command()
def show(
    version: Version,
    config_path: ConfigPath = DEFAULT_CONFIG,
    format: OutputFormat = Format.TEXT,
) -> None:
    """Show what a version says of itself."""
    manifest = store_of(read_config(config_path)).manifest(version)
    if format is Format.JSON:
        print_json(manifest.model_dump(mode="json"))
        return
    print_table("Model", ("what", "value"), [(k, str(v)) for k, v in _brief(manifest).items()])
    arrays = [
        (name, array.dtype, str(array.shape), array.bytes)
        for name, array in manifest.arrays.items()
    ]
    print_table("Arrays", ("name", "dtype", "shape", "bytes"), arrays)


@app.command()
def activate(version: Version, config_path: ConfigPath = DEFAULT_CONFIG) -> None:
    """Serve this version from now on."""
    store_of(read_config(config_path)).activate(version)
    say(f"active: {version}")


@app.command()
def rollback(config_path: ConfigPath = DEFAULT_CONFIG) -> None:
    """Serve the version that was active before."""
    say(f"active: {store_of(read_config(config_path)).rollback()}")


@app.command()
def prune(
    keep: Annotated[int, typer.Option(help="How many of the newest to keep.")] = 3,
    config_path: ConfigPath = DEFAULT_CONFIG,
    format: OutputFormat = Format.TEXT,
) -> None:
    """Delete old versions; never the active one, nor the one a rollback would go to."""
    if keep < 1:
        raise ConfigError(f"--keep {keep} is less than 1")
    store = store_of(read_config(config_path))
    sizes = {manifest.version: manifest.bytes for manifest in store.versions()}
    removed, broken = store.prune(keep), store.broken()
    freed = sum(sizes[version] for version in removed)
    if format is Format.JSON:
        kept = [version for version in sizes if version not in removed]
        print_json({"removed": removed, "freed_bytes": freed, "kept": kept, "broken": broken})
        return
    say(f"removed: {', '.join(removed) or 'nothing'}; {in_words(freed)} freed")
    for version, reason in broken.items():
        say(f"broken, and left alone: {version}: {reason}")


def _brief(manifest: Manifest) -> dict[str, object]:
    return {
        "version": manifest.version,
        "content_id": manifest.content_id,
        "as_of": manifest.as_of,
        "created_at": manifest.created_at,
        "rows": manifest.rows,
        "window": manifest.window,
        "variants": {name: recipe["digest"] for name, recipe in manifest.recipes.items()},
        "notes": list(manifest.notes),
    }
