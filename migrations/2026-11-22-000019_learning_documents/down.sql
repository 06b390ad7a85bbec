DROP TABLE learning.live_answers;
DROP TABLE learning.live_quizzes;
DELETE FROM learning.timers WHERE machine = 'certificate' AND task = 'document';
ALTER TABLE learning.certificates
    DROP CONSTRAINT document_whole,
    DROP document_size,
    DROP document_sha256,
    DROP document_id;
