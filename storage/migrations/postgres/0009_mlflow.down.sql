DO $$
BEGIN
    EXECUTE format('ALTER ROLE ovr_mlflow IN DATABASE %I RESET search_path', current_database());
END $$;
DROP SCHEMA mlflow CASCADE;
