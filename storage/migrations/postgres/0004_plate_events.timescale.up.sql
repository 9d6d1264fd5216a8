-- One row a pass. What is filtered stands in columns; `payload` is the whole event, a serialised
-- ovr.alpr.v1.PlateEvent. A hypertable by best_seen_at, a chunk a week.
CREATE TABLE plate_events (
    event_id uuid NOT NULL,
    best_seen_at timestamptz NOT NULL,
    camera_id text COLLATE "C" NOT NULL,
    site_id text COLLATE "C" NOT NULL,
    node_id text COLLATE "C" NOT NULL,
    closed_at timestamptz NOT NULL,        -- last_seen_at for an event that does not say
    outcome text COLLATE "C" NOT NULL,
    region text COLLATE "C",               -- NULL without a plate, as are the two below
    plate text COLLATE "C",
    confidence double precision,           -- 0 to 1
    vehicle text COLLATE "C" NOT NULL,
    payload bytea NOT NULL,
    PRIMARY KEY (event_id, best_seen_at)
);
SELECT create_hypertable(
    'plate_events', 'best_seen_at', chunk_time_interval => interval '7 days', create_default_indexes => false
);
CREATE INDEX plate_events_by_time ON plate_events (best_seen_at, event_id);
CREATE INDEX plate_events_by_camera ON plate_events (camera_id, best_seen_at, event_id);

-- The extension makes chunks itself. Here so that the adapter need not know which of the two it has.
CREATE FUNCTION plate_events_prepare(moments timestamptz[]) RETURNS void
LANGUAGE sql SET search_path = public, pg_temp AS 'SELECT';

-- Deletes events best seen before `moment`, and their counts: whole chunks at once, of the rest at most
-- `most` rows. Returns how many went; to be called until that is 0.
CREATE FUNCTION plate_events_delete_before(moment timestamptz, most integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '5s' AS $$
DECLARE
    edge timestamptz;
    ids text[];
    gone bigint[];
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('plate_events partitions'));
    SELECT max(range_end) INTO edge FROM timescaledb_information.chunks
    WHERE hypertable_schema = 'public' AND hypertable_name = 'plate_events' AND range_end <= moment;
    IF edge IS NOT NULL THEN
        LOCK TABLE plate_events IN SHARE ROW EXCLUSIVE MODE;
        SELECT array_agg(camera_id), array_agg(n) INTO ids, gone FROM
            (SELECT camera_id, count(*) AS n FROM plate_events WHERE best_seen_at < edge GROUP BY camera_id) AS counted;
        PERFORM drop_chunks('plate_events', older_than => edge);
        IF ids IS NOT NULL THEN
            PERFORM cameras_uncount(ids, gone);
            RETURN (SELECT sum(n) FROM unnest(gone) AS n);
        END IF;
    END IF;
    WITH old AS (
        SELECT event_id, best_seen_at FROM plate_events WHERE best_seen_at < moment
        ORDER BY best_seen_at LIMIT most
    ), deleted AS (
        DELETE FROM plate_events USING old
        WHERE plate_events.event_id = old.event_id AND plate_events.best_seen_at = old.best_seen_at
        RETURNING camera_id
    )
    SELECT array_agg(camera_id), array_agg(n) INTO ids, gone
    FROM (SELECT camera_id, count(*) AS n FROM deleted GROUP BY camera_id) AS counted;
    PERFORM cameras_uncount(ids, gone);
    RETURN coalesce((SELECT sum(n) FROM unnest(gone) AS n), 0);
END $$;

REVOKE ALL ON FUNCTION plate_events_prepare, plate_events_delete_before FROM PUBLIC;
GRANT EXECUTE ON FUNCTION plate_events_prepare, plate_events_delete_before TO ovr_writer;
GRANT SELECT, INSERT ON plate_events TO ovr_writer;
GRANT SELECT ON plate_events TO ovr_reader;
