-- The extension stays: TimescaleDB's own image has it in every database, and other schemas may use it.
SELECT;
