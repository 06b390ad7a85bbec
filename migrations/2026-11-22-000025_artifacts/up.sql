-- Pictures and documents of portfolio projects. The bytes are objects: pictures as the server wrote them anew,
-- documents as they came.
CREATE TABLE career.artifacts (
    id           uuid PRIMARY KEY,
    project_id   uuid NOT NULL REFERENCES career.projects ON DELETE CASCADE,
    kind         text NOT NULL CHECK (kind IN ('image', 'document')),
    -- What it is called, and what is to be seen on it.
    name         text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 200),
    alt          text NOT NULL CHECK (char_length(alt) <= 300),
    media_type   text NOT NULL,
    size         bigint NOT NULL,
    width        integer,
    height       integer,
    object_id    uuid NOT NULL,
    thumbnail_id uuid,
    position     integer NOT NULL,
    created_at   timestamptz NOT NULL,
    CHECK ((kind = 'image') = (thumbnail_id IS NOT NULL))
);
CREATE INDEX artifacts_project ON career.artifacts (project_id, position, id);

-- The feed: what is about a skill that somebody follows.
CREATE INDEX entries_skills ON activity.entries USING gin ((data -> 'skills')) WHERE public;

-- A grade stays as it is. What somebody wrote about it may be forgotten, and not be rewritten.
DROP TRIGGER grades_stay ON learning.grades;
CREATE TRIGGER grades_stay
    BEFORE UPDATE OF attempt_id, number, score, max_score, marks, graded_by, at OR DELETE ON learning.grades
    FOR EACH ROW EXECUTE FUNCTION learning.is_a_record();
CREATE TRIGGER grades_reason BEFORE UPDATE OF reason ON learning.grades
    FOR EACH ROW WHEN (NEW.reason <> '') EXECUTE FUNCTION learning.is_a_record();
