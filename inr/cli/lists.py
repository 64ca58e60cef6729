"""What there is: `inr models`, `inr inits` and so on.

Imports happen inside the commands, so that `inr --help` starts without torch.
"""

from inr.cli.options import Json
from inr.cli.tables import say_models, say_table


def models(as_json: Json = False) -> None:
    """List the models of the zoo.

    Parameters are those of the usual settings, for 2 inputs and 3 outputs; settings and paper stand below each.
    """
    say_models(as_json)


def inits(as_json: Json = False) -> None:
    """List the initialisers."""
    _components("inits", as_json)


def samplers(as_json: Json = False) -> None:
    """List the samplers."""
    _components("samplers", as_json)


def losses(as_json: Json = False) -> None:
    """List the losses."""
    _components("losses", as_json)


def tasks(as_json: Json = False) -> None:
    """List the tasks."""
    _components("tasks", as_json)


def optimisers(as_json: Json = False) -> None:
    """List the optimisers."""
    _components("optimisers", as_json)


def schedules(as_json: Json = False) -> None:
    """List the learning-rate schedules."""
    _components("schedules", as_json)


def reparams(as_json: Json = False) -> None:
    """List the training-time forms of the weights."""
    _components("reparams", as_json)


def presets(as_json: Json = False) -> None:
    """List the presets."""
    from inr.codec.listing import list_presets

    say_table(list_presets(), as_json)


def backends(as_json: Json = False) -> None:
    """List the backends, and why one is not available."""
    from inr.backends.select import describe

    say_table(describe(), as_json)


def _components(what: str, as_json: bool) -> None:
    from inr.codec.listing import list_components

    say_table(list_components(what), as_json)
