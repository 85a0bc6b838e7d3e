"""The first lines of a console script that finds the interpreter beside itself."""

from __future__ import annotations

# `pwd -P` gives the real folder: CPython resolves the relative link to the runtime by its letters.
# The dash in the first line is for a script whose own path begins with one. The names are long,
# because a variable that the user exports would be passed on to the program.
_POSIX_HEADER = """\
#!/bin/sh -
''':'
case $0 in /*) _venvlayer_script=$0 ;; *) _venvlayer_script=./$0 ;; esac
_venvlayer_file=$_venvlayer_script
while [ -h "$_venvlayer_file" ]; do
  _venvlayer_link=$(readlink "$_venvlayer_file") || exit
  case $_venvlayer_link in
    /*) _venvlayer_file=$_venvlayer_link ;;
    *) _venvlayer_file=${_venvlayer_file%/*}/$_venvlayer_link ;;
  esac
done
_venvlayer_bin=$(CDPATH= cd -P "${_venvlayer_file%/*}/" && pwd -P) || exit
exec "$_venvlayer_bin/PYTHON" "$_venvlayer_script" "$@"
'''
"""


def posix_header(python: str = "python") -> bytes:
    """The lines that start a relocatable Python script; Python source follows them.

    ``python`` is the file name of the interpreter, which lies in the script's own folder.
    """
    return _POSIX_HEADER.replace("PYTHON", python).encode()
