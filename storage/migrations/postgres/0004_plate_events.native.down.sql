DROP FUNCTION plate_events_delete_before, plate_events_prepare;
DROP TABLE plate_events;
