-- Takes back what this database granted; the roles stay, other databases may use them.
DO $$
BEGIN
    EXECUTE format(
        'REVOKE ALL ON DATABASE %I FROM ovr_writer, ovr_reader, ovr_alert, ovr_metabase, ovr_mlflow, ovr_monitor',
        current_database()
    );
    EXECUTE format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO PUBLIC', current_database());
END $$;
