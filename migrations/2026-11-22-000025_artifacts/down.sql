DROP TRIGGER grades_reason ON learning.grades;
DROP TRIGGER grades_stay ON learning.grades;
CREATE TRIGGER grades_stay BEFORE UPDATE OR DELETE ON learning.grades
    FOR EACH ROW EXECUTE FUNCTION learning.is_a_record();
DROP INDEX activity.entries_skills;
DROP TABLE career.artifacts;
