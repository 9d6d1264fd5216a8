-- The parts that processes play, each with no more than it needs; the migrations that follow say what that is.
-- Roles belong to the whole server: one that is there already is left as it is, and none is ever dropped here.
-- They cannot log in until `ovr db login` gives them a password.
DO $$
DECLARE
    part text;
BEGIN
    FOREACH part IN ARRAY ARRAY[
        'ovr_writer',    -- event writer
        'ovr_reader',    -- query, and commands that read events
        'ovr_alert',     -- alert
        'ovr_metabase',  -- dashboards: counts and pseudonyms, never a plate
        'ovr_mlflow',    -- MLflow, in a schema of its own
        'ovr_monitor'    -- postgres-exporter
    ] LOOP
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', part);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;
        END;
    END LOOP;
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format(
        'GRANT CONNECT ON DATABASE %I TO ovr_writer, ovr_reader, ovr_alert, ovr_metabase, ovr_mlflow, ovr_monitor',
        current_database()
    );
END $$;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT pg_monitor TO ovr_monitor;
