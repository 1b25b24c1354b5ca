"""Runs .tflite files of unknown origin in a process of their own.

A damaged one can end it, and Ctrl-C ends it whatever native code is at work there.
"""

import faulthandler
import multiprocessing
import os
import resource
import signal
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Any

import numpy.typing as npt

from edgesdk.emulate.single import GraphRun, run_graph
from edgesdk.errors import BundleError, EdgeError

Array = npt.NDArray[Any]
Run = Callable[[bytes, Sequence[Array], str], GraphRun]  # a function of a module

# What Python itself makes of nonsense sizes, types and names in a damaged file.
_NONSENSE = (ValueError, TypeError, OverflowError, MemoryError)


def _child(
    answer: Connection, run: Run, model: bytes, inputs: Sequence[Array], source: str
) -> None:
    """Send back a GraphRun or an EdgeError; whatever native code prints is dropped."""
    faulthandler.disable()  # the signal is reported in one line by the parent
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends this process
    try:
        answer.send(run(model, inputs, source))
    except EdgeError as error:
        answer.send(error)
    except _NONSENSE as error:
        answer.send(_damaged(source, type(error).__name__))


def _damaged(source: str, what: str) -> BundleError:
    return BundleError(
        f"{source}: the interpreter stopped on it ({what}): damaged, or not made for this "
        "interpreter; copy it or convert the model again"
    )


def _run_plain(model: bytes, inputs: Sequence[Array], source: str) -> GraphRun:
    return run_graph(model, inputs, source=source)


def run_tflite_apart(
    model: bytes, inputs: Sequence[Array], source: str, run: Run = _run_plain
) -> GraphRun:
    """`run_graph`, or another `run`, for the bytes of a .tflite file that nobody has checked.

    Raises:
        BundleError: the inputs do not fit, or the file is refused or ends the interpreter.
        EdgeError: no interpreter, or what `run` raises.
    """
    methods = multiprocessing.get_all_start_methods()
    context: Any = multiprocessing.get_context("fork" if "fork" in methods else "spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(theirs, run, model, inputs, source), daemon=True)
    process.start()
    theirs.close()
    try:
        answer = ours.recv()
    except EOFError:
        process.join()
        raise _damaged(source, _ending(process.exitcode)) from None
    finally:
        process.kill()
        process.join()
        ours.close()
    if isinstance(answer, EdgeError):
        raise answer
    assert isinstance(answer, GraphRun)
    return answer


def _ending(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        return signal.Signals(-exit_code).name
    return f"exit {exit_code}"
