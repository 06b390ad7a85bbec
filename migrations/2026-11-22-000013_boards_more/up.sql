-- Points that were earned in a course count on the course's board too. An event about a course names it, so
-- unlike a gig's skills this needs no table of its own.
ALTER TABLE gamification.facts ADD COLUMN course_id uuid;
ALTER TABLE gamification.ledger ADD COLUMN course_id uuid;
CREATE INDEX ledger_course ON gamification.ledger (course_id, seq) WHERE course_id IS NOT NULL;
CREATE INDEX ledger_user_course ON gamification.ledger (user_id, course_id) WHERE course_id IS NOT NULL;
-- What people call it, where an event has said.
ALTER TABLE gamification.boards ADD COLUMN name text CHECK (length(name) BETWEEN 1 AND 200);
-- An operator's word that boards are to be read from the ledger again, one row each time: live boards look.
CREATE TABLE gamification.remakes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now()
);
