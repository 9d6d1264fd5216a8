#!/bin/sh
# MLflow on PostgreSQL and S3. MLFLOW_DATABASE has no password in it: that comes from a file, as S3's key does.
set -eu
PGPASSWORD=$(cat "$MLFLOW_DATABASE_PASSWORD_FILE")
AWS_SECRET_ACCESS_KEY=$(cat "$MLFLOW_S3_SECRET_KEY_FILE")
export PGPASSWORD AWS_SECRET_ACCESS_KEY
echo "mlflow: tables in ${MLFLOW_DATABASE#*@}, artifacts in $MLFLOW_ARTIFACTS"
exec mlflow server --host "${MLFLOW_HOST:-0.0.0.0}" --port "${MLFLOW_PORT:-5000}" --workers "${MLFLOW_WORKERS:-1}" \
  --backend-store-uri "$MLFLOW_DATABASE" --artifacts-destination "$MLFLOW_ARTIFACTS" --serve-artifacts \
  --allowed-hosts "${MLFLOW_ALLOWED_HOSTS:-localhost,localhost:*,127.0.0.1,127.0.0.1:*,mlflow,mlflow:*}"
