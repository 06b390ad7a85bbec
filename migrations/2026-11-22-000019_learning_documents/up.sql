-- A certificate as a document (PDF), once it is made: the object, the digest of its bytes, their number.
ALTER TABLE learning.certificates
    ADD document_id     uuid,
    ADD document_sha256 bytea CHECK (octet_length(document_sha256) = 32),
    ADD document_size   bigint CHECK (document_size > 0),
    ADD CONSTRAINT document_whole CHECK (num_nonnulls(document_id, document_sha256, document_size) IN (0, 3));

-- Those issued before get theirs.
INSERT INTO learning.timers (id, machine, entity_id, task, due_at)
SELECT gen_random_uuid(), 'certificate', id, 'document', now() FROM learning.certificates WHERE state = 'issued'
ON CONFLICT DO NOTHING;

-- Quizzes that an instructor runs with everybody at once.
CREATE TABLE learning.live_quizzes (
    id         uuid PRIMARY KEY,
    course_id  uuid NOT NULL REFERENCES learning.courses (id),
    host_id    uuid NOT NULL,
    title      text NOT NULL CHECK (char_length(title) BETWEEN 1 AND 120),
    -- The questions as they are asked, their shuffle included.
    paper      jsonb NOT NULL,
    -- Time for each question.
    seconds    integer NOT NULL CHECK (seconds BETWEEN 5 AND 600),
    state      text NOT NULL CHECK (state IN ('waiting', 'open', 'closed', 'ended')),
    -- The question that is or was open last, from 1; 0 before the first.
    number     integer NOT NULL DEFAULT 0 CHECK (number >= 0),
    opened_at  timestamptz,
    closes_at  timestamptz,
    version    bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX live_quizzes_one ON learning.live_quizzes (course_id) WHERE state <> 'ended';

-- An answer is not changed: the first one counts, and what it was worth is kept with it. Only a person who is erased
-- takes theirs along.
CREATE TABLE learning.live_answers (
    quiz_id     uuid NOT NULL REFERENCES learning.live_quizzes (id),
    number      integer NOT NULL CHECK (number > 0),
    student_id  uuid NOT NULL,
    answer      jsonb NOT NULL,
    points      integer NOT NULL CHECK (points BETWEEN 0 AND 1000),
    answered_at timestamptz NOT NULL,
    PRIMARY KEY (quiz_id, number, student_id)
);
CREATE TRIGGER live_answers_stay BEFORE UPDATE ON learning.live_answers
    FOR EACH ROW EXECUTE FUNCTION learning.is_a_record();
