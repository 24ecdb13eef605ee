#!/bin/sh
# Makes the archives beside this file with version 0.1.0 (commit 9153e08).
# usage: make.sh OLD PYTHON SERVER   OLD: a checkout of that commit; PYTHON: with its dependencies, of
# DuckDB the oldest version that is supported, as later ones read its files and not the reverse;
# SERVER: an empty MariaDB database, as mysql+pymysql://USER@localhost/made?unix_socket=...
set -eu
here=$(cd "$(dirname "$0")" && pwd)
old=$1 python=$2 server=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
tar -xJf "$here/../cases/40_spreadsheet.tar.xz"
mkdir a b
mv 40_spreadsheet/outputs/P1-A01-1 40_spreadsheet/outputs/P1-A01-2 a
cp -r a/P1-A01-1 b

load() { PYTHONPATH=$old "$python" -m cpexport load "$@" --quiet > /dev/null; }
packed() { tar --owner=0 --group=0 --sort=name -c "$1" | xz -9e > "$here/$1.tar.xz"; }

load a --to sqlite:///plain.sqlite
load plate1=a plate2=b --table-number --prefix My_ --to sqlite:///runs.sqlite
load a --objects view --wells mean,median,std --to sqlite:///wells.sqlite
load a --to duckdb:///plain.duckdb
load a --wells mean --to parquet:parquet
load a --wells mean --to "$server"
PYTHONPATH=$old "$python" -m cpexport script a --out script --quiet > /dev/null

# Killed once it had committed, before the files took their places.
PYTHONPATH=$old "$python" -c '
import os, sys
from pathlib import Path
from cpexport.load import load
from cpexport.sinks.parquetfolder import Folder
load([Path("a/P1-A01-1")], "parquet:staged")
settle = Folder.settle
Folder.settle = lambda folder: os._exit(9) if folder.unsettled and folder._pending()[0] else settle(folder)
load([Path("a")], "parquet:staged")
' || test $? = 9

place=${server%%\?*}
mariadb-dump --socket="${server##*unix_socket=}" --skip-comments "${place##*/}" > dump.sql
# Its first line is for one client only, and stops others.
sed '/enable the sandbox mode/d' dump.sql | xz -9e > "$here/mariadb.sql.xz"
for made in plain.sqlite runs.sqlite wells.sqlite plain.duckdb parquet staged script; do
    packed "$made"
done
