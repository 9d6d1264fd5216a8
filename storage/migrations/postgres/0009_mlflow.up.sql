-- MLflow keeps its own tables and migrates them itself.
CREATE SCHEMA mlflow;
GRANT USAGE, CREATE ON SCHEMA mlflow TO ovr_mlflow;
DO $$
BEGIN
    EXECUTE format('ALTER ROLE ovr_mlflow IN DATABASE %I SET search_path = mlflow', current_database());
END $$;
