-- A row a camera that ever reported or had an event. `events` follows plate_events within the same
-- transactions, so that the list of cameras never counts rows.
CREATE TABLE cameras (
    camera_id text COLLATE "C" PRIMARY KEY,
    site_id text NOT NULL,
    node_id text NOT NULL,
    events bigint NOT NULL DEFAULT 0,
    last_event_at timestamptz,
    reported_at timestamptz,
    status json
);

-- Takes events that are gone off the counts. Rows are locked in order of id, as the writer does: no deadlocks.
CREATE FUNCTION cameras_uncount(ids text[], gone bigint[]) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM FROM cameras WHERE camera_id = ANY (ids) ORDER BY camera_id FOR UPDATE;
    UPDATE cameras SET events = cameras.events - deleted.events
    FROM unnest(ids, gone) AS deleted (camera_id, events)
    WHERE cameras.camera_id = deleted.camera_id;
END $$;

REVOKE ALL ON FUNCTION cameras_uncount FROM PUBLIC;
GRANT SELECT, INSERT, UPDATE ON cameras TO ovr_writer;
GRANT SELECT ON cameras TO ovr_reader;
