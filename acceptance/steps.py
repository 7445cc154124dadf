"""What tours in Python share: steps in their order, how they fail, and what was asked, written down for `record.py`.

OUTCOMES names a file for how each step ended: then one that fails does not end the tour. ASKED names a file for what was asked.
WAY is what lines begin with.
"""

import json
import os
import time

STEPS = []


def step(function):
    STEPS.append(function)
    return function


def rows(iterator):
    return [tuple(row) for row in iterator]


def fails(kind, part, action):
    """It must fail so, and say that; the error."""
    try:
        action()
    except kind as error:
        assert part in str(error), f"{part!r} is not in {error}"
        return error
    except Exception as error:
        raise AssertionError(f"{kind.__name__} was expected, not {type(error).__name__}: {error}") from None
    raise AssertionError(f"{kind.__name__} was expected")


def refused(kind, part, action):
    """By the gateway: it names the id that its operator is to be asked about."""
    error = fails(kind, part, action)
    assert "Quote `" in str(error), f"no id to quote in {error}"


def load(*path):
    with open(os.path.join(*path), encoding="utf-8") as file:
        return json.load(file)


def write(file, what):
    if os.environ.get(file):
        with open(os.environ[file], "a", encoding="utf-8") as out:
            print(json.dumps(what), file=out)


def asked(caller, statement=None, parameters=(), ends="completed", **more):
    """Before it is asked. `parameters` are pairs of a name and a value as BigQuery's JSON has it."""
    write("ASKED", {"caller": caller, "statement": statement, "parameters": list(parameters), "ends": ends} | more)


def run(client, *given):
    for number, function in enumerate(STEPS, 1):
        name, started = function.__name__.replace("_", " "), time.monotonic()
        try:
            function(*given)
        except Exception as error:
            if not os.environ.get("OUTCOMES"):
                raise
            write("OUTCOMES", {"step": name, "why": f"{type(error).__name__}: {error}"[:300]})
            continue
        write("OUTCOMES", {"step": name, "why": None})
        print(f"{os.environ.get('WAY', 'door')}, {client} {number:2}  {name}  {time.monotonic() - started:.1f} s", flush=True)
