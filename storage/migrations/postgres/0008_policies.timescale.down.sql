SELECT delete_job(job_id) FROM timescaledb_information.jobs WHERE proc_name = 'plate_events_retention';
DROP PROCEDURE plate_events_retention;
SELECT remove_compression_policy('plate_events');
SELECT decompress_chunk(chunk, true) FROM show_chunks('plate_events') AS chunk;
ALTER TABLE plate_events SET (timescaledb.compress = false);
