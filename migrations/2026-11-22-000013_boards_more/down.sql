DROP TABLE gamification.remakes;
ALTER TABLE gamification.boards DROP COLUMN name;
ALTER TABLE gamification.ledger DROP COLUMN course_id;
ALTER TABLE gamification.facts DROP COLUMN course_id;
