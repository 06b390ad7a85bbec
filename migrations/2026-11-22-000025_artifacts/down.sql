DROP INDEX activity.entries_skills;
DROP TABLE career.artifacts;
