-- One row a pass. What is filtered stands in columns; `payload` is the whole event, a serialised
-- ovr.alpr.v1.PlateEvent. Partitioned by week of best_seen_at (ISO weeks, UTC).
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
) PARTITION BY RANGE (best_seen_at);
CREATE INDEX plate_events_by_time ON plate_events (best_seen_at, event_id);
CREATE INDEX plate_events_by_camera ON plate_events (camera_id, best_seen_at, event_id);

-- Takes what has no week of its own: an event whose clock is years off must neither be lost nor make tables.
CREATE TABLE plate_events_default PARTITION OF plate_events DEFAULT;

-- Makes the weeks of these moments, if they lie within two years back and eight days ahead.
-- The event writer calls it before it writes into a week that it has not seen yet.
CREATE FUNCTION plate_events_prepare(moments timestamptz[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    week timestamptz;
    part text;
BEGIN
    FOR week IN
        SELECT DISTINCT date_trunc('week', moment, 'UTC') FROM unnest(moments) AS moment
        WHERE moment BETWEEN now() - interval '2 years' AND now() + interval '8 days' ORDER BY 1
    LOOP
        part := 'plate_events_' || to_char(week AT TIME ZONE 'UTC', 'IYYY"w"IW');
        -- Asked of the table: the cache behind to_regclass does not see what was made while the lock was awaited.
        CONTINUE WHEN EXISTS (SELECT FROM pg_class WHERE relname = part AND relnamespace = 'public'::regnamespace);
        PERFORM pg_advisory_xact_lock(hashtext('plate_events partitions'));
        CONTINUE WHEN EXISTS (SELECT FROM pg_class WHERE relname = part AND relnamespace = 'public'::regnamespace);
        -- Attached, not made in place, which would stop every reader and writer of the whole table.
        EXECUTE format('CREATE TABLE %I (LIKE plate_events INCLUDING DEFAULTS INCLUDING STORAGE)', part);
        LOCK TABLE plate_events_default IN ACCESS EXCLUSIVE MODE;
        EXECUTE format(
            'WITH moved AS (DELETE FROM plate_events_default WHERE best_seen_at >= %1$L AND best_seen_at < %2$L'
            ' RETURNING *) INSERT INTO %3$I SELECT * FROM moved',
            week, week + interval '7 days', part
        );
        EXECUTE format(
            'ALTER TABLE plate_events ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
            part, week, week + interval '7 days'
        );
    END LOOP;
END $$;

-- Deletes events best seen before `moment`, and their counts: whole weeks at once, of the rest at most
-- `most` rows. Returns how many went; to be called until that is 0.
CREATE FUNCTION plate_events_delete_before(moment timestamptz, most integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '5s' AS $$
DECLARE
    part text;
    ids text[];
    gone bigint[];
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('plate_events partitions'));
    FOR part IN
        SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
        WHERE inhparent = 'plate_events'::regclass AND relname ~ '^plate_events_\d{4}w\d\d$'
        AND to_date(right(relname, 7), 'IYYY"w"IW') + 7 <= moment AT TIME ZONE 'UTC'
        ORDER BY relname
    LOOP
        EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', part);
        EXECUTE format(
            'SELECT array_agg(camera_id), array_agg(n) FROM'
            ' (SELECT camera_id, count(*) AS n FROM %I GROUP BY camera_id) AS counted', part
        ) INTO ids, gone;
        -- Before the cameras are locked: a writer has the table first and the cameras after it.
        EXECUTE format('DROP TABLE %I', part);
        CONTINUE WHEN ids IS NULL;
        PERFORM cameras_uncount(ids, gone);
        RETURN (SELECT sum(n) FROM unnest(gone) AS n);
    END LOOP;
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
