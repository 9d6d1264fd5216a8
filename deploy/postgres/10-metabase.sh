#!/bin/sh
# Runs once, when the server is new: a database of its own for what Metabase keeps (questions, dashboards, accounts).
# What it reads of ours it reads as ovr_metabase, which `ovr db migrate` makes.
set -eu
psql -v ON_ERROR_STOP=1 -v password="$(cat /run/secrets/metabase_app_password)" --username "$POSTGRES_USER" <<'SQL'
CREATE ROLE metabase LOGIN PASSWORD :'password';
CREATE DATABASE metabase OWNER metabase;
REVOKE ALL ON DATABASE metabase FROM PUBLIC;
SQL
