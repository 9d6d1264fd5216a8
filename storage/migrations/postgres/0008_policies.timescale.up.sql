-- Chunks older than two weeks are compressed by camera; late events may still be inserted into them.
ALTER TABLE plate_events SET (
    timescaledb.compress,
    timescaledb.compress_segmentby = 'camera_id',
    timescaledb.compress_orderby = 'best_seen_at DESC, event_id'
);
SELECT add_compression_policy('plate_events', compress_after => interval '14 days');

-- Retention as a job of the database, for who does not want it from the event writer's setting:
--   SELECT add_job('plate_events_retention', '1 day', config => '{"days": 365}');
-- TimescaleDB's own policy would leave the counts of the cameras behind.
CREATE PROCEDURE plate_events_retention(job_id integer, config jsonb)
LANGUAGE plpgsql AS $$
DECLARE
    moment timestamptz := now() - make_interval(days => (config ->> 'days')::integer);
BEGIN
    WHILE public.plate_events_delete_before(moment, 5000) > 0 LOOP
        COMMIT;
    END LOOP;
END $$;
REVOKE ALL ON PROCEDURE plate_events_retention FROM PUBLIC;
