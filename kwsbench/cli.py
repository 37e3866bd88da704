"""Words typed at a terminal → one call. No logic lives here.

Exit codes: 0 all right, 1 some cells failed, 2 a mistake in the recipe or the arguments.
"""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kwsbench.errors import UserError

if TYPE_CHECKING:
    from kwsbench.explore.page.part import Part
    from kwsbench.sound import Places
    from kwsbench.store import Record, Store

INTERRUPTED = 130  # the exit code of Ctrl-C, which typer turns into a SystemExit

app = typer.Typer(
    name="kwsbench",
    help="Which recogniser of spoken words is better, by how much, how surely, at what cost?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
data_app = typer.Typer(help="Corpora on disk.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(data_app, name="data")

RecipeFile = Annotated[Path, typer.Argument(metavar="RECIPE", help="A YAML file, e.g. recipes/all.yaml.")]
DataRoot = Annotated[
    Path | None,
    typer.Option("--data", envvar="KWSBENCH_DATA", help="Folder with the corpora. Default: the user's cache folder."),
]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="Change a value: models.wavception.epochs=2.")
]
Corpus = Annotated[str | None, typer.Option(help="Take this corpus instead of the recipe's.")]
Only = Annotated[str | None, typer.Option(metavar="MODEL[,MODEL…]", help="Only these entries of the recipe's models.")]
Audio = Annotated[
    bool, typer.Option("--audio", help="Write report_audio.html too: the hardest clips to look at and to listen to.")
]
Seeds = Annotated[int | None, typer.Option(min=1, help="Fit every model so many times.")]


def say_version(show: bool) -> None:
    if show:
        from kwsbench import __version__

        typer.echo(f"kwsbench {__version__}")
        raise typer.Exit


@app.callback()
def options(
    show_version: Annotated[
        bool, typer.Option("--version", callback=say_version, is_eager=True, help="Say it.")
    ] = False,
) -> None:
    """Which recogniser of spoken words is better, by how much, how surely, at what cost?"""


def find_models_beside(recipe: Path) -> None:
    """Let a recipe name a model that lies beside it, or in the present folder; workers inherit where to look."""
    folders = [str(recipe.absolute().parent), os.getcwd()]
    sys.path[:0] = folders
    os.environ["PYTHONPATH"] = os.pathsep.join([*folders, *filter(None, [os.environ.get("PYTHONPATH")])])


def data_root(given: Path | None) -> Path:
    """Where corpora are looked for and put: what was asked for, else ``data`` in the user's cache folder."""
    from kwsbench.runner.local import default_cache

    return Path(os.path.abspath(given)) if given else default_cache() / "data"


def say_report(
    store: "Store", name: str, recipe: dict[str, Any], records: "list[Record]", audio_of: "Places | None" = None
) -> None:
    """Write a study's tables and page, print the comparison, and say where they are.

    With ``audio_of``, where the recordings are, write the page with players last: what else is written stays.
    """
    from kwsbench.playback import Playback
    from kwsbench.progress import TerminalProgress
    from kwsbench.report import terminal_report, write_audio_page, write_report

    written: list[str] = []

    def write(file: str, content: str) -> None:
        store.write(file, content)
        written.append(file)

    found = write_report(name, recipe, records, store.predictions, write, store.beside, store.task)
    terminal_report(found, sys.stdout)
    typer.echo(f"\nwritten: {store.folder}/{', '.join(written)}")
    if audio_of is not None:
        progress = TerminalProgress()
        write_audio_page(name, recipe, found, Playback(audio_of, progress), write)
        progress.close()
        typer.echo(f"written: {store.folder}/{written[-1]}; it holds recordings, mind their licence")


def write_figures(store: "Store", page: str, kinds: list[str]) -> None:
    """Write every figure of a page that is in a store as files of their own: "svg", "pdf", "png"."""
    from kwsbench.pages.standalone import as_kind, figures_of

    drawn = list(figures_of((store.folder / page).read_text(encoding="utf-8")))
    for name, svg in drawn:
        for kind in kinds:
            store.write(f"figures/{name}.{kind}", as_kind(svg, kind))
    typer.echo(f"{len(drawn)} figures: {store.folder}/figures")


@app.command()
def run(
    recipe: RecipeFile,
    data: DataRoot = None,
    results: Annotated[Path, typer.Option(help="Folder that holds the studies' folders.")] = Path("results"),
    overrides: Overrides = None,
    corpus: Corpus = None,
    only: Only = None,
    seeds: Seeds = None,
    jobs: Annotated[int, typer.Option(min=1, help="Cells at work at a time; they share the cores.")] = 1,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Write the course of trainings for it.")] = False,
    audio: Audio = False,
) -> None:
    """Run a recipe's missing cells, then write and print its table.

    Run it again after a stop: only what is missing is done. Started by torchrun, each network is trained by all its
    processes together.
    """
    from kwsbench.recipe import load_recipe
    from kwsbench.runner import run_study
    from kwsbench.runner.environment import processes
    from kwsbench.runner.local import default_cache, store_study
    from kwsbench.sound import Places
    from kwsbench.store import Store
    from kwsbench.study import expand

    find_models_beside(recipe)
    loaded = load_recipe(recipe, overrides=overrides or [], corpus=corpus, only=only, seeds=seeds)
    study = expand(loaded)
    store = Store(results / study.name)
    places = Places(data_root(data), default_cache())
    together = processes() > 1
    if together:
        from kwsbench.neural import ranks
        from kwsbench.runner.ranks import run_by_ranks

        found = run_by_ranks(study, store, places, device=device, scalars=tensorboard)
        if found is None:
            ranks.end()
        records = found
    else:
        records = run_study(study, store, places, jobs=jobs, device=device, scalars=tensorboard)
    store_study(store, study, device)
    say_report(store, study.name, study.resolved, records, places if audio else None)
    failed = any(record["status"] != "ok" for record in records)
    if together:
        ranks.end(int(failed))
    if failed:
        raise typer.Exit(1)


@app.command()
def report(
    study: Annotated[Path, typer.Argument(metavar="FOLDER", help="A study's folder, e.g. results/all.")],
    figures: Annotated[bool, typer.Option("--figures", help="Write every figure of the page as SVG too.")] = False,
    pdf: Annotated[bool, typer.Option("--pdf", help="And as PDF.")] = False,
    audio: Audio = False,
    data: DataRoot = None,
) -> None:
    """Write a study's tables and page anew from what is stored; nothing is trained."""
    from kwsbench.runner.local import default_cache
    from kwsbench.sound import Places
    from kwsbench.store import Store

    store = Store(study)
    known = store.study()
    places = Places(data_root(data), default_cache()) if audio else None
    say_report(store, known["study"], known["recipe"], store.in_order(), places)
    if figures or pdf:
        write_figures(store, "report.html", ["svg", *(["pdf"] if pdf else [])])


@app.command()
def compare(
    before: Annotated[str, typer.Argument(metavar="A", help="A study's folder, or FOLDER:MODEL.")],
    after: Annotated[str, typer.Argument(metavar="B", help="The same, of what is compared with it.")],
    margin: Annotated[float, typer.Option(min=0, help="Points of accuracy that B may lose.")] = 0.5,
) -> None:
    """Two stored runs, or two models: changed settings, changed scores, verdict.

    Exit code 1 where B is shown to be worse than A by more than the margin.
    """
    from kwsbench.report.compare import compare_stored

    compared = compare_stored(before, after, margin / 100)
    for one in compared:
        typer.echo("\n".join(one.lines()) + "\n")
    if lost := [one.name for one in compared if one.regression]:
        typer.echo(f"regression: {', '.join(lost)}")
        raise typer.Exit(1)


@app.command()
def explore(
    corpus: Annotated[str, typer.Argument(metavar="CORPUS", help="As recipes name it; see kwsbench list corpora.")],
    out: Annotated[Path | None, typer.Option(help="Folder to write to. Default: results/explore_CORPUS.")] = None,
    data: DataRoot = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="SETTING=VALUE", help="Of the corpus: path=/data/mine.")
    ] = None,
    official_test: Annotated[bool, typer.Option("--official-test", help="With its official test set.")] = False,
    audio: Annotated[bool, typer.Option("--audio", help="Let the page play the clips it shows.")] = False,
    faults: Annotated[bool, typer.Option("--faults", help="Inject faults: how many of them are found?")] = False,
    figures: Annotated[bool, typer.Option("--figures", help="Write every figure of the page as SVG too.")] = False,
    png: Annotated[bool, typer.Option("--png", help="And as PNG.")] = False,
    seed: Annotated[int, typer.Option(help="Of all that is drawn by chance.")] = 2017,
) -> None:
    """Look at a corpus before modelling it: one page, tables and figures."""
    import shlex

    from kwsbench.explore.corpus import explore_corpus
    from kwsbench.explore.material import Material
    from kwsbench.progress import TerminalProgress
    from kwsbench.recipe.corpus import corpus_settings
    from kwsbench.runner.local import default_cache
    from kwsbench.sound import Places, read_sound
    from kwsbench.store import Store

    settings = corpus_settings(corpus, overrides or [])
    progress = TerminalProgress()
    places = Places(data_root(data), default_cache())
    sound = read_sound(corpus, places, settings, official_test=official_test, progress=progress)
    store = Store(out or Path("results") / f"explore_{corpus}")
    written: list[str] = []

    def write(file: str, content: str | bytes) -> None:
        store.write(file, content)
        written.append(file)

    flags = [flag for flag, given in (("--official-test", official_test), ("--faults", faults)) if given]
    given = [word for text in overrides or [] for word in ("--set", text)] + flags
    command = shlex.join(["python", "-m", "kwsbench", "explore", corpus, *given, "--seed", str(seed)])

    def tell(part: "Part") -> None:
        progress.close()
        for finding in part.findings:
            typer.echo(f"{part.title}: {finding}")

    explore_corpus(Material(sound, seed, progress), write, command, audio=audio, faults=faults, told=tell)
    progress.close()
    typer.echo(f"\nwritten: {store.folder}/{', '.join(written)}")
    if figures or png:
        write_figures(store, written[-1], ["svg", *(["png"] if png else [])])


@app.command()
def check(
    recipe: RecipeFile, overrides: Overrides = None, corpus: Corpus = None, only: Only = None, seeds: Seeds = None
) -> None:
    """Read a recipe, list its mistakes or say what it would run."""
    from kwsbench.recipe import load_recipe
    from kwsbench.study import expand

    find_models_beside(recipe)
    study = expand(load_recipe(recipe, overrides=overrides or [], corpus=corpus, only=only, seeds=seeds))
    for cell in study.cells:
        typer.echo(f"{cell.id}  {cell.setting}".rstrip())
    typer.echo(f"{recipe}: right; {len(study.cells)} cells before folds, study {study.name!r}")


@app.command("list")
def list_known(what: Annotated[str, typer.Argument(metavar="models|corpora|recipes")]) -> None:
    """Say which models, corpora or recipes there are."""
    from kwsbench.recipe.catalogue import known

    for name, text in known(what):
        typer.echo(f"{name:24} {text}".rstrip())


@app.command()
def schema() -> None:
    """Print the recipes' JSON schema, for editors."""
    import json

    from kwsbench.recipe import json_schema

    typer.echo(json.dumps(json_schema(), indent=1))


@data_app.command()
def fetch(
    name: Annotated[str, typer.Argument(help="E.g. speech_commands_v0.02.")],
    data: DataRoot = None,
    base_url: Annotated[str | None, typer.Option(hidden=True)] = None,
) -> None:
    """Download a corpus from its official address, verify and unpack it."""
    from kwsbench.corpora.fetch import BASE_URL, fetch
    from kwsbench.progress import TerminalProgress

    progress = TerminalProgress()
    folder = fetch(name, data_root(data), base_url=base_url or BASE_URL, progress=progress)
    progress.close()
    typer.echo(f"{name} is in {folder}")


@app.command()
def features(
    bench: Annotated[bool, typer.Option("--bench", help="Measure clips per second of every frontend.")] = False,
) -> None:
    """Features: with --bench, their speed on this machine."""
    if not bench:
        raise UserError("nothing to do", "kwsbench features", "give --bench to measure the frontends")
    from kwsbench.features.bench import bench_frontends

    for line in bench_frontends():
        typer.echo(line)


def main() -> None:
    """The console script: the user's mistakes end with a message on standard error and exit code 2."""
    try:
        app()
    except UserError as error:
        print(f"kwsbench: {error}", file=sys.stderr)
        sys.exit(2)
    except (KeyboardInterrupt, SystemExit) as end:
        if isinstance(end, SystemExit) and end.code != INTERRUPTED:
            raise
        print("kwsbench: stopped; run the same command again to go on", file=sys.stderr)
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
