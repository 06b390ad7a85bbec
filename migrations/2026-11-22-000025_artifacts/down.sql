DROP TABLE career.artifacts;
