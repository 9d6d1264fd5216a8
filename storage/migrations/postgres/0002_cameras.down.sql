DROP FUNCTION cameras_uncount;
DROP TABLE cameras;
